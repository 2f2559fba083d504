"""Impulse noise: single pixels that have nothing to do with their neighbours.

Salt-and-pepper, random impulses and the hot and dead pixels of a sensor leave most pixels as they
were. So they are not averaged away but found, and replaced by the median of the good pixels around
them (a switching median filter, as of Sun and Neuvo 1994).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mask = NDArray[np.bool_]

LEAST_SHARE = 0.004
"""Photographs have fewer pixels that look like impulses."""
LEAST_JUMP = 0.12
"""How far an impulse lies from the median of its neighbours, at least."""
JUMPS = 5.0
"""The same in units of how far pixels lie from it elsewhere."""
LONELY = 0.5
"""The least share of suspects that differ from each of their eight neighbours.

Most impulses do, and few pixels of texture and of letters.
"""
BOTH_WAYS = 0.25
"""The least share of impulses that are lighter, or darker, than what is around them: the strokes of
letters are darker alone."""
MOSTLY = 0.75
"""With such a share there is hardly any texture among the suspects."""
EXTREME = 0.8
"""With so large a share of the impulses at the least or largest value it is salt and pepper."""
FEW_MORE = 1.6
"""How many times the expected number of impulses the suspects of extreme values may be."""
HOT_JUMPS = 8.0
"""A hot pixel is so many times as far above its neighbours as pixels near it usually lie."""
LEAST_HOT = 0.0005
"""Fewer of them are left: a photograph may glitter."""
HOT_LONELY = 0.7
"""The least share of pixels so light that are light alone; in letters and texture 0.4 and less, in
star fields 0.05."""
BESIDE_HOT = 0.2
"""How light the neighbours of a hot pixel may be, as a part of it. Those of a star are lighter."""
FAINTER = 3.0
"""How many times their number may lie half as far out. Of shot noise and speckle it is six to
hundreds of times."""
HOT_TOGETHER = 3
"""Of more that touch, none is taken for a hot pixel."""
IN_STEP = 0.5
"""Where such a share of them have another one at the same distance in their row or column, they are
a pattern."""
AROUND = 15
OUTSTANDING = 4.0
"""An impulse lies so many times as far from the median around it as most pixels near it do."""
TURNS = 8


@dataclass(frozen=True)
class SinglePixels:
    """The hot or the dead pixels of an image."""

    sign: int
    """1 for hot ones, -1 for dead ones."""
    least_jump: float
    """How far they lie from the median around them, at least."""


def find_impulses(plane: Tensor, single: Collection[SinglePixels] | None = None) -> Mask | None:
    """Where the impulses of a plane (H, W) in [0, 1] are; None if it holds none.

    NaN is none. `single` are those of an image of which the plane is a part, where that is known:
    a part of it may be too small to tell.
    """
    return _find(plane, single)[0]


def find_single_pixels(plane: Tensor) -> tuple[SinglePixels, ...]:
    """Whether the impulses of a plane (H, W) in [0, 1] are hot or dead pixels."""
    return _find(plane, None)[1]


def _find(
    plane: Tensor, known: Collection[SinglePixels] | None
) -> tuple[Mask | None, tuple[SinglePixels, ...]]:
    if min(plane.shape) < 8:
        return None, ()
    values = np.nan_to_num(plane.numpy(), nan=0.5)
    middle = _median(values, 5)
    found = _of_both_kinds(plane, values, middle)
    if found is not None:
        return found, ()
    above = np.where(np.isfinite(plane.numpy()), values - middle, 0)
    mask, single = _single_pixels(above, known)
    return (mask if mask.any() else None), single


def _of_both_kinds(
    plane: Tensor, values: NDArray[np.float32], middle: NDArray[np.float32]
) -> Mask | None:
    """Impulses of which some are lighter and some darker than what is around them."""
    far = np.abs(values - middle)
    usual = 1.4826 * float(np.median(far))
    jump = max(LEAST_JUMP, JUMPS * usual)
    suspects: Mask = far > jump
    suspects &= np.isfinite(plane.numpy())
    share = float(suspects.mean())
    if share < LEAST_SHARE:
        return None
    alone, nearly_alone = (
        np.asarray(suspects & (found > jump / 2)) for found in _differences(values)
    )
    expected = (1 - share) ** 8  # How many impulses have no impulse beside them.
    if alone.sum() < LONELY * expected * suspects.sum():
        return None
    above = (alone & (values > middle)).sum()
    if min(above, alone.sum() - above) < BOTH_WAYS * alone.sum():
        return None
    extreme: Mask = (values <= np.nanmin(plane.numpy())) | (values >= np.nanmax(plane.numpy()))
    if (alone & extreme).sum() > EXTREME * alone.sum():  # Salt and pepper.
        # As many as stand alone tell how many there are in all. Where the suspects are not many
        # more, all of them are impulses; among letters only those that stand alone.
        likely = (suspects & extreme).sum() < FEW_MORE * (alone & extreme).sum() / expected
        return np.asarray((suspects if likely else alone) & extreme)
    found = nearly_alone if alone.sum() > MOSTLY * expected * suspects.sum() else alone
    # Speckle reaches as far where the image is light, but there all pixels do.
    around = _median(far, AROUND)
    found = np.asarray(found & (far > OUTSTANDING * around))
    return found if found.mean() >= LEAST_SHARE else None


def _single_pixels(
    above: NDArray[np.float32], known: Collection[SinglePixels] | None
) -> tuple[Mask, tuple[SinglePixels, ...]]:
    """Hot and dead pixels, by how far (H, W) each lies above the median around it, or below.

    Those that are `known` are not judged again.
    """
    far = np.abs(above)
    usual = 1.4826 * float(np.median(far))
    none = np.zeros_like(far, bool)
    if known is None:
        few = (far > max(LEAST_JUMP, HOT_JUMPS * usual)).mean() < LEAST_HOT
        if few and far.max() <= 1:
            return none, ()
    elif not known:
        return none, ()
    around = 1.4826 * _block_medians(far)
    # A sensor has noise. Where there is none, single pixels are drawn or counted: few photons,
    # dithered tones, dotted lines, sparse depths.
    above = np.where(around > 0, above, 0)
    judged = [_judged(sign, sign * above, around) for sign in (1, -1)] if known is None else known
    present = tuple(kind for kind in judged if kind is not None)
    masks = [_hot(kind.sign * above, around, kind.least_jump) for kind in present]
    return np.any([none, *masks], axis=0), present


def _judged(
    sign: int, above: NDArray[np.float32], usual: NDArray[np.float32]
) -> SinglePixels | None:
    """What single pixels an image has, far above those around them; None if none."""
    if _are_hot(above, usual, LEAST_JUMP, LEAST_HOT):
        return SinglePixels(sign, LEAST_JUMP)
    # Beyond the range of all other values a single one is enough.
    beyond = bool((above > 1).any()) and _are_hot(above, usual, 1.0, 0.0)
    return SinglePixels(sign, 1.0) if beyond else None


def _are_hot(
    above: NDArray[np.float32], usual: NDArray[np.float32], least_jump: float, least_share: float
) -> bool:
    """Whether most pixels so far above are alone, and few are half as far: shot noise has more."""
    jump = np.maximum(least_jump, HOT_JUMPS * usual)
    hot: Mask = above > jump
    alone = _lit_beside(above, usual) == 0
    count = (hot & alone).sum()
    fainter = ((above > jump / 2) & ~hot & alone).sum()
    least = max(1, least_share * hot.size, HOT_LONELY * hot.sum(), fainter / FAINTER)
    return bool(count >= least) and not _are_in_step(hot)


def _hot(above: NDArray[np.float32], usual: NDArray[np.float32], least_jump: float) -> Mask:
    """The pixels so far above, of which few touch and that are beside no other bright one."""
    hot: Mask = above > np.maximum(least_jump, HOT_JUMPS * usual)
    if not hot.any():
        return hot
    from scipy import ndimage  # Takes a tenth of a second, and few images have hot pixels.

    spots, _ = ndimage.label(hot, np.ones((3, 3)))
    pixels = np.bincount(spots.ravel())[spots]
    return np.asarray(hot & (pixels <= HOT_TOGETHER) & (_lit_beside(above, usual) < pixels))


def _lit_beside(above: NDArray[np.float32], usual: NDArray[np.float32]) -> NDArray[np.intp]:
    """How many of its eight neighbours are lit by what lights a pixel, as those of a star are."""
    edge = BESIDE_HOT * above + LEAST_JUMP / HOT_JUMPS + 3 * usual
    count: NDArray[np.intp] = (_neighbours(above, "constant") >= edge).sum(0)
    return count


def _block_medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each pixel the largest median of the square block that it is in and those around it.

    A block has `AROUND` pixels a side.
    """
    height, width = values.shape
    down, across = -height % AROUND, -width % AROUND
    padded = np.pad(values, ((0, down), (0, across)), mode="symmetric")
    rows, columns = (side // AROUND for side in padded.shape)
    blocks = padded.reshape(rows, AROUND, columns, AROUND).swapaxes(1, 2)
    medians = np.median(blocks.reshape(rows, columns, -1), axis=2)
    medians = np.maximum(medians, _neighbours(medians, "constant").max(0))
    whole: NDArray[np.float32] = medians.repeat(AROUND, 0).repeat(AROUND, 1)
    return whole[:height, :width]


def _are_in_step(hot: Mask) -> bool:
    """Whether pixels (H, W) lie on a grid, as dots of a print or a woven texture do."""
    least = max(2, IN_STEP * hot.sum())  # A few are none.
    return any(
        (lines[lag:] & lines[:-lag]).sum() > least
        for lines in (hot, hot.T)
        for lag in range(2, AROUND)
    )


def _neighbours(
    values: NDArray[np.float32], beyond: Literal["reflect", "constant"] = "reflect"
) -> NDArray[np.float32]:
    """The eight neighbours of each pixel, (8, H, W); `beyond` the edges a mirror image or 0."""
    padded = np.pad(values, 1, mode=beyond)
    height, width = values.shape
    return np.stack(
        [
            padded[down : down + height, across : across + width]
            for down in range(3)
            for across in range(3)
            if (down, across) != (1, 1)
        ]
    )


def _median(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The median of the square of `side` pixels around each, mirrored at the edges.

    The same as that of `scipy.ndimage`, which takes eight times as long to import.
    """
    from PIL import Image, ImageFilter

    half = side // 2
    padded = Image.fromarray(np.pad(values, half, mode="reflect"))
    return np.asarray(padded.filter(ImageFilter.MedianFilter(side)))[half:-half, half:-half]


def _differences(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far the most similar of its eight neighbours is from each pixel, and the third.

    A pixel of a line has two similar ones, a pixel of an edge or a corner at least three.
    """
    around = np.abs(_neighbours(values) - values)
    around.partition(2, axis=0)
    return around[:3].min(0), around[2]


def repair_impulses(plane: Tensor, impulses: Mask) -> Tensor:
    """The plane (H, W) with the median of the good pixels around it in place of each impulse."""
    values = plane.numpy().copy()
    values[impulses] = np.nan
    for _ in range(TURNS):
        rows, columns = np.nonzero(np.isnan(values) & impulses)
        if rows.size == 0:
            break
        padded = np.pad(values, 1, constant_values=np.nan)
        around = np.stack(
            [padded[rows + down, columns + across] for down in range(3) for across in range(3)]
        )
        known = np.isfinite(around).any(0)
        values[rows[known], columns[known]] = np.nanmedian(around[:, known], axis=0)
    values[impulses & np.isnan(values)] = plane.numpy()[impulses & np.isnan(values)]
    return torch.from_numpy(values)
