"""The tags of a TIFF or BigTIFF put together to a file again, page by page.

By hand since (2026-11-26) tifffile's writer takes no EXIF, no GPS and no RGB of 1 bit, and takes
0.64 s for 2 000 pages of 28×28 where this takes 0.23 s.
"""

import io
import struct
from collections.abc import Iterable

from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.tags import Form, Tags
from dae_tui.errors import DataError


def put_tags(out: io.BytesIO, tags: Tags, form: Form) -> int:
    """Write tags with 0 for the place of the next page's, which comes last. Returns their place."""
    entries = []
    for code, first in sorted(tags.items()):
        for tag in (first, *first.again):
            raw = bytes(tag.raw) if tag.inner is None else b""
            if tag.inner is not None:
                raw = form.offset.pack(put_tags(out, tag.inner, form))
            if len(raw) > form.offset.size:
                raw = form.offset.pack(_append(out, raw))
            entries.append(form.entry.pack(code, tag.kind, tag.count, raw))
    return _append(out, form.count.pack(len(entries)) + b"".join(entries) + form.offset.pack(0))


def _append(out: io.BytesIO, data: bytes | memoryview) -> int:
    """Write at an even place, and return it."""
    out.write(b"\0" * (out.tell() % 2))
    place = out.tell()
    out.write(data)
    return place


def header(form: Form) -> bytes:
    """The beginning of a file, with 0 for the place of the first tags, which comes last."""
    mark = b"II" if form.order == "<" else b"MM"
    start = struct.pack(form.order + "HHH", 43, 8, 0) if form.big else b""
    return mark + (start or struct.pack(form.order + "H", 42)) + form.offset.pack(0)


def assembled(pages: Iterable[tuple[Tags, Iterable[bytes | memoryview]]], form: Form) -> bytes:
    """The bytes of a file of such pages: tags but for the places of the strips or tiles, and these.

    Raises DataError for a classic TIFF of more than 4 GiB.
    """
    out = io.BytesIO()
    out.write(header(form))
    link = form.offset.size
    try:
        for tags, boxes in pages:
            offsets, counts = [], []
            for box in boxes:
                offsets.append(_append(out, box))
                counts.append(out.tell() - offsets[-1])
            places, sizes = (
                (codes.TILES, codes.TILE_SIZES)
                if codes.TILE_WIDTH in tags
                else (codes.STRIPS, codes.STRIP_SIZES)
            )
            where = {places: form.offsets(offsets), sizes: form.offsets(counts)}
            position = put_tags(out, tags | where, form)
            out.seek(link)
            out.write(form.offset.pack(position))
            link = out.seek(0, io.SEEK_END) - form.offset.size
    except (struct.error, OverflowError) as failure:
        raise DataError(
            "tiff cannot hold more than 4 GiB", "store it as BigTIFF first"
        ) from failure
    return out.getvalue()
