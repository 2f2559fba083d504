"""TIFF and BigTIFF: every page's values anew, all that its tags say byte by byte as it was.

The tags are read and written here (TIFF 6.0, and BigTIFF as libtiff has it), so that private ones,
EXIF and GPS stay. tifffile and imagecodecs decode and encode the strips and tiles.
"""

import io
import logging
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any, Literal

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from dae_tui.core.files.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

# tifffile logs what it mends in broken files; such files are refused here.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

_MOST_PAGES = 100_000
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _DESCRIPTION, _ORIENTATION, _SAMPLES, _STRIP_ROWS = 266, 270, 274, 277, 278
_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES = 273, 279, 324, 325
_X_DPI, _Y_DPI, _PLANAR, _DPI_UNIT, _PREDICTOR, _PALETTE = 282, 283, 284, 296, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _SUB_PAGES, _EXTRA, _FORMAT = 322, 323, 330, 338, 339
_DEPTH, _ICC, _EXIF, _GPS, _INTEROP = 32997, 34675, 34665, 34853, 40965
_INNER = (_EXIF, _GPS, _INTEROP)
# Description, maker, model, orientation, software, date, artist, copyright.
_SAID = (270, 271, 272, _ORIENTATION, 305, 306, 315, 33432, _EXIF, _GPS)
# Tags that point at other places of the file: thumbnails, free space and other tags.
_POINTERS = {_SUB_PAGES: "SubIFDs", 400: "GlobalParametersIFD", 513: "JPEGInterchangeFormat"}
# What describes how the pixels were stored, by a codec, and as numbers of another type.
_STORED = (_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES, 288, 289, 514)
_OF_CODEC = (292, 293, 347, 512, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532)
_OF_TYPE = (280, 281, 290, 291, 301, 340, 341, _PALETTE)
_VENDORS = {33629: "a MetaMorph stack", 34412: "a Zeiss LSM file", 65420: "a Hamamatsu NDPI file"}

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTED, _MASK, _CMYK, _YCBCR = range(7)
_COLOURS = dict(enumerate((1, 1, 3, 1, 1, 4, 3)))
_NAMES = {_YCBCR: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw (CFA)"}

_NONE, _JPEG, _DEFLATE, _PACKBITS = 1, 7, 8, 32773
_ENCODERS: dict[int, Callable[..., bytes | bytearray]] = {
    5: imagecodecs.lzw_encode,
    _DEFLATE: imagecodecs.deflate_encode,
    32946: imagecodecs.deflate_encode,
    34925: imagecodecs.lzma_encode,
    50000: imagecodecs.zstd_encode,
}
# What is read, and written back as deflate.
_READ_ALONE = {2: "CCITT", 3: "CCITT", 4: "CCITT", _JPEG: "JPEG", 50001: "WebP"}
# No codec makes data smaller than this; fax, WebP and zstd do, for empty images.
_MOST_SHRUNK = {5: 1400, _JPEG: 1100, _DEFLATE: 1100, 32946: 1100, 34925: 8000, _PACKBITS: 65}
_MOST_SHRUNK_ELSE = 50_000

# Markers that say how large a JPEG is.
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_SHORT, _LONG, _RATIONAL, _BYTES, _IFD, _LONG8 = 3, 4, 5, 7, 13, 16
_WRITABLE = ("bool", "uint8", "uint16", "uint32", "float16", "float32", "float64")
_STRIP_BYTES = 1 << 18
_CUT = "is not a whole tiff file"
_AGAIN = "fetch or copy it again"


@dataclass(frozen=True)
class _Tag:
    kind: int
    count: int
    raw: bytes | memoryview
    """In the byte order of the file."""
    inner: "_Tags | None" = None
    """The tags that it points to."""
    again: tuple["_Tag", ...] = ()
    """Others of the same code, as tifffile writes two descriptions."""


_Tags = dict[int, _Tag]


@dataclass(frozen=True)
class _Form:
    """Byte order, `<` or `>`, and whether it is a BigTIFF."""

    order: Literal["<", ">"] = "<"
    big: bool = False

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def count(self) -> struct.Struct:
        """Of the number of tags."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """Of a tag: code, type, count, and the value or its offset."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    def shorts(self, *values: int) -> _Tag:
        return _Tag(_SHORT, len(values), struct.pack(f"{self.order}{len(values)}H", *values))

    def longs(self, *values: int) -> _Tag:
        return _Tag(_LONG, len(values), struct.pack(f"{self.order}{len(values)}I", *values))

    def offsets(self, values: Sequence[int]) -> _Tag:
        raw = np.array(values, f"{self.order}u{self.offset.size}").tobytes()
        return _Tag(_LONG8 if self.big else _LONG, len(values), raw)

    def integers(self, tags: _Tags, code: int, default: Sequence[int] = ()) -> list[int]:
        """The values of a tag that holds integers."""
        tag = tags.get(code)
        if tag is None or tag.kind not in _INTEGERS or tag.count == 0:
            return list(default)
        found: list[int] = np.frombuffer(tag.raw, self.order + _INTEGERS[tag.kind]).tolist()
        return found


@dataclass(frozen=True)
class _Page:
    """How a page stores its pixels."""

    tags: _Tags
    position: int
    """Of its tags in the file."""
    height: int
    width: int
    samples: int
    bits: int
    dtype: np.dtype[Any]
    """Of the values, in the file's byte order."""
    photometric: int
    planar: bool
    compression: int
    predictor: int
    turned: bool
    """The bits of each byte begin with the lowest."""
    block: tuple[int, int]
    """Height and width of a strip or tile."""
    tiled: bool
    alpha: bool
    """One sample more than the colours have."""
    bands: bool
    """Each sample is a grey image of its own."""
    offsets: list[int] = field(default_factory=list)
    """Of the strips or tiles in the file, which take so many bytes:"""
    counts: list[int] = field(default_factory=list)

    def boxes(self) -> Iterator[tuple[int, int, int]]:
        """Plane, top and left of each strip or tile, in order."""
        for plane in range(self.samples if self.planar else 1):
            for top in range(0, self.height, self.block[0]):
                for left in range(0, self.width, self.block[1]):
                    yield plane, top, left

    def box_bytes(self, top: int) -> int:
        """Uncompressed bytes of a strip or tile."""
        rows = self.block[0] if self.tiled else min(self.block[0], self.height - top)
        return rows * -(-self.block[1] * (1 if self.planar else self.samples) * self.bits // 8)


def read(content: bytes, name: str) -> ImageFile:
    """The pages of a TIFF, a stack for each; uncompressed ones are views of `content`.

    Values are bool, uint8, uint16, uint32 or floats. Palettes and other numbers of bits become 8
    or 16 bits; compressions that lose something become deflate; remarks say so.
    Raises DataError for broken files and for pages that are no such image.
    """
    form, first = _start(content, name)
    tables = _tables(content, form, first, name)
    labels = [f"{name}, page {index + 1}," for index in range(len(tables))]
    if len(labels) == 1:
        labels = [name]
    _check_hidden(tables, name)
    pages = [
        _placed(_page(tags, position, form, label), form, content, label)
        for (position, tags), label in zip(tables, labels, strict=True)
    ]
    shown = [page for page in pages if page.photometric != _MASK]
    if not shown:
        raise DataError(f"{name} holds no image, only a mask")
    check_pixels(name, sum(page.height * page.width for page in shown))
    targets: list[_Page] = []
    stacks: list[Stack] = []
    remarks: dict[str, None] = {}
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        for page, label in zip(pages, labels, strict=True):
            target = page
            if page.photometric == _MASK:
                remarks["a page that is a mask stays as it is"] = None
                target = replace(page, tags=_kept(page.tags))
            else:
                values = _values(page, content, opened, label)
                values, target = _plain(values, page, form, label)
                stacks.append(_stack(values, target))
            targets.append(target)
            remarks |= dict.fromkeys(_remarks(page, target))
    return ImageFile(
        "tiff",
        stacks,
        partial(_encode, targets=targets, form=form, content=content),
        _about(shown[0].tags, form),
        tuple(remarks),
    )


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A TIFF with a page for every image, compressed with deflate; a BigTIFF above 4 GB.

    Types stay. Raises DataError for values that no TIFF holds.
    """
    said: _Tags = {}
    form = _Form()
    with suppress(DataError):  # EXIF that is broken is left out.
        if about.exif:
            form, first = _start(about.exif, "EXIF")
            tags, _ = _read_tags(about.exif, form, first, "EXIF")
            said = {c: tag for c, tag in tags.items() if c in _SAID and not _is_lost(c, tag)}
    form = _Form(form.order, sum(stack.values.nbytes for stack in stacks) > 4_000_000_000)
    if about.dpi:
        said |= _dpi_tags(about.dpi, form)
    pages = []
    for stack in stacks:
        page = _new_page(stack, said, about.icc, form)
        pages += [(page.tags, _packed_boxes(page, image)) for image in _storable(stack)]
    return _assembled(pages, form)


# Tags.


def _start(content: bytes, name: str) -> tuple[_Form, int]:
    """How the file is laid out, and where its first tags are."""
    orders: dict[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}
    order = orders.get(content[:2])
    if order is None or len(content) < 16:
        raise DataError(f"{name} {_CUT}: it ends or breaks in its header", _AGAIN)
    form = _Form(order, struct.unpack_from(order + "H", content, 2)[0] == 43)
    return form, form.offset.unpack_from(content, form.offset.size)[0]


def _tables(content: bytes, form: _Form, first: int, name: str) -> list[tuple[int, _Tags]]:
    """Place and tags of each page."""
    found: dict[int, _Tags] = {}
    position = first
    size = 0
    while position:
        if position in found or len(found) >= _MOST_PAGES:
            raise DataError(f"{name} is damaged: its pages have no end")
        found[position], following = _read_tags(content, form, position, name)
        size += sum(len(tag.raw) for tag in found[position].values())
        # Every page could claim the same large tag, which writing would multiply.
        if size > 4 * len(content):
            raise DataError(f"{name} is damaged: its tags are larger than the file")
        position = following
    if not found:
        raise DataError(f"{name} holds no image")
    return list(found.items())


def _read_tags(
    content: bytes, form: _Form, position: int, name: str, depth: int = 0
) -> tuple[_Tags, int]:
    """The tags at a place of the file, and the place of the next page's, 0 for none."""
    tags: _Tags = {}
    view = memoryview(content)
    try:
        (count,) = form.count.unpack_from(content, position)
        start = position + form.count.size
        for code, kind, number, value in form.entry.iter_unpack(
            view[start : start + count * form.entry.size]
        ):
            tag = _read_tag(view, form, kind, number, value, name)
            if code in _INNER and len(tag.raw) == form.offset.size and depth < 3:
                (inner,) = form.offset.unpack(tag.raw)
                with suppress(DataError):  # EXIF that is broken is left out.
                    tag = replace(tag, inner=_read_tags(content, form, inner, name, depth + 1)[0])
            if depth and _is_lost(code, tag):
                continue
            if code in tags:
                tag = replace(tags[code], again=(*tags[code].again, tag))
            tags[code] = tag
        (following,) = form.offset.unpack_from(content, start + count * form.entry.size)
    except (struct.error, OverflowError) as failure:
        raise DataError(f"{name} {_CUT}: its tags lie beyond its end", _AGAIN) from failure
    return tags, following


def _read_tag(
    view: memoryview, form: _Form, kind: int, count: int, value: bytes, name: str
) -> _Tag:
    if kind not in _SIZES:
        return _Tag(kind, 0, b"")
    size = _SIZES[kind] * count
    if size <= len(value):
        return _Tag(kind, count, value[:size])
    (offset,) = form.offset.unpack(value)
    if offset + size > len(view):
        raise DataError(f"{name} {_CUT}: its tags lie beyond its end", _AGAIN)
    return _Tag(kind, count, view[offset : offset + size])


def _put_tags(out: io.BytesIO, tags: _Tags, form: _Form) -> int:
    """Write tags with 0 for the place of the next page's, which comes last. Returns their place."""
    entries = []
    for code, first in sorted(tags.items()):
        for tag in (first, *first.again):
            raw = bytes(tag.raw) if tag.inner is None else b""
            if tag.inner is not None:
                raw = form.offset.pack(_put_tags(out, tag.inner, form))
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


def _header(form: _Form) -> bytes:
    mark = b"II" if form.order == "<" else b"MM"
    start = struct.pack(form.order + "HHH", 43, 8, 0) if form.big else b""
    return mark + (start or struct.pack(form.order + "H", 42)) + form.offset.pack(0)


def _assembled(pages: Iterable[tuple[_Tags, Iterable[bytes | memoryview]]], form: _Form) -> bytes:
    """The bytes of a file of such pages: tags but for the places of the strips or tiles, and these.

    Raises DataError for a classic TIFF of more than 4 GiB.
    """
    out = io.BytesIO()
    out.write(_header(form))
    link = form.offset.size
    try:
        for tags, boxes in pages:
            offsets, counts = [], []
            for box in boxes:
                offsets.append(_append(out, box))
                counts.append(out.tell() - offsets[-1])
            places, sizes = (
                (_TILES, _TILE_SIZES) if _TILE_WIDTH in tags else (_STRIPS, _STRIP_SIZES)
            )
            where = {places: form.offsets(offsets), sizes: form.offsets(counts)}
            position = _put_tags(out, tags | where, form)
            out.seek(link)
            out.write(form.offset.pack(position))
            link = out.seek(0, io.SEEK_END) - form.offset.size
    except (struct.error, OverflowError) as failure:
        raise DataError(
            "tiff cannot hold more than 4 GiB", "store it as BigTIFF first"
        ) from failure
    return out.getvalue()


# Pages.


def _check_hidden(tables: Sequence[tuple[int, _Tags]], name: str) -> None:
    """Refuse files whose images are not all found by their tags."""
    tags = tables[0][1]
    for code, what in _VENDORS.items():
        if code in tags:
            raise DataError(f"{name} is {what}", "save it as a plain or OME TIFF first")
    said = bytes(tags[_DESCRIPTION].raw) if _DESCRIPTION in tags else b""
    images = re.search(rb"^images=(\d{1,9})", said, re.MULTILINE) if b"ImageJ=" in said else None
    if (images and int(images[1]) > len(tables)) or b'"truncated": true' in said:
        raise DataError(
            f"{name} has images that only {'ImageJ' if images else 'tifffile'} finds",
            "save it again with tags for every page",
        )


def _page(tags: _Tags, position: int, form: _Form, label: str) -> _Page:
    """How a page stores its pixels. Raises DataError for what is no image that dae reads."""

    def one(code: int, default: int) -> int:
        return (form.integers(tags, code) or [default])[0]

    height, width, samples = one(_HEIGHT, 0), one(_WIDTH, 0), one(_SAMPLES, 1)
    photometric = one(_PHOTOMETRIC, _RGB if samples >= 3 else _BLACK_IS_ZERO)
    compression, predictor = one(_COMPRESSION, _NONE), one(_PREDICTOR, 1)
    check_pixels(label, height, width)
    if one(_DEPTH, 1) != 1:
        raise DataError(f"{label} is a volume of {one(_DEPTH, 1)} slices", "save them as pages")
    if photometric not in _COLOURS or (photometric == _YCBCR and compression != _JPEG):
        kind = _NAMES.get(photometric, f"of the photometric kind {photometric}")
        raise DataError(f"{label} is {kind}, which dae cannot read", "convert it to RGB first")
    if compression not in (_NONE, _PACKBITS, *_ENCODERS, *_READ_ALONE):
        raise DataError(
            f"{label} is compressed in a way that dae cannot read ({compression})",
            "save it with deflate first",
        )
    bits, dtype = _type(tags, form, samples, label)
    if predictor not in (1, 2, 3) or (predictor == 2 and bits < 8):
        raise DataError(f"{label} is stored with a predictor that dae cannot read ({predictor})")
    if predictor == 3 and dtype.kind != "f":
        raise DataError(f"{label} is damaged: its predictor is for floats, which it does not hold")
    tiled = _TILE_WIDTH in tags
    block = (one(_TILE_HEIGHT, 0), one(_TILE_WIDTH, 0))
    if not tiled:
        block = (min(one(_STRIP_ROWS, height), height), width)
    if min(block) <= 0:
        raise DataError(f"{label} is damaged: its tiles or strips have no size")
    alpha, bands = _extra(form.integers(tags, _EXTRA), samples, photometric, label)
    return _Page(
        tags, position, height, width, samples, bits, dtype, photometric,
        one(_PLANAR, 1) == 2 and samples > 1, compression, predictor,
        one(_FILL_ORDER, 1) == 2, block, tiled, alpha, bands,
    )  # fmt: skip


def _type(tags: _Tags, form: _Form, samples: int, label: str) -> tuple[int, np.dtype[Any]]:
    """Bits of a sample, and the type of the values."""
    widths = set(form.integers(tags, _BITS, [1])[:samples])
    formats = set(form.integers(tags, _FORMAT, [1])[:samples])
    if len(widths) > 1 or len(formats) > 1:
        raise DataError(f"{label} has samples of several types", "save it with 8 or 16 bits each")
    (bits,), (kind,) = widths, formats
    if kind in (1, 4) and bits == 1:
        return 1, np.dtype(bool)
    if (kind in (1, 4) and 1 < bits <= 16) or (kind in (1, 4) and bits == 32):
        return bits, np.dtype(f"{form.order}u{-(-bits // 8)}")
    if kind == 3 and bits in (16, 32, 64):
        return bits, np.dtype(f"{form.order}f{bits // 8}")
    what = {1: "uint", 2: "int", 3: "float", 5: "complex int", 6: "complex"}.get(kind, "unknown ")
    raise DataError(
        f"{label} holds values of type {what}{bits}",
        "values must be unsigned integers of up to 32 bits, or floats in [0, 1]: "
        "array.astype('uint16') makes them so",
    )


def _extra(kinds: Sequence[int], samples: int, photometric: int, label: str) -> tuple[bool, bool]:
    """Whether the last sample is alpha, and whether all are grey images of their own."""
    more = samples - _COLOURS[photometric]
    if more < 0:
        raise DataError(f"{label} is damaged: its colours need more than {samples} samples")
    grey = photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    transparent = any(kind in (1, 2) for kind in kinds)
    if more == 1 and (not grey or transparent):
        return True, False
    if more and (not grey or transparent):
        raise DataError(
            f"{label} has {samples} samples a pixel, {more} more than its colours",
            "save them as pages",
        )
    return False, more > 0


def _placed(page: _Page, form: _Form, content: bytes, label: str) -> _Page:
    """The page with its strips or tiles, all of which are in the file and hold what they must."""
    offsets = form.integers(page.tags, _TILES if page.tiled else _STRIPS)
    counts = form.integers(page.tags, _TILE_SIZES if page.tiled else _STRIP_SIZES)
    down, across = -(-page.height // page.block[0]), -(-page.width // page.block[1])
    wanted = down * across * (page.samples if page.planar else 1)
    last = page.box_bytes((down - 1) * page.block[0])
    whole = page.box_bytes(0)
    if not counts and page.compression == _NONE and wanted == 1:
        counts = [whole]
    if len(offsets) != wanted or len(counts) != wanted:
        raise DataError(
            f"{label} is damaged: it has {min(len(offsets), len(counts))} strips or tiles where "
            f"{wanted} belong"
        )
    if 0 in counts:
        raise DataError(f"{label} is sparse: some of its tiles are missing", "save it whole first")
    if any(o + c > len(content) for o, c in zip(offsets, counts, strict=True)):
        raise DataError(f"{label} {_CUT}: pixels lie beyond its end", _AGAIN)
    shrunk = _MOST_SHRUNK.get(page.compression, _MOST_SHRUNK_ELSE)
    if page.compression == _NONE:
        least = [last if (i // across) % down == down - 1 else whole for i in range(wanted)]
        enough = all(c >= n for c, n in zip(counts, least, strict=True))
    else:
        enough = sum(counts) * shrunk >= whole * (wanted - 1) + last
    if not enough:
        raise DataError(
            f"{label} is too short for the {page.width}×{page.height} pixels that it claims", _AGAIN
        )
    return replace(page, offsets=offsets, counts=counts)


# Pixels.


def _values(page: _Page, content: bytes, opened: tifffile.TiffFile, label: str) -> NDArray[Any]:
    """The values (H, W, samples) as they are stored."""
    view = _view(page, content)
    if view is not None:
        return view
    opened.filehandle.seek(page.position)
    decoder = tifffile.TiffPage(opened, index=0)
    native = page.dtype.newbyteorder("=")
    array = np.empty((page.height, page.width, page.samples), native)
    for index, (plane, top, left) in enumerate(page.boxes()):
        packed = content[page.offsets[index] : page.offsets[index] + page.counts[index]]
        if page.compression == _JPEG:
            _check_jpeg(packed, page.block, label)
        decoded = decoder.decode(packed, index, jpegtables=decoder.jpegtables)[0]
        assert decoded is not None
        where = array[top : top + page.block[0], left : left + page.block[1]]
        if page.planar:
            where = where[..., plane : plane + 1]
        box = decoded[0, : len(where), : where.shape[1]]
        if page.bits == 1:  # Fax comes as bytes.
            box = box != 0
        if box.dtype != native or box.shape != where.shape:
            raise DataError(f"{label} is damaged: it has pixels {box.shape} of type {box.dtype}")
        if box.shape == array.shape:
            return box
        where[...] = box
    return array


def _check_jpeg(packed: bytes, block: tuple[int, int], label: str) -> None:
    """Refuse JPEG data that libjpeg would fill up with grey, or that claims other sizes."""
    if not packed.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DataError(f"{label} {_CUT}: its JPEG data ends too early", _AGAIN)
    place = 2
    marker = 0
    while place + 9 <= len(packed) and marker not in _FRAMES:
        marker, length, height, width = struct.unpack_from(">HHxHH", packed, place)
        place += 2 + length
    if marker not in _FRAMES or not 0 < height <= block[0] or not 0 < width <= block[1]:
        raise DataError(f"{label} is damaged: its JPEG data has another size than it")


def _view(page: _Page, content: bytes) -> NDArray[Any] | None:
    """The values (H, W, samples) where they lie in the file as numpy has them, else None."""
    if page.compression != _NONE or page.predictor != 1 or page.tiled or page.turned:
        return None
    if page.bits % 8:
        return None
    ends = [offset + count for offset, count in zip(page.offsets, page.counts, strict=True)]
    if page.offsets[1:] != ends[:-1]:
        return None
    shape = (page.samples, page.height, page.width)
    if not page.planar:
        shape = (page.height, page.width, page.samples)
    if ends[-1] - page.offsets[0] != math.prod(shape) * page.dtype.itemsize:
        return None
    array = np.ndarray(shape, page.dtype, content, page.offsets[0])
    return array.transpose(1, 2, 0) if page.planar else array


def _plain(
    values: NDArray[Any], page: _Page, form: _Form, label: str
) -> tuple[NDArray[Any], _Page]:
    """Values of a type that numpy has, with colours for a palette, and how to write them back."""
    photometric = {_YCBCR: _RGB}.get(page.photometric, page.photometric)
    if photometric == _PALETTED:
        values = _coloured(values, page, form, label)
        photometric = _RGB if values.shape[2] - page.alpha == 3 else _BLACK_IS_ZERO
    elif page.bits not in (1, 8, 16, 32, 64):
        values = _stretched(values, page.bits)
    dtype, samples = values.dtype.newbyteorder(form.order), values.shape[2]
    bits = 1 if dtype.kind == "b" else dtype.itemsize * 8
    tags = _kept(page.tags)
    tags.pop(_FILL_ORDER, None)
    if (bits, photometric) != (page.bits, page.photometric):
        tags = {code: tag for code, tag in tags.items() if code not in _OF_TYPE}
        tags[_BITS] = form.shorts(*[bits] * samples)
        tags[_SAMPLES] = form.shorts(samples)
        tags[_PHOTOMETRIC] = form.shorts(photometric)
        if _FORMAT in tags:
            tags[_FORMAT] = form.shorts(*[1] * samples)
        if not page.planar:
            tags[_PLANAR] = form.shorts(1)
    compression, predictor = page.compression, page.predictor
    if compression in _READ_ALONE:
        compression, predictor = _DEFLATE, {"b": 1, "f": 3}.get(dtype.kind, 2)
        tags = {code: tag for code, tag in tags.items() if code not in _OF_CODEC}
        tags[_COMPRESSION] = form.shorts(compression)
        tags[_PREDICTOR] = form.shorts(predictor)
    return values, replace(
        page, tags=tags, samples=samples, bits=bits, dtype=dtype, photometric=photometric,
        compression=compression, predictor=predictor,
    )  # fmt: skip


def _coloured(values: NDArray[Any], page: _Page, form: _Form, label: str) -> NDArray[Any]:
    """The colours for the indexes of a palette: uint8 where they are such, else uint16."""
    entries = np.array(form.integers(page.tags, _PALETTE), np.uint16)
    if page.dtype.kind == "f" or page.bits > 16 or entries.size != 3 << page.bits:
        raise DataError(f"{label} is damaged: it has no palette for its colours")
    if entries.max() < 256:  # Some write palettes of 8 bits where 16 belong, as libtiff knows.
        entries = entries.astype(np.uint8)
    elif not (entries % 257).any() or not (entries % 256).any():
        entries = (entries >> 8).astype(np.uint8)
    palette = entries.reshape(3, -1).T
    if (palette[:, :1] == palette).all():
        palette = palette[:, :1]
    colours = palette[values[..., 0].astype(np.uint16, copy=False)]
    if not page.alpha:
        return colours
    opaque = _stretched(values[..., 1:], page.bits, colours.dtype)
    return np.concatenate([colours, opaque], axis=2)


def _stretched(values: NDArray[Any], bits: int, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Integers of up to 16 bits spread to all that their type, or another, has."""
    dtype = dtype or values.dtype.newbyteorder("=")
    steps = np.arange(1 << bits) * (float(np.iinfo(dtype).max) / ((1 << bits) - 1))
    table: NDArray[Any] = np.rint(steps).astype(dtype)
    return table[values.astype(np.uint16, copy=False)]


def _stack(values: NDArray[Any], page: _Page) -> Stack:
    images = values.transpose(2, 0, 1)[..., None] if page.bands else values[None]
    return Stack(images, page.alpha, page.photometric in (_WHITE_IS_ZERO, _CMYK))


def _encode(
    stacks: Sequence[Stack], targets: Sequence[_Page], form: _Form, content: bytes
) -> bytes:
    left = iter(stacks)

    def pages() -> Iterator[tuple[_Tags, Iterable[bytes | memoryview]]]:
        view = memoryview(content)
        for page in targets:
            if page.photometric == _MASK:
                placed = zip(page.offsets, page.counts, strict=True)
                yield page.tags, [view[offset : offset + count] for offset, count in placed]
            else:
                values = next(left).values
                image = values[..., 0].transpose(1, 2, 0) if page.bands else values[0]
                yield page.tags, _packed_boxes(page, image)

    return _assembled(pages(), form)


def _packed_boxes(page: _Page, image: NDArray[Any]) -> Iterator[bytes | memoryview]:
    """The strips or tiles of an image (H, W, samples), compressed."""
    height, width = page.block
    for plane, top, left in page.boxes():
        box = image[top : top + height, left : left + width]
        if page.planar:
            box = box[..., plane : plane + 1]
        if page.tiled and box.shape[:2] != page.block:
            short = ((0, height - box.shape[0]), (0, width - box.shape[1]), (0, 0))
            box = np.pad(box, short, mode="edge")
        yield _packed(page, box)


def _packed(page: _Page, box: NDArray[Any]) -> bytes | memoryview:
    native = page.dtype.newbyteorder("=")
    if page.bits == 1:
        data = np.packbits(box.astype(bool, copy=False).reshape(len(box), -1), axis=1)
    elif page.predictor == 1:
        data = np.ascontiguousarray(box, page.dtype)
    elif page.predictor == 2:
        data = imagecodecs.delta_encode(np.ascontiguousarray(box, native), axis=-2)
        data = np.ascontiguousarray(data, page.dtype)
    else:  # Its bytes have an order of their own.
        data = imagecodecs.floatpred_encode(np.ascontiguousarray(box, native), axis=-2)
    if page.compression == _NONE:
        return data.data
    octets = data.reshape(len(box), -1).view(np.uint8)
    if page.compression == _PACKBITS:
        return bytes(imagecodecs.packbits_encode(octets, axis=-1))
    return bytes(_ENCODERS[page.compression](octets.data))


# What a file says beside its pixels.


def _is_lost(code: int, tag: _Tag) -> bool:
    """Whether a tag points to what is not taken along, or is of no known type."""
    if tag.kind not in _SIZES or code in _POINTERS:
        return True
    return tag.inner is None and (code in _INNER or tag.kind == _IFD)


def _kept(tags: _Tags) -> _Tags:
    return {
        code: tag for code, tag in tags.items() if code not in _STORED and not _is_lost(code, tag)
    }


def _remarks(page: _Page, target: _Page) -> list[str]:
    """What is not as it was in the page that is written."""
    found = []
    if page.photometric == _PALETTED:
        what = "RGB" if target.photometric == _RGB else "grey"
        found.append(f"the palette becomes {what} of {target.bits} bits")
    elif page.bits != target.bits:
        found.append(f"values of {page.bits} bits become {target.bits} bits")
    if page.compression != target.compression:
        what = _READ_ALONE[page.compression]
        found.append(f"{what} compression becomes deflate, which loses nothing")
    for code, tag in page.tags.items():
        if _is_lost(code, tag):
            what = _POINTERS.get(code, f"tag {code}")
            also = ", which are smaller copies" if code == _SUB_PAGES else ""
            found.append(f"left out: {what}{also}")
    return found


def _about(tags: _Tags, form: _Form) -> About:
    said = {code: tag for code, tag in _kept(tags).items() if code in _SAID}
    if _DESCRIPTION in said and bytes(said[_DESCRIPTION].raw[:6]).startswith(
        (b"{", b"<", b"ImageJ")
    ):
        del said[_DESCRIPTION]  # It describes this file.
    out = io.BytesIO(_header(form))
    out.seek(0, io.SEEK_END)
    if said:
        position = _put_tags(out, said, form)
        out.seek(form.offset.size)
        out.write(form.offset.pack(position))
    icc = bytes(tags[_ICC].raw) if _ICC in tags else None
    return About(icc, out.getvalue() if said else None, _dpi(tags, form))


def _dpi(tags: _Tags, form: _Form) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: 2.54}.get((form.integers(tags, _DPI_UNIT) or [2])[0])
    found = []
    for tag in (tags.get(_X_DPI), tags.get(_Y_DPI)):
        if tag is None or (tag.kind, tag.count) != (_RATIONAL, 1):
            return None
        dots, per = struct.unpack(form.order + "II", tag.raw)
        found.append(dots / per if per else 0.0)
    return None if unit is None or 0.0 in found else (found[0] * unit, found[1] * unit)


def _dpi_tags(dpi: tuple[float, float], form: _Form) -> _Tags:
    tags = {_DPI_UNIT: form.shorts(2)}
    for code, dots in zip((_X_DPI, _Y_DPI), dpi, strict=True):
        exact = Fraction(dots).limit_denominator(10_000)
        raw = struct.pack(form.order + "II", exact.numerator, exact.denominator)
        tags[code] = _Tag(_RATIONAL, 1, raw)
    return tags


def _new_page(stack: Stack, said: _Tags, icc: bytes | None, form: _Form) -> _Page:
    """How a page for each image of a stack is stored."""
    _, height, width, samples = stack.values.shape
    dtype = stack.values.dtype
    if dtype.name not in _WRITABLE:
        raise DataError(f"tiff as dae writes it cannot hold {dtype}")
    colours = samples - stack.alpha
    photometric = {3: _RGB, 4: _CMYK}.get(colours, _WHITE_IS_ZERO if stack.white_is_zero else 1)
    bits = 1 if dtype.kind == "b" else dtype.itemsize * 8
    predictor = {"b": 1, "f": 3}.get(dtype.kind, 2)
    rows = max(1, min(height, _STRIP_BYTES // max(1, width * samples * bits // 8)))
    tags = said | {
        _WIDTH: form.longs(width),
        _HEIGHT: form.longs(height),
        _BITS: form.shorts(*[bits] * samples),
        _COMPRESSION: form.shorts(_DEFLATE),
        _PHOTOMETRIC: form.shorts(photometric),
        _SAMPLES: form.shorts(samples),
        _STRIP_ROWS: form.longs(rows),
        _PLANAR: form.shorts(1),
        _PREDICTOR: form.shorts(predictor),
        _FORMAT: form.shorts(*[3 if dtype.kind == "f" else 1] * samples),
    }
    if stack.alpha:
        tags[_EXTRA] = form.shorts(2)
    if icc and icc[16:20] == {3: b"RGB ", 4: b"CMYK"}.get(colours, b"GRAY"):
        tags[_ICC] = _Tag(_BYTES, len(icc), icc)
    return _Page(
        tags, 0, height, width, samples, bits, dtype.newbyteorder(form.order), photometric, False,
        _DEFLATE, predictor, False, (rows, width), False, stack.alpha, False,
    )  # fmt: skip


def _storable(stack: Stack) -> Iterator[NDArray[Any]]:
    """The images (H, W, C), 0 being black, but white for CMYK and for grey that has it so."""
    colours = stack.values.shape[3] - stack.alpha
    turned = colours > 1 and stack.white_is_zero != (colours == 4)
    for image in stack.values:
        if not turned:
            yield image
            continue
        other = image.copy()
        white = image.dtype.type(stack.white)
        shown = other[..., :colours]
        if image.dtype.kind == "f":
            np.subtract(white, shown, out=shown)
        else:
            np.bitwise_xor(shown, white, out=shown)
        yield other
