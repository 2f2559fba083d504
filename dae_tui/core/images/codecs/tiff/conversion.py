"""What changes when a TIFF is written: palettes, odd numbers of bits, lossy compression.

Palettes become colours, numbers of bits that numpy does not have become 8 or 16 bits, and
compressions that can only be read become deflate.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.pages import Page
from dae_tui.core.images.codecs.tiff.tags import POINTERS, Form, is_lost, kept_tags
from dae_tui.errors import DataError

# What describes how a codec stored the pixels, and their numbers of another type.
_OF_CODEC = (292, 293, 347, 512, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532)
_OF_TYPE = (280, 281, 290, 291, 301, 340, 341, codes.PALETTE, codes.NO_DATA)


def converted(
    values: NDArray[Any], page: Page, form: Form, label: str
) -> tuple[NDArray[Any], Page]:
    """Values of a type that numpy has, with colours for a palette, and how to write them back."""
    photometric = {codes.YCBCR: codes.RGB}.get(page.photometric, page.photometric)
    if photometric == codes.PALETTED:
        values = _coloured(values, page, form, label)
        photometric = codes.RGB if values.shape[2] - page.alpha == 3 else codes.BLACK_IS_ZERO
    elif page.bits not in (1, 8, 16, 32, 64):
        values = _stretched(values, page.bits)
    dtype, samples = values.dtype.newbyteorder(form.order), values.shape[2]
    bits = 1 if dtype.kind == "b" else dtype.itemsize * 8
    tags = kept_tags(page.tags)
    tags.pop(codes.FILL_ORDER, None)
    if (bits, photometric) != (page.bits, page.photometric):
        tags = {code: tag for code, tag in tags.items() if code not in _OF_TYPE}
        tags[codes.BITS] = form.shorts(*[bits] * samples)
        tags[codes.SAMPLES] = form.shorts(samples)
        tags[codes.PHOTOMETRIC] = form.shorts(photometric)
        if codes.FORMAT in tags:
            tags[codes.FORMAT] = form.shorts(*[1] * samples)
        if not page.planar:
            tags[codes.PLANAR] = form.shorts(1)
    compression, predictor = page.compression, page.predictor
    if compression in codes.READ_ALONE:
        compression, predictor = codes.DEFLATE, {"b": 1, "f": 3}.get(dtype.kind, 2)
        tags = {code: tag for code, tag in tags.items() if code not in _OF_CODEC}
        tags[codes.COMPRESSION] = form.shorts(compression)
        tags[codes.PREDICTOR] = form.shorts(predictor)
    return values, replace(
        page, tags=tags, samples=samples, bits=bits, dtype=dtype, photometric=photometric,
        compression=compression, predictor=predictor,
    )  # fmt: skip


def _coloured(values: NDArray[Any], page: Page, form: Form, label: str) -> NDArray[Any]:
    """The colours for the indexes of a palette: uint8 where they are such, else uint16."""
    entries = np.array(form.integers(page.tags, codes.PALETTE), np.uint16)
    if page.dtype.kind in "fi" or page.bits > 16 or entries.size != 3 << page.bits:
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


def changes(page: Page, target: Page) -> list[str]:
    """What changes in the written page, as remarks."""
    found = []
    if page.photometric == codes.PALETTED:
        what = "RGB" if target.photometric == codes.RGB else "grey"
        found.append(f"the palette becomes {what} of {target.bits} bits")
    elif page.bits != target.bits:
        found.append(f"values of {page.bits} bits become {target.bits} bits")
    if page.compression != target.compression:
        what = codes.READ_ALONE[page.compression]
        found.append(f"{what} compression becomes deflate, which loses nothing")
    for code, tag in page.tags.items():
        if is_lost(code, tag):
            what = POINTERS.get(code, f"tag {code}")
            also = ", which are smaller copies" if code == codes.SUB_PAGES else ""
            found.append(f"left out: {what}{also}")
    return found
