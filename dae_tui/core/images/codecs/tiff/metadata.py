"""Metadata of a TIFF for other formats, and theirs as tags.

EXIF is a TIFF structure itself, so the tags of a page that a camera or scanner wrote are handed on
as EXIF, and EXIF of other files comes back as tags.
"""

import io
import math
import struct
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.tags import (
    Budget,
    Form,
    Tag,
    Tags,
    is_lost,
    kept_tags,
    read_start,
    read_tags,
)
from dae_tui.core.images.codecs.tiff.write_tags import header, put_tags
from dae_tui.core.images.image_file import About
from dae_tui.errors import DataError

# Description, maker, model, orientation, software, date, artist, copyright.
_SAID = (270, 271, 272, codes.ORIENTATION, 305, 306, 315, 33432, codes.EXIF, codes.GPS)


def read_about(tags: Tags, form: Form) -> About:
    """The metadata in a page's tags that other formats can hold as well."""
    said = {code: tag for code, tag in kept_tags(tags).items() if code in _SAID}
    if codes.DESCRIPTION in said and bytes(said[codes.DESCRIPTION].raw[:6]).startswith(
        (b"{", b"<", b"ImageJ")
    ):
        del said[codes.DESCRIPTION]  # It describes this file.
    out = io.BytesIO(header(form))
    out.seek(0, io.SEEK_END)
    if said:
        position = put_tags(out, said, form)
        out.seek(form.offset.size)
        out.write(form.offset.pack(position))
    icc = bytes(tags[codes.ICC].raw) if codes.ICC in tags else None
    return About(icc, out.getvalue() if said else None, _dpi(tags, form))


def said_tags(about: About) -> tuple[Tags, Form]:
    """EXIF, XMP and dots per inch as tags, and the byte order of their values, by EXIF."""
    said: Tags = {}
    form = Form()
    with suppress(DataError):  # EXIF that is broken is left out.
        if about.exif:
            form, first = read_start(about.exif, "EXIF")
            tags = read_tags(about.exif, form, first, "EXIF", Budget(about.exif, "EXIF"))
            said = {c: tag for c, tag in tags.items() if c in _SAID and not is_lost(c, tag)}
    if about.xmp:
        said[codes.XMP] = Tag(codes.BYTE, len(about.xmp), about.xmp)
    if about.dpi:
        said |= _dpi_tags(about.dpi, form)
    return said, form


def no_data(tags: Tags, dtype: np.dtype[Any]) -> float | None:
    """The value of pixels that were not measured, as GDAL states it, if the type can hold it."""
    try:
        value = float(bytes(tags[codes.NO_DATA].raw).split(b"\0")[0])
    except (KeyError, ValueError):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            stored = float(dtype.type(value))  # GDAL may write one digit less than the type has.
        return None if math.isinf(stored) and math.isfinite(value) else stored
    limits = None if dtype.kind == "b" else np.iinfo(dtype)
    fits = limits is not None and value.is_integer() and limits.min <= value <= limits.max
    return value if fits else None


def stated_range(
    values: NDArray[Any], tags: Tags, form: Form, missing: float | None
) -> tuple[float, float] | None:
    """The lowest and the highest value that samples (H, W, colours) can have, as the tags say.

    None if they say no more than the type, or if values other than `missing` lie beyond.
    """
    lows = form.numbers(tags, codes.SMIN_SAMPLE) or form.numbers(tags, codes.MIN_SAMPLE)
    highs = form.numbers(tags, codes.SMAX_SAMPLE) or form.numbers(tags, codes.MAX_SAMPLE)
    if not highs or values.dtype.kind == "b":
        return None
    samples = values.shape[-1]
    low, high = float(min(lows[:samples], default=0)), float(max(highs[:samples]))
    widest = math.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    known = values if missing is None else values[values != missing]
    if not low < high < widest or known.size == 0:
        return None
    # Not `min` and `max`, which NaN would be.
    within = low <= np.fmin.reduce(known, None) and np.fmax.reduce(known, None) <= high
    return (low, high) if within else None


def _dpi(tags: Tags, form: Form) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: 2.54}.get((form.integers(tags, codes.DPI_UNIT) or [2])[0])
    found = []
    for tag in (tags.get(codes.X_DPI), tags.get(codes.Y_DPI)):
        if tag is None or (tag.kind, tag.count) != (codes.RATIONAL, 1):
            return None
        dots, per = struct.unpack(form.order + "II", tag.raw)
        found.append(dots / per if per else 0.0)
    return None if unit is None or 0.0 in found else (found[0] * unit, found[1] * unit)


def _dpi_tags(dpi: tuple[float, float], form: Form) -> Tags:
    tags = {codes.DPI_UNIT: form.shorts(2)}
    for code, dots in zip((codes.X_DPI, codes.Y_DPI), dpi, strict=True):
        exact = Fraction(dots).limit_denominator(10_000)
        raw = struct.pack(form.order + "II", exact.numerator, exact.denominator)
        tags[code] = Tag(codes.RATIONAL, 1, raw)
    return tags
