"""Values that fill what was not measured, in files that do not say so.

CT scanners fill what lies outside of their circle with -2000, maps what lies outside of their edge
with -9999. To a network such areas would be darker than anything, and their edges the strongest of
the image. Black and white themselves, such as the ground of a drawing, are never padding.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.image_file import ImageFile, Stack

SAMPLE_VALUES = 2**20
TAIL = 0.001
"""The share of values beyond each robust limit."""
LEAST_SHARE = 0.005
"""Of the pixels: fewer are hot or dead ones."""
LEAST_GAP = 0.1
"""How far the value is from all others, at least, as a part of their robust range."""
SOLID = 0.7
"""So many of the pixels have only pixels of the same value around them: areas, not impulses."""


def find_padding(file: ImageFile) -> ImageFile:
    """The file, with the padding of its stacks as their no-data value, and a remark for it."""
    known = [with_padding(stack) for stack in file.stacks]
    remarks = tuple(dict.fromkeys(remark for _, remark in known if remark))
    if not remarks:
        return file
    return replace(file, stacks=[stack for stack, _ in known], remarks=(*file.remarks, *remarks))


def with_padding(stack: Stack) -> tuple[Stack, str]:
    """The stack, and a remark, with its padding as the no-data value, if it has any.

    8 bits hold pictures, and have none; nor has a stack that says what its no-data value is, or
    that has alpha.
    """
    values = stack.values
    says = stack.no_data is not None or stack.alpha
    if says or values.dtype.kind not in "iuf" or values.dtype.itemsize == 1 or values.size == 0:
        return stack, ""
    found = _padding(values)
    if found is None:
        return stack, ""
    remark = f"{found:g} fills areas and is far from all other values: it is taken for no-data"
    return replace(stack, no_data=found), remark


def _padding(values: NDArray[Any]) -> float | None:
    """The padding of images (N, H, W, C), None if they have none."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return None
    for end in (finite.min(), finite.max()):
        if _is_black_or_white(end):
            continue
        same = (values == end).all(-1)
        if same.mean() < LEAST_SHARE or not _is_solid(same):
            continue
        others = finite[finite != end]
        if others.size == 0 or float(end) != end:
            continue
        nearest = float(others.min() if end < others[0] else others.max())
        sample = others[:: max(1, others.size // SAMPLE_VALUES)].astype(np.float64)
        low, high = np.quantile(sample, [TAIL, 1 - TAIL])
        if high > low and abs(nearest - float(end)) > LEAST_GAP * (high - low):
            return float(end)
    return None


def _is_black_or_white(value: np.generic) -> bool:
    """Whether a stored value is what pictures of its type have as their ground."""
    white = 256**value.dtype.itemsize - 1 if value.dtype.kind == "u" else 1
    return float(value) in (0, white)


def _is_solid(same: NDArray[np.bool_]) -> bool:
    """Whether most of the marked pixels of images (N, H, W) lie inside of areas."""
    inner = same[:, 1:-1, 1:-1].copy()
    height, width = inner.shape[1:]
    for down in range(3):
        for across in range(3):
            inner &= same[:, down : down + height, across : across + width]
    marked = same[:, 1:-1, 1:-1].sum()
    return bool(marked and inner.sum() > SOLID * marked)
