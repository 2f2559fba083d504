"""What is found in images before they are denoised: range, noise, dark on light or not.

Small images get one noise level each. Larger ones get a level function for each channel, and are
searched for impulses and for noise that is correlated between neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.inspection import (
    crops,
    dark_on_light,
    estimate_together,
    places,
    shows_page,
)
from dae_tui.core.denoising.planes.dynamic_range import ground_of
from dae_tui.core.denoising.planes.opponent import opponent_sigmas, to_opponent
from dae_tui.core.denoising.planes.stabilisation import stabilise
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import (
    ValueRange,
    fill_unmeasured,
    find_range,
    image_values,
    to_unit,
)
from dae_tui.core.noise.level.colour_differences import levels_by_differences
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.noise.level.image_noise import CORRELATED_COLOUR, Correlation, ImageNoise
from dae_tui.core.noise.level.impulses import (
    SinglePixels,
    find_impulses,
    find_single_pixels,
    repair_impulses,
)
from dae_tui.core.noise.level.level_function import (
    LEAST_PIXELS,
    LevelFunction,
    estimate_level_function,
    estimate_level_functions,
)
from dae_tui.core.noise.level.stripes import Stripes, find_stripes
from dae_tui.core.noise.measured.dark_ground import other_noise
from dae_tui.core.noise.measured.image_patterns import stripes_level
from dae_tui.spec.denoising import DenoiseOptions
from dae_tui.spec.noise_spec import NoiseStage
from dae_tui.spec.training_config import DATA_SETS_SIZE

# Levels of the images of a stack within this ratio of each other are one level, and the rest is
# the scatter of the estimates.
ALIKE = 1.5
# So many images of a stack tell whether it is dark on light.
MOST_LOOKED_AT = 64
CORRELATION_SIDE = 256
COLOURS = 3
# The noise of colour differences is that of independent channels within this factor. White noise
# gave 0.9 to 1.03, that of cameras 0.1 to 0.7.
INDEPENDENT = 1.4
# Below this level the colour differences of an image tell nothing.
LEAST_NEAR = 1e-4
# The level with which a network removes the artefacts of lossy compression from a page, as a part
# of the largest error of the file. Measured on clean pages as JPEG of quality 40, 70 and 90: 30.1,
# 34.9 and 41.2 dB for 27.2, 31.8 and 40.3. Photographs gain 0.2 dB at best, and are left alone.
OF_COMPRESSION = 0.5
# Weaker artefacts, as of quality 92, are left: four such pages gained -0.4 to 0.1 dB.
LEAST_ARTEFACTS = 0.006
# Noise is everywhere on a page. Where its calmest blocks vary by less than this part of the level
# that was found, the paper is blank and letters were taken for noise: JPEGs of clean pages came out
# 2 to 25 dB worse. Where noise was clipped at white, half of it is left.
BLANK_PAPER = 0.25
CALM_BLOCK = 4
CALM = 0.25
# Below this part of the distance of two stored integers there is nothing to remove.
NOTHING_OF_STEP = 0.5
NOTHING_OF_RANGE = 1e-6
# Two values alone, as of a QR code or a scanned drawing, hold no noise but impulses.
NOTHING_OF_TWO_VALUES = 0.5


@dataclass(frozen=True)
class Examination:
    """What was found in a stack of N images."""

    range: ValueRange
    sigmas: Tensor
    """The noise level of each image (N,), where black is 0 and white is 1."""
    dark: Tensor
    """Whether each shows dark strokes on a light ground (N,)."""
    nothing: float
    """Below this level there is nothing to remove."""
    noise: tuple[ImageNoise, ...] = ()
    """Of each image; empty for small ones, whose noise is taken for white."""
    remarks: tuple[str, ...] = ()
    page: bool = False
    """Whether the first image shows writing."""
    artefacts: bool = False
    """Whether the level is that of the file's compression, for lack of other noise."""
    striped: bool = False
    """Whether whole rows or columns of the first image are offset, in a way that is not known."""
    camera: bool = False
    """Whether it may be a camera's photograph, and nobody gave the level of its noise."""
    other: NoiseStage | None = None
    """The noise of small images if it is clearly not Gaussian: no level tells how strong it is."""

    @property
    def sigma(self) -> float:
        """The level of the stack: the median of its images."""
        return float(self.sigmas.median())


def examine(stack: Stack, options: DenoiseOptions, name: str) -> Examination:
    """Find out what network and user need to know. Raises DataError like `find_range`."""
    found = find_range(stack, name, options.black, options.white)
    if is_small(stack):
        return examine_small([stack], [found], options)[0]
    page = _is_page(stack, found)
    noise = tuple(_noise_of(image, stack, found, options, page=page) for image in stack.values)
    dark = torch.tensor(
        [
            bool(dark_on_light(fill_unmeasured(planes)[None])[0])
            for planes in (unit_planes(image[::4, ::4], stack, found) for image in stack.values)
        ]
    )
    error = OF_COMPRESSION * stack.compression_error / found.span
    strongest = max(image.sigma for image in noise)
    artefacts = page and options.sigma is None and error > max(strongest, LEAST_ARTEFACTS)
    if artefacts:
        noise = tuple(
            ImageNoise((LevelFunction.constant(error),) * len(image.levels)) for image in noise
        )
    sigmas = torch.tensor([image.sigma for image in noise])
    nothing = nothing_in(stack, found, options)
    return Examination(
        found,
        sigmas,
        dark,
        nothing,
        noise,
        _remarks(stack),
        page=page,
        camera=options.sigma is None and not artefacts and _is_picture(stack, page=page),
        artefacts=artefacts,
        striped=not (page or noise[0].stripes) and _is_striped(stack, found),
    )


def _is_picture(stack: Stack, *, page: bool) -> bool:
    """Whether it is in colour, or grey of 8 bits without writing.

    Grey images of more bits come from instruments, as a rule, which do no more than measure.
    """
    channels = stack.values.shape[-1] - stack.alpha
    if channels == 1:
        return stack.values.dtype.itemsize == 1 and not page
    return bool(channels == COLOURS)


def _is_striped(stack: Stack, found: ValueRange) -> bool:
    parts = crops(stack.values[0])
    planes = fill_unmeasured(unit_planes(parts[len(parts) // 2], stack, found))
    return min(planes.shape[1:]) > 2 and stripes_level(planes) > 0


def _is_page(stack: Stack, found: ValueRange) -> bool:
    """Whether the first image shows writing: in a quarter of its crops, as margins are empty."""
    parts = crops(stack.values[0])
    shown = sum(shows_page(fill_unmeasured(unit_planes(part, stack, found))) for part in parts)
    return shown >= max(1, len(parts) / 4)


def examine_small(
    stacks: Sequence[Stack], ranges: Sequence[ValueRange], options: DenoiseOptions
) -> list[Examination]:
    """Examine stacks of small images of one size and number of channels together."""
    planes = [
        fill_unmeasured(small_planes(stack, found))
        for stack, found in zip(stacks, ranges, strict=True)
    ]
    counts = [len(part) for part in planes]
    images = torch.cat(planes)
    other = None
    if options.sigma is None:
        sigmas = estimate_together(images)
        if tuple(images.shape[1:]) == (1, *DATA_SETS_SIZE):
            other = other_noise(images.nan_to_num())
    else:
        sigmas = torch.full((len(images),), options.sigma)
    examinations = []
    parts = zip(torch.split(sigmas, counts), torch.split(images, counts), strict=True)
    for stack, found, (each, part) in zip(stacks, ranges, parts, strict=True):
        levels, dark = each, dark_on_light(part[:: max(1, len(part) // MOST_LOOKED_AT)])
        if len(each) > 1:
            low, high = each.quantile(torch.tensor([0.1, 0.9])).tolist()
            if high < ALIKE * low:
                levels = each.median().expand(len(each))
            dark = (dark.float().mean() > 0.5).expand(len(each))
        nothing = nothing_in(stack, found, options)
        examinations.append(
            Examination(found, levels, dark, nothing, (), _remarks(stack), other=other)
        )
    return examinations


def is_small(stack: Stack) -> bool:
    """Whether each image has too few pixels for more than one noise level."""
    _, height, width, _ = stack.values.shape
    return bool(height * width < LEAST_PIXELS)


def nothing_in(stack: Stack, found: ValueRange, options: DenoiseOptions | None = None) -> float:
    """The level below which there is no noise to remove: that of rounding, for integers.

    If the user says the level, nothing but 0 is no noise.
    """
    if options is not None and options.sigma is not None:
        return 0.0
    if _has_two_values(image_values(stack)):
        return NOTHING_OF_TWO_VALUES
    if stack.values.dtype.kind in "ui":
        return NOTHING_OF_STEP / found.span
    return NOTHING_OF_RANGE


def _has_two_values(values: NDArray[np.generic]) -> bool:
    """Whether images (N, H, W, C) consist of two values at most."""
    for part in (values[:1, :8], values):  # A few rows tell most images apart at once.
        low, high = part.min(), part.max()
        if not ((part == low) | (part == high)).all():
            return False
    return True


def small_planes(stack: Stack, found: ValueRange) -> Tensor:
    """All images of a stack, (N, C, H, W), NaN where nothing was measured."""
    planes = to_unit(image_values(stack), found, stack.white_is_zero, stack.no_data)
    return _hidden(planes, stack.values, stack).movedim(-1, -3)


def unit_planes(rows: NDArray[np.generic], stack: Stack, found: ValueRange) -> Tensor:
    """Some rows (h, W, C) of an image of a stack, alpha included, as (C, h, W), NaN as above."""
    values = rows[..., :-1] if stack.alpha else rows
    planes = to_unit(values, found, stack.white_is_zero, stack.no_data)
    return _hidden(planes, rows, stack).movedim(-1, -3)


def _hidden(planes: Tensor, values: NDArray[np.generic], stack: Stack) -> Tensor:
    """Planes with NaN where alpha is 0: what cannot be seen must not reach its neighbours."""
    if stack.alpha and not (opaque := values[..., -1] != 0).all():
        planes[~torch.from_numpy(opaque)] = torch.nan
    return planes


def _noise_of(
    image: NDArray[np.generic],
    stack: Stack,
    found: ValueRange,
    options: DenoiseOptions,
    *,
    page: bool,
) -> ImageNoise:
    """The noise of an image (H, W, C) of a stack, alpha included, that may be a `page`."""
    channels = image.shape[-1] - stack.alpha
    stripes = None if page else _stripes_of(image, stack, found)
    # Of a large image, crops one below the other: it is never copied as a whole.
    parts = []
    for rows, columns in places(*image.shape[:2]):
        part = unit_planes(image[rows, columns], stack, found)
        parts.append(part if stripes is None else part - stripes.at(rows, columns))
    mosaic = torch.cat(parts, dim=1)
    if options.sigma is not None:
        levels = (LevelFunction.constant(options.sigma),) * channels
        shared = find_correlation(mosaic, levels).shared
        return ImageNoise(levels, correlation=Correlation(shared=shared), stripes=stripes)
    share, single = 0.0, set[SinglePixels]()
    for number, plane in enumerate(mosaic):
        impulses = find_impulses(plane)
        if impulses is not None:
            share += float(impulses.mean()) / len(mosaic)
            single.update(find_single_pixels(plane))
            mosaic[number] = repair_impulses(plane, impulses)
    differences = levels_by_differences(mosaic) if channels == COLOURS and not share else None
    levels = differences or _levels_of(mosaic)
    if page and _calm_level(mosaic) < BLANK_PAPER * max(level.sigma for level in levels):
        sigmas = estimate_sigma(fill_unmeasured(mosaic)[:, None].contiguous())
        levels = tuple(LevelFunction.constant(sigma) for sigma in sigmas.tolist())
    correlation = find_correlation(mosaic, levels) if not share else Correlation()
    return ImageNoise(levels, share, tuple(single), correlation, stripes)


def _levels_of(planes: Tensor) -> tuple[LevelFunction, ...]:
    """The level function of each channel (C, H, W), of one channel without what stands out."""
    if len(planes) > 1:
        return estimate_level_functions(planes)
    ground = ground_of(planes[0])
    (found,) = estimate_level_functions(ground[None])
    if found.is_speckle and ground.isnan().sum() > planes.isnan().sum():
        # The ground alone has too few intensities to tell speckle from noise of one level.
        found = estimate_level_function(ground, degree=0)
    return (found,)


def _stripes_of(image: NDArray[np.generic], stack: Stack, found: ValueRange) -> Stripes | None:
    """The stripes of an image (H, W, C), alpha included, of a stack."""

    def part(rows: slice, columns: slice) -> Tensor:
        return fill_unmeasured(unit_planes(image[rows, columns], stack, found))

    return find_stripes(part, *image.shape[:2])


def _calm_level(planes: Tensor) -> float:
    """The standard deviation in blocks of planes (C, H, W) that three quarters of them exceed."""
    blocks = planes.unfold(1, CALM_BLOCK, CALM_BLOCK).unfold(2, CALM_BLOCK, CALM_BLOCK)
    levels = blocks.std((-2, -1)).flatten()
    return float(levels[levels.isfinite()].quantile(CALM)) if levels.isfinite().any() else 0.0


def find_correlation(planes: Tensor, levels: Sequence[LevelFunction]) -> Correlation:
    """How far the noise of planes (C, H, W) with the levels `levels` is correlated.

    Measured in the middle, of three channels on the differences of colours, of others on their
    mean. Planes that are too small to tell, or not wholly measured, pass for white.
    """
    _, height, width = planes.shape
    top, left = (max(0, (side - CORRELATION_SIDE) // 2) for side in (height, width))
    part = planes[:, top : top + CORRELATION_SIDE, left : left + CORRELATION_SIDE]
    if min(part.shape[1:]) < 64 or not part.isfinite().all():
        return Correlation()
    # A level that changes with the intensity would look like correlation.
    flat = part.flatten(1)
    steps = stabilise(levels, flat.amin(1).tolist(), flat.amax(1).tolist())
    even = part if steps is None else steps.forward(part)
    if len(part) != COLOURS:
        return Correlation(_apart_over_near(even.mean(0, keepdim=True)).item())
    plain = _correlation_of_colours(part, torch.tensor([level.sigma for level in levels]))
    if steps is None:
        return plain
    # So would one where the level function was measured in texture, and is wrong.
    found = _correlation_of_colours(even, steps.sigmas)
    least = min(found, plain, key=lambda each: each.ratio / each.limit)
    return replace(least, shared=found.shared and plain.shared)


def _correlation_of_colours(planes: Tensor, sigmas: Tensor) -> Correlation:
    """The same of planes (3, H, W) whose noise is equally strong at all intensities.

    `sigmas`: its level in each channel (3,), as measured in the whole image.
    """
    differences = to_opponent(planes[None])[0, 1:]
    near = estimate_sigma(differences[:, None].contiguous())
    # Texture in the middle may be taken for noise of a channel, and so may that in the whole.
    either = torch.stack([estimate_sigma(planes[:, None].contiguous()), sigmas])
    of_independent = opponent_sigmas(either)[:, 1:]
    too_weak = near < of_independent.amin(0) / INDEPENDENT
    too_strong = near > of_independent.amax(0) * INDEPENDENT
    shared = bool((too_weak | too_strong).any())
    if near.min() < LEAST_NEAR:  # A grey picture has none, and a JPEG may have lost them.
        return Correlation(_apart_over_near(planes.mean(0, keepdim=True)).item(), shared=shared)
    return Correlation(_apart_over_near(differences).max().item(), CORRELATED_COLOUR, shared)


def _apart_over_near(planes: Tensor) -> Tensor:
    """The noise level (C,) of every second pixel of planes (C, H, W), over that of all pixels."""
    near = estimate_sigma(planes[:, None].contiguous())
    apart = [planes[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    smallest = [min(part.shape[axis] for part in apart) for axis in (1, 2)]
    images = torch.stack([part[:, : smallest[0], : smallest[1]] for part in apart])
    far = estimate_sigma(images.flatten(0, 1)[:, None].contiguous()).view(len(apart), -1)
    return far.median(0).values / near.clamp(min=1e-6)


def _remarks(stack: Stack) -> tuple[str, ...]:
    """A line for what stays as it is, because nothing was measured there."""
    values = image_values(stack)
    remarks = []
    if values.dtype.kind == "f":
        missing = int(values.size - np.count_nonzero(np.isfinite(values)))
        if missing:
            remarks.append(f"{missing:,} values are NaN or infinite, and stay so")
    if stack.no_data is not None:
        missing = int(np.count_nonzero(values == stack.no_data))
        if missing:
            remarks.append(f"{missing:,} values are no-data ({stack.no_data:g}), and stay so")
    return tuple(remarks)


def joined(examinations: Sequence[Examination]) -> Examination:
    """One examination of small stacks of the same range that become one stack."""
    return replace(
        examinations[0],
        sigmas=torch.cat([found.sigmas for found in examinations]),
        dark=torch.cat([found.dark for found in examinations]),
        nothing=max(found.nothing for found in examinations),
    )
