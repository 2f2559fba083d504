"""FITS, of astronomy: the images of all its units (HDUs), through astropy.

Values stay as they are stored, without BSCALE and BZERO, except for the convention that stores
unsigned integers as signed ones. Headers and tables are kept byte for byte.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits

from dae_tui.core.images.codecs.science.gzipped import is_packed, packed_like, unpacked
from dae_tui.core.images.codecs.science.values import check_values, grey_images, native
from dae_tui.core.images.file_content import FREE, AsFile, Source, check_unpacked
from dae_tui.core.images.image_file import (
    MOST_STACKS,
    About,
    ImageFile,
    Stack,
    check_pixels,
    check_stacks,
)
from dae_tui.errors import DataError

_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_OPTIONS: dict[str, Any] = {
    "memmap": False,
    "do_not_scale_image_data": True,
    "ignore_blank": True,
    "disable_image_compression": True,
    "lazy_load_hdus": True,
}
_WITH_TILES = {**_OPTIONS, "disable_image_compression": False}
_EXTENSION, _END = b"XTENSION", b"END     "
_CARD, _BLOCK = 80, 2880
_SMALL_TILE = 1 << 20
_LONGEST_HEADER = 5000 * _BLOCK
# Of a file in gzip, which tells at its end alone how large it is.
_MOST_UNPACKED = 1 << 31
_SUMS = ("CHECKSUM", "DATASUM")


class _Unit(NamedTuple):
    """An image in a file."""

    number: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    unsigned: bool
    """Whether the sign bit is turned: unsigned integers stored as signed, or the reverse."""
    blank: int | None
    """The stored integer of pixels without a value."""
    summed: bool
    packed: bool
    """Whether it is compressed in tiles."""

    @property
    def end(self) -> int:
        """Where its values end."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def read(content: bytes, name: str) -> ImageFile:
    """The images of a FITS file, a stack for each unit that has at least two axes.

    BLANK becomes the no-data value. Raises DataError for files without such a unit and for files
    that are not whole.
    """
    whole = unpacked(content, _MOST_UNPACKED, name)
    check_unpacked(name, len(content), len(whole))
    units, end = _units(whole, name)
    tiles = _tiles(whole, units, name)
    if end > len(whole) + _BLOCK:
        raise DataError(f"{name} is not a whole fits file: it ends too early")
    stacks = []
    for unit in units:
        if unit.end > len(whole) and not unit.packed:
            raise DataError(f"{name} is not a whole fits file: it ends too early")
        stored = tiles.get(unit.number)
        if stored is None:
            stored = np.frombuffer(whole, unit.dtype, math.prod(unit.shape), unit.start)
        values = native(_turned(native(stored), unit)).reshape(-1, *unit.shape[-2:])
        blank = None
        if unit.blank is not None:
            blank = float(_turned(np.array([unit.blank], values_type(unit)), unit)[0])
        stacks.append(Stack(values[..., None], no_data=blank))
    lossy = any(unit.packed and unit.dtype.kind == "f" for unit in units)
    remarks = ("its compressed floats are quantised anew",) if lossy else ()
    return ImageFile(
        "fits", stacks, partial(_encode, units=units, whole=whole, like=content), About(), remarks
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The bytes up to the end of the last unit, and as many more as may follow."""
    if is_packed(source):
        return 0, _MOST_UNPACKED
    _, end = _units(source, name)
    return end - _BLOCK, end + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A FITS file with a cube of grey images, or an image for each stack. Drops `about`.

    Raises DataError for float16 and colour.
    """
    types = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
    units: list[Any] = []
    for stack in stacks:
        values = grey_images([stack], "fits", [*types, "float32", "float64"])
        kind = fits.ImageHDU if units else fits.PrimaryHDU
        units.append(kind(values[0] if len(values) == 1 else values))
    out = io.BytesIO()
    fits.HDUList(units).writeto(out)
    return out.getvalue()


def values_type(unit: _Unit) -> np.dtype[Any]:
    """The stored type of a unit in the byte order of this machine."""
    return unit.dtype.newbyteorder("=")


def _units(source: Source, name: str) -> tuple[list[_Unit], int]:
    """The images of a file, and where its last unit ends."""
    units, end = [], 0
    _check_header(source, 0, name)
    with fits.open(io.BufferedReader(AsFile(source)), **_OPTIONS) as opened:
        for number, unit in enumerate(_each(opened, source, name)):
            check_stacks(name, number, "units", more=True)
            header = unit.header
            place = unit.fileinfo()
            end = place["datLoc"] + place["datSpan"]
            z = "Z" if header.get("ZIMAGE", False) else ""
            if not z and not isinstance(unit, (fits.PrimaryHDU, fits.ImageHDU)):
                continue
            axes = range(header[f"{z}NAXIS"], 0, -1)
            shape = tuple(int(header[f"{z}NAXIS{axis}"]) for axis in axes)
            if len(shape) < 2 or 0 in shape or header.get("GROUPS", False):
                continue
            units.append(_unit(number, header, shape, 0 if z else place["datLoc"], name))
    if not units:
        raise DataError(f"{name} has no unit with an image")
    check_pixels(name, sum(math.prod(unit.shape) for unit in units))
    return units, end


def _tiles(whole: bytes, units: Sequence[_Unit], name: str) -> dict[int, Any]:
    """The stored values of those that are compressed in tiles, by their numbers."""
    packed = [unit for unit in units if unit.packed]
    if not packed:
        return {}
    size = sum(math.prod(unit.shape) * unit.dtype.itemsize for unit in packed)
    check_unpacked(name, len(whole), size)
    with fits.open(io.BytesIO(whole), **_WITH_TILES) as opened:
        found = {unit.number: np.asarray(opened[unit.number].data) for unit in packed}
    for unit in packed:
        values = found[unit.number]
        if values.shape != unit.shape or values.dtype.newbyteorder("=") != values_type(unit):
            raise DataError(f"{name} is damaged: its tiles are not of the size that it says")
    return found


def _each(opened: Any, source: Source, name: str) -> Iterator[Any]:
    """All units, up to what is none: astropy would look for a header to the end of the file."""
    position = 0
    for number in range(MOST_STACKS + 2):
        if number and source[position : position + len(_EXTENSION)] != _EXTENSION:
            return
        _check_header(source, position, name)
        unit = opened[number]
        place = unit.fileinfo()
        position = place["datLoc"] + place["datSpan"]
        yield unit


def _check_header(source: Source, position: int, name: str) -> None:
    """Raise DataError for a header that does not end."""
    for start in range(position, position + _LONGEST_HEADER, _BLOCK):
        block = source[start : start + _BLOCK]
        if any(block.startswith(_END, card) for card in range(0, len(block), _CARD)):
            return
        if len(block) < _BLOCK:
            break
    raise DataError(f"{name} is not a whole fits file: a header does not end")


def _unit(number: int, header: Any, shape: tuple[int, ...], start: int, name: str) -> _Unit:
    packed = bool(header.get("ZIMAGE", False))
    bits = int(header["ZBITPIX" if packed else "BITPIX"])
    if packed:
        tile = [int(header.get(f"ZTILE{axis + 1}", 1)) for axis in range(len(shape))]
        # Those of HCOMPRESS may be larger than a small image.
        if min(tile) < 1 or math.prod(tile) > max(math.prod(shape), _SMALL_TILE):
            raise DataError(f"{name} is damaged: it has tiles larger than its image")
    if bits not in _TYPES:
        raise DataError(f"{name} is damaged: it has values of {bits} bits")
    dtype = np.dtype(_TYPES[bits])
    check_values(dtype, name)
    check_pixels(name, *shape)
    zero, scale = header.get("BZERO", 0), header.get("BSCALE", 1)
    turned = bits > 0 and scale == 1 and zero == (-128 if bits == 8 else 2 ** (bits - 1))
    blank = header.get("BLANK") if bits > 0 else None
    if blank is not None:
        limits = np.iinfo(dtype)
        blank = int(blank) if limits.min <= int(blank) <= limits.max else None
    summed = any(word in header for word in _SUMS)
    return _Unit(number, dtype, shape, start, turned, blank, summed, packed)


def _turned(values: Any, unit: _Unit) -> Any:
    """Integers with their sign bit turned, if that is how they are stored; this undoes itself."""
    if not unit.unsigned:
        return values
    width = values.dtype.itemsize
    kind = "i" if values.dtype.kind == "u" else "u"
    bits = values.view(f"u{width}") ^ np.array(1 << (8 * width - 1), f"u{width}")
    return bits.view(f"{kind}{width}")


def _encode(stacks: Sequence[Stack], units: Sequence[_Unit], whole: bytes, like: bytes) -> bytes:
    parts: list[bytes] = []
    tiles: dict[int, Any] = {}
    position = 0
    for stack, unit in zip(stacks, units, strict=True):
        stored = _turned(np.ascontiguousarray(stack.values), unit)
        if unit.packed:
            tiles[unit.number] = stored.reshape(unit.shape)
            continue
        parts += [whole[position : unit.start], stored.astype(unit.dtype, copy=False).tobytes()]
        position = unit.end
    made = b"".join([*parts, whole[position:]])
    if tiles or any(unit.summed for unit in units):
        made = _renewed(made, units, tiles)
    return packed_like(made, like)


def _renewed(content: bytes, units: Sequence[_Unit], tiles: Mapping[int, Any]) -> bytes:
    """The file with new tiles, and the checksums of its new values."""
    out = io.BytesIO()
    with fits.open(io.BytesIO(content), **(_WITH_TILES if tiles else _OPTIONS)) as opened:
        for unit in units:
            if unit.packed:
                opened[unit.number].data = tiles[unit.number]
            if unit.summed:
                opened[unit.number].add_checksum()
        opened.writeto(out, output_verify="ignore")
    return out.getvalue()
