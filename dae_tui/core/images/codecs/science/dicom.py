"""DICOM, of medical imaging: the frames of an image, through pydicom and imagecodecs.

Uncompressed pixels are replaced within the file, of which every other byte is kept. Compressed ones
are written as they were where that loses nothing, else uncompressed.
"""

import io
import logging
import struct
from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid

from dae_tui.core.images.codecs.science import dicom_frames
from dae_tui.core.images.codecs.science.values import native
from dae_tui.core.images.file_content import FREE, AsFile, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_PIXELS = {"PixelData": "ui", "FloatPixelData": "f", "DoubleFloatPixelData": "f"}
_COLOURS = {"MONOCHROME1": 1, "MONOCHROME2": 1, "RGB": 3}
# Decoded to RGB by pydicom.
_DECODED_COLOURS = ("YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_NEVER_READ = uid.DeflatedExplicitVRLittleEndian
_LEAST, _LARGEST = "SmallestImagePixelValue", "LargestImagePixelValue"

# It logs what it finds odd in files.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


class _Form(NamedTuple):
    """How the pixels of a file are stored."""

    frames: int
    rows: int
    columns: int
    samples: int
    bits: int
    """Of a value as it is stored."""
    used: int
    """Of them that hold the value."""
    kind: str
    """`u`, `i` or `f`."""
    planar: bool
    """Whether the colours of a frame follow each other."""
    photometric: str
    word: str
    """The element that holds the pixels."""
    syntax: uid.UID

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a value in the byte order of the file."""
        order = "<" if self.syntax.is_little_endian else ">"
        return np.dtype(f"{order}{self.kind}{self.bits // 8}")

    @property
    def size(self) -> int:
        """Of uncompressed pixels in bytes."""
        return self.frames * self.rows * self.columns * self.samples * self.bits // 8


def read(content: bytes, name: str) -> ImageFile:
    """The frames of a DICOM image: 8 to 32 bits, signed or not, or floats; grey or RGB.

    The stated range is that of the bits in use; the padding value becomes the no-data value.
    Raises DataError for files without pixels, for palettes, masks and YBR that is not compressed,
    as they could not be written back, and for files that are not whole.
    """
    dataset = _dataset(content, name)
    form = _form(dataset, name)
    remarks: list[str] = []
    if form.syntax.is_compressed:
        values, form = dicom_frames.decoded(dataset, form, name)
        keeps = dicom_frames.is_kept(form)
        if not keeps:
            remarks.append("its pixels are written uncompressed (Explicit VR Little Endian)")
        encode = partial(_encode_packed, form=form, content=content, keeps=keeps)
    else:
        start, length = _place(dataset, form, name)
        if start + length > len(content) or length < form.size:
            raise DataError(f"{name} is not a whole dicom file: it ends too early")
        count = form.size // form.dtype.itemsize
        values = _arranged(np.frombuffer(content, form.dtype, count, start), form)
        encode = partial(_encode_plain, form=form, content=content, start=start)
    stated = None
    if form.kind != "f" and form.used < form.bits:
        values = _without_unused(values, form)
        half = 1 << (form.used - 1)
        stated = (-half, half - 1) if form.kind == "i" else (0, 2 * half - 1)
    values = native(values)
    stack = Stack(
        values,
        white_is_zero=form.photometric == "MONOCHROME1",
        no_data=_padding(dataset, form),
        stated=stated if stated is None else (float(stated[0]), float(stated[1])),
    )
    # Looked at after the pixels: what is read becomes a value of Python's.
    encode = partial(encode, statistics=_true_statistics(dataset, values))
    return ImageFile("dicom", [stack], encode, About(), tuple(remarks))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such elements before its pixels."""
    opened: Any = io.BufferedReader(AsFile(source))
    form = _form(_dataset(opened, name, stop_before_pixels=True), name)
    least = 0 if form.syntax.is_compressed else form.size
    return least, 2 * form.size + 4 * FREE


def _dataset(content: bytes | BinaryIO, name: str, **options: Any) -> Any:
    opened: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else content
    start = opened.read(4096)
    if f"{_NEVER_READ}".encode() in start:
        raise DataError(f"{name} is deflated", "inflate it first: dcmconv +te")
    opened.seek(0)
    return pydicom.dcmread(opened, **options)


def _form(dataset: Any, name: str) -> _Form:
    """How the pixels are stored. Raises DataError for what is not read."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None or not uid.UID(syntax).is_transfer_syntax:
        raise DataError(f"{name} does not say how its pixels are stored")
    word = next((word for word in _PIXELS if word in dataset), "PixelData")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise DataError(f"{name} holds no image")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    samples = int(dataset.get("SamplesPerPixel", 1))
    check_pixels(name, frames, rows, columns)
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    syntax = uid.UID(syntax)
    known = photometric in _COLOURS or (syntax.is_compressed and photometric in _DECODED_COLOURS)
    if not known or samples != _COLOURS.get(photometric, 3):
        raise DataError(
            f"{name} is {photometric} of {samples} samples, which cannot be written back",
            "convert it to RGB or MONOCHROME2: dcmdjpeg, or dcmj2pnm",
        )
    kind = _PIXELS[word]
    bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(
        word, int(dataset.get("BitsAllocated", 16))
    )
    if kind != "f":
        kind = "i" if int(dataset.get("PixelRepresentation", 0)) else "u"
    if bits not in (8, 16, 32, 64):
        what = "a mask of single bits" if bits == 1 else f"values of {bits} bits"
        raise DataError(f"{name} is {what}, not an image")
    used = int(dataset.get("BitsStored", bits))
    high = int(dataset.get("HighBit", used - 1))
    if kind != "f" and not (0 < used <= bits and high == used - 1):
        raise DataError(f"{name} keeps {used} bits of {bits} below bit {high}, which is not read")
    planar = samples > 1 and int(dataset.get("PlanarConfiguration", 0)) == 1
    return _Form(
        frames, rows, columns, samples, bits, used, kind, planar, photometric, word, syntax
    )


def _place(dataset: Any, form: _Form, name: str) -> tuple[int, int]:
    """Where the pixels begin in the file, and how many bytes they have."""
    element = dataset.get_item(form.word) if form.word in dataset else None
    if element is None:
        raise DataError(f"{name} has no pixels")
    start = getattr(element, "value_tell", None)
    if start is None or not isinstance(element.value, bytes):
        raise DataError(f"{name} is damaged: its pixels are in no one place")
    return int(start), len(element.value)


def _arranged(stored: NDArray[Any], form: _Form) -> NDArray[Any]:
    """Stored values as (N, H, W, C)."""
    if form.planar:
        planes = stored.reshape(form.frames, form.samples, form.rows, form.columns)
        return planes.transpose(0, 2, 3, 1)
    return stored.reshape(form.frames, form.rows, form.columns, form.samples)


def _without_unused(values: NDArray[Any], form: _Form) -> NDArray[Any]:
    """Values without the bits above those in use, which may hold overlays."""
    unused = form.bits - form.used
    plain = native(values)
    shifted: NDArray[Any] = (plain << unused) >> unused  # Keeps the sign of signed ones.
    return shifted


def _padding(dataset: Any, form: _Form) -> float | None:
    """The value of pixels outside of the image."""
    if "PixelPaddingValue" not in dataset or form.kind == "f":
        return None
    value = int(dataset.PixelPaddingValue)
    limit = 1 << form.used
    if form.kind == "i" and value >= limit // 2:  # Stored in an unsigned element.
        value -= 1 << form.bits
    least = -limit // 2 if form.kind == "i" else 0
    return float(value) if least <= value < least + limit else None


def _encode_plain(
    stacks: Sequence[Stack],
    form: _Form,
    content: bytes,
    start: int,
    statistics: Sequence[str],
) -> bytes:
    values = stacks[0].values
    if form.kind != "f" and form.used < form.bits:
        count = form.size // form.dtype.itemsize
        before = _arranged(np.frombuffer(content, form.dtype, count, start), form)
        values = _with_unused(values, native(before), form)
    if form.planar:
        values = values.transpose(0, 3, 1, 2)
    stored = np.ascontiguousarray(values, form.dtype).tobytes()
    made = bytearray(b"".join([content[:start], stored, content[start + len(stored) :]]))
    dataset = _dataset(content, "it")
    for word, value in _renewed(stacks[0].values, statistics).items():
        element = dataset.get_item(word)
        if isinstance(element.value, bytes) and len(element.value) == 2:
            order = "<H" if form.syntax.is_little_endian else ">H"
            struct.pack_into(order, made, element.value_tell, value & 0xFFFF)
    return bytes(made)


def _with_unused(values: NDArray[Any], before: NDArray[Any], form: _Form) -> NDArray[Any]:
    """Values with the bits above those in use as they were."""
    mask = np.array((1 << form.used) - 1, f"u{form.bits // 8}")
    kind = mask.dtype
    kept = np.ascontiguousarray(before).view(kind) & ~mask
    merged = (np.ascontiguousarray(values).view(kind) & mask) | kept
    return np.asarray(merged.view(values.dtype))


def _true_statistics(dataset: Any, values: NDArray[Any]) -> list[str]:
    """The elements that give the least and the largest value, as far as they are true."""
    found = ((_LEAST, values.min()), (_LARGEST, values.max()))
    return [word for word, value in found if dataset.get(word) == int(value)]


def _renewed(values: NDArray[Any], words: Sequence[str]) -> dict[str, int]:
    """What they are now."""
    found = {_LEAST: int(values.min()), _LARGEST: int(values.max())}
    return {word: found[word] for word in words}


def _encode_packed(
    stacks: Sequence[Stack],
    form: _Form,
    content: bytes,
    keeps: bool,
    statistics: Sequence[str],
) -> bytes:
    dataset = _dataset(content, "it")
    values = stacks[0].values
    if keeps:
        dicom_frames.pack(dataset, form, values)
    else:
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        dataset.PhotometricInterpretation = form.photometric
        if form.samples > 1:
            dataset.PlanarConfiguration = 0
        stored = np.ascontiguousarray(values).tobytes()
        dataset.PixelData = stored + bytes(len(stored) % 2)
        dataset["PixelData"].VR = "OW" if form.bits > 8 else "OB"
        dataset["PixelData"].is_undefined_length = False
        for word in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if word in dataset:
                delattr(dataset, word)
    for word, value in _renewed(values, statistics).items():
        setattr(dataset, word, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()
