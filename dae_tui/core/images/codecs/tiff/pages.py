"""How the pages of a TIFF store their pixels, according to their tags; and new pages.

Everything is checked before anything is unpacked: what kind of image a page is, and that its
strips or tiles are all in the file and can hold as many pixels as it claims.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.tags import AGAIN, CUT, Form, Tag, Tags
from dae_tui.core.images.image_file import Stack, check_pixels
from dae_tui.errors import DataError

_VENDORS = {33629: "a MetaMorph stack", 34412: "a Zeiss LSM file", 65420: "a Hamamatsu NDPI file"}
# Samples that the colours of each photometric kind need.
_COLOURS = dict(enumerate((1, 1, 3, 1, 1, 4, 3)))
_NAMES = {codes.YCBCR: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw (CFA)"}
# No codec makes data smaller than this; fax, WebP and zstd do, for empty images.
_MOST_SHRUNK = {
    codes.LZW: 1400,
    codes.JPEG: 1100,
    codes.DEFLATE: 1100,
    codes.OLD_DEFLATE: 1100,
    codes.LZMA: 8000,
    codes.PACKBITS: 65,
}
_MOST_SHRUNK_ELSE = 50_000
# How TIFF numbers the kinds of numpy's types.
_FORMATS = {"b": 1, "u": 1, "i": 2, "f": 3}
_STRIP_BYTES = 1 << 18


@dataclass(frozen=True)
class Page:
    """How a page stores its pixels."""

    tags: Tags
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

    def size(self) -> int:
        """Uncompressed bytes of the whole."""
        across = -(-self.width * self.samples * self.bits // 8)
        return self.height * across

    def box_bytes(self, top: int) -> int:
        """Uncompressed bytes of a strip or tile."""
        rows = self.block[0] if self.tiled else min(self.block[0], self.height - top)
        return rows * -(-self.block[1] * (1 if self.planar else self.samples) * self.bits // 8)


def check_hidden(tags: Tags, count: int, name: str) -> None:
    """Raise DataError for files with images that their tags do not list.

    Args:
        tags: of the first page.
        count: of the pages.
        name: of the file, for messages.
    """
    for code, what in _VENDORS.items():
        if code in tags:
            raise DataError(f"{name} is {what}", "save it as a plain or OME TIFF first")
    said = bytes(tags[codes.DESCRIPTION].raw) if codes.DESCRIPTION in tags else b""
    images = re.search(rb"^images=(\d{1,9})", said, re.MULTILINE) if b"ImageJ=" in said else None
    if (images and int(images[1]) > count) or b'"truncated": true' in said:
        raise DataError(
            f"{name} has images that only {'ImageJ' if images else 'tifffile'} finds",
            "save it again with tags for every page",
        )


def read_page(tags: Tags, position: int, form: Form, size: int, label: str) -> Page:
    """How a page stores its pixels, and where, in a file of so many bytes.

    Raises DataError for an image that dae does not read, or that is not whole.
    """
    return _placed(_page(tags, position, form, label), form, size, label)


def _page(tags: Tags, position: int, form: Form, label: str) -> Page:
    """A page that does not know yet where its strips or tiles are."""

    def one(code: int, default: int) -> int:
        return (form.integers(tags, code) or [default])[0]

    height, width, samples = one(codes.HEIGHT, 0), one(codes.WIDTH, 0), one(codes.SAMPLES, 1)
    photometric = one(codes.PHOTOMETRIC, codes.RGB if samples >= 3 else codes.BLACK_IS_ZERO)
    compression, predictor = one(codes.COMPRESSION, codes.NONE), one(codes.PREDICTOR, 1)
    check_pixels(label, height, width)
    if (slices := one(codes.DEPTH, 1)) != 1:
        raise DataError(f"{label} is a volume of {slices} slices", "save them as pages")
    if photometric not in _COLOURS or (photometric == codes.YCBCR and compression != codes.JPEG):
        kind = _NAMES.get(photometric, f"of the photometric kind {photometric}")
        raise DataError(f"{label} is {kind}, which dae cannot read", "convert it to RGB first")
    if compression not in (*codes.WRITABLE, *codes.READ_ALONE):
        raise DataError(
            f"{label} is compressed in a way that dae cannot read ({compression})",
            "save it with deflate first",
        )
    bits, dtype = _type(tags, form, samples, label)
    if predictor not in (1, 2, 3) or (predictor == 2 and bits < 8):
        raise DataError(f"{label} is stored with a predictor that dae cannot read ({predictor})")
    if predictor == 3 and dtype.kind != "f":
        raise DataError(f"{label} is damaged: its predictor is for floats, which it does not hold")
    tiled = codes.TILE_WIDTH in tags
    block = (one(codes.TILE_HEIGHT, 0), one(codes.TILE_WIDTH, 0))
    if not tiled:
        block = (min(one(codes.STRIP_ROWS, height), height), width)
    if min(block) <= 0:
        raise DataError(f"{label} is damaged: its tiles or strips have no size")
    alpha, bands = _extra(form.integers(tags, codes.EXTRA), samples, photometric, label)
    return Page(
        tags, position, height, width, samples, bits, dtype, photometric,
        one(codes.PLANAR, 1) == 2 and samples > 1, compression, predictor,
        one(codes.FILL_ORDER, 1) == 2, block, tiled, alpha, bands,
    )  # fmt: skip


def _type(tags: Tags, form: Form, samples: int, label: str) -> tuple[int, np.dtype[Any]]:
    """Bits of a sample, and the type of the values."""
    widths = set(form.integers(tags, codes.BITS, [1])[:samples])
    formats = set(form.integers(tags, codes.FORMAT, [1])[:samples])
    if len(widths) > 1 or len(formats) > 1:
        raise DataError(f"{label} has samples of several types", "save it with 8 or 16 bits each")
    (bits,), (kind,) = widths, formats
    if kind in (1, 4) and bits == 1:
        return 1, np.dtype(bool)
    if kind in (1, 4) and (1 < bits <= 16 or bits in (32, 64)):
        return bits, np.dtype(f"{form.order}u{-(-bits // 8)}")
    if (kind == 2 and bits in (8, 16, 32, 64)) or (kind == 3 and bits in (16, 32, 64)):
        return bits, np.dtype(f"{form.order}{'if'[kind - 2]}{bits // 8}")
    what = {1: "uint", 2: "int", 3: "float", 5: "complex int", 6: "complex"}.get(kind, "unknown ")
    raise DataError(
        f"{label} holds values of type {what}{bits}",
        "values must be integers or floats of up to 64 bits: array.astype('uint16') makes them so",
    )


def _extra(kinds: Sequence[int], samples: int, photometric: int, label: str) -> tuple[bool, bool]:
    """Whether the last sample is alpha, and whether all are grey images of their own."""
    more = samples - _COLOURS[photometric]
    if more < 0:
        raise DataError(f"{label} is damaged: its colours need more than {samples} samples")
    grey = photometric in (codes.WHITE_IS_ZERO, codes.BLACK_IS_ZERO)
    transparent = any(kind in (1, 2) for kind in kinds)
    if more == 1 and (not grey or transparent):
        return True, False
    if more and (not grey or transparent):
        raise DataError(
            f"{label} has {samples} samples a pixel, {more} more than its colours",
            "save them as pages",
        )
    return False, more > 0


def _placed(page: Page, form: Form, size: int, label: str) -> Page:
    """The page with its strips or tiles, all of which are in the file and hold what they must."""
    offsets = form.integers(page.tags, codes.TILES if page.tiled else codes.STRIPS)
    counts = form.integers(page.tags, codes.TILE_SIZES if page.tiled else codes.STRIP_SIZES)
    down, across = -(-page.height // page.block[0]), -(-page.width // page.block[1])
    wanted = down * across * (page.samples if page.planar else 1)
    last = page.box_bytes((down - 1) * page.block[0])
    whole = page.box_bytes(0)
    if not counts and page.compression == codes.NONE and wanted == 1:
        counts = [whole]
    if len(offsets) != wanted or len(counts) != wanted:
        raise DataError(
            f"{label} is damaged: it has {min(len(offsets), len(counts))} strips or tiles where "
            f"{wanted} belong"
        )
    if 0 in counts:
        raise DataError(f"{label} is sparse: some of its tiles are missing", "save it whole first")
    if any(o + c > size for o, c in zip(offsets, counts, strict=True)):
        raise DataError(f"{label} {CUT}: pixels lie beyond its end", AGAIN)
    shrunk = _MOST_SHRUNK.get(page.compression, _MOST_SHRUNK_ELSE)
    if page.compression == codes.NONE:
        least = [last if (i // across) % down == down - 1 else whole for i in range(wanted)]
        enough = all(c >= n for c, n in zip(counts, least, strict=True))
    else:
        enough = sum(counts) * shrunk >= whole * (wanted - 1) + last
    if not enough:
        raise DataError(
            f"{label} is too short for the {page.width}×{page.height} pixels that it claims", AGAIN
        )
    return replace(page, offsets=offsets, counts=counts)


def new_page(stack: Stack, said: Tags, icc: bytes | None, form: Form) -> Page:
    """How a page for each image of a stack is stored, with tags beside those of its pixels.

    Raises DataError for types that no TIFF holds.
    """
    _, height, width, samples = stack.values.shape
    dtype = stack.values.dtype
    if dtype.kind not in _FORMATS or dtype.itemsize > 8:
        raise DataError(f"tiff as dae writes it cannot hold {dtype}")
    colours = samples - stack.alpha
    grey = codes.WHITE_IS_ZERO if stack.white_is_zero else codes.BLACK_IS_ZERO
    photometric = {3: codes.RGB, 4: codes.CMYK}.get(colours, grey)
    bits = 1 if dtype.kind == "b" else dtype.itemsize * 8
    predictor = {"b": 1, "f": 3}.get(dtype.kind, 2)
    rows = max(1, min(height, _STRIP_BYTES // max(1, width * samples * bits // 8)))
    tags = said | {
        codes.WIDTH: form.longs(width),
        codes.HEIGHT: form.longs(height),
        codes.BITS: form.shorts(*[bits] * samples),
        codes.COMPRESSION: form.shorts(codes.DEFLATE),
        codes.PHOTOMETRIC: form.shorts(photometric),
        codes.SAMPLES: form.shorts(samples),
        codes.STRIP_ROWS: form.longs(rows),
        codes.PLANAR: form.shorts(1),
        codes.PREDICTOR: form.shorts(predictor),
        codes.FORMAT: form.shorts(*[_FORMATS[dtype.kind]] * samples),
    }
    if stack.alpha:
        tags[codes.EXTRA] = form.shorts(2)
    if icc:
        tags[codes.ICC] = Tag(codes.BYTES, len(icc), icc)
    return Page(
        tags, 0, height, width, samples, bits, dtype.newbyteorder(form.order), photometric, False,
        codes.DEFLATE, predictor, False, (rows, width), False, stack.alpha, False,
    )  # fmt: skip
