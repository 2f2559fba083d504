"""The noise of real images, measured and written as a noise spec that imitates it.

From noisy images alone the variance over the intensity comes from patches that hold nothing but
noise (`level_function`), and the correlation between neighbours from the calmest of them. In pairs
of noisy and clean images both are seen in the difference (`compared`). Small images of one size are
laid out side by side and measured as one: a digit alone has too few patches.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.level.impulses import LEAST_JUMP, find_impulses, repair_impulses
from dae_tui.core.noise.level.level_function import (
    LEAST_PIXELS,
    LevelFunction,
    estimate_level_functions,
)
from dae_tui.core.noise.measured.calm_blocks import (
    NOTHING,
    Spread,
    spread_in_calm_blocks,
    spread_of,
    typical,
    variances_in_calm_blocks,
    white,
)
from dae_tui.core.noise.measured.camera_gain import camera_noise_like, is_of_camera
from dae_tui.core.noise.measured.compared import (
    GRID,
    grid,
    level_of,
    noise_between,
    places_on_grid,
    variances_between,
    without_local_mean,
)
from dae_tui.core.noise.measured.dark_ground import is_dark, stages_on_dark_ground
from dae_tui.core.noise.measured.image_patterns import (
    find_bits,
    find_masked,
    stripes_level,
    without_stripes,
)
from dae_tui.core.noise.measured.laws import simplest_law, variances_of
from dae_tui.core.noise.measured.left_behind import with_what_is_left
from dae_tui.core.noise.synthetic.correlated import width_of
from dae_tui.errors import DataError
from dae_tui.spec.noise_spec import KINDS, MOST_WIDTH, NoiseSpec, NoiseStage

Array = NDArray[np.float64]

WHITE = 0.12
"""Less correlation of neighbours than this passes for none."""
MIXED = 0.1
"""Less correlation of channels than this passes for none."""
COLOURED = 0.15
"""By so much more are the neighbours of colour correlated than those of brightness, where a camera
or JPEG has blurred the noise of the colour."""
EXTREME = 0.8
"""With so many impulses at black or white it is salt and pepper."""
INDEPENDENT = 3.0
"""Pixels so many widths of a blur apart share less than a tenth of their noise."""
LEFT = 0.015
LEFT_OF_STRIPES = 0.15
"""What is left of a mended image below this level, or this part of its stripes, is texture."""
ALIKE = 0.2
"""Levels that differ more than this from image to image become a range."""
# The power of the noise level with which the level of a kind grows.
BY_SIGMA = {
    "gaussian": 1,
    "correlated": 1,
    "uniform": 1,
    "speckle": 1,
    "poisson": -2,
    "poisson-gaussian": 2,
}
FEW = 16
"""Trials are run on at most so many images: the median of more is reliable without them, and
those of one image take two seconds."""
BLOTCHES = 31
"""How noise is spread is seen in what is finer than so many pixels."""
AROUND = 5
"""The mean over so many pixels tells the intensity of one."""
POLISHED = 10
"""So many steps of the median polish: then hardly anything moves."""
LARGEST_IMAGES = 64
"""So many images, spread evenly, tell all there is to know."""


Levels = tuple[LevelFunction, ...]
Trials = Callable[[Tensor, Levels | None], Levels | None]
"""Called with an image and the levels that its patches gave, or None if neighbours share the noise.
Returns the levels of its white noise, or None to keep those."""


@dataclass(frozen=True)
class Measurement:
    """The noise of some images."""

    spec: NoiseSpec
    """Imitates it."""
    intensities: Array
    """(n,), in [0, 1]."""
    variances: Array
    """At these intensities, the mean of the channels (n,)."""
    fitted: Array
    """Those of the spec (n,)."""
    images: int
    spread: Spread | None = None
    """Over pixels and channels; None where it was not measured."""
    differs: float | None = None
    """By how much the level of one image differs from that of another: a standard deviation,
    relative. None of a single one."""
    from_pairs: bool = False
    camera: NoiseSpec | None = None
    """The noise of a camera that is as strong; None where it does not look like one's."""

    @property
    def sigma(self) -> float:
        """The root mean square over the intensities that were seen."""
        return math.sqrt(float(self.variances.mean())) if len(self.variances) else 0.0


@dataclass(frozen=True)
class _Seen:
    """What was measured in one image, or in one pair."""

    variances: Array
    """(C, GRID); NaN at intensities that were not seen."""
    spread: Spread
    stripes: float = 0.0
    salted: float = 0.0
    """The share of pixels that are black or white impulses."""
    impulses: float = 0.0
    masked: float = 0.0
    bits: int | None = None

    @property
    def sigma(self) -> float:
        return level_of(self.variances)


def measure(images: Sequence[Tensor], trials: Trials | None = None) -> Measurement:
    """Measure the noise of noisy images alone.

    Args:
        images: float32 (C, H, W), where black is 0 and white is 1, of any sizes.
        trials: what tells white noise in an image from texture, and its levels.

    Raises DataError without an image that is large enough.
    """
    stack = _together(images)
    if stack is not None and is_dark(stack) and find_bits(stack) is None:
        return _on_dark_ground(stack)
    large = _laid_out(images)
    if not large:
        raise DataError(
            "the images are too small, or too few, to measure their noise",
            f"they need {LEAST_PIXELS:,} pixels, each or those of one size together",
        )
    step = max(1, math.ceil(len(large) / LARGEST_IMAGES))
    trials = trials if len(large) <= FEW else None
    return _measured(
        [_look(image, side, trials) for image, side in large[::step]], from_pairs=False
    )


def _together(images: Sequence[Tensor]) -> Tensor | None:
    """Small images of one size in a tensor (N, C, H, W); None for others."""
    shape = images[0].shape if images else torch.Size()
    if not images or shape[1] * shape[2] >= LEAST_PIXELS:
        return None
    same = all(image.shape == shape for image in images)
    return torch.stack(list(images)) if same else None


def _on_dark_ground(stack: Tensor) -> Measurement:
    """Measure small images whose ground is black: a law is found, but no variance at each level."""
    nothing = np.array([])
    spec = NoiseSpec.of(*stages_on_dark_ground(stack))
    return Measurement(spec, nothing, nothing, nothing, len(stack))


def measure_of_cameras(photographs: Sequence[tuple[Tensor, Tensor]]) -> Measurement:
    """Measure the noise of cameras by what weights for it take away.

    Args:
        photographs: each as it is, and without noise as these weights see it, float32 (3, H, W).
    """
    seen = []
    for noisy, denoised in photographs:
        taken = _compare(noisy, denoised)
        seen.append(replace(taken, variances=with_what_is_left(taken.variances, denoised)))
    found = _measured(seen, from_pairs=False)
    return _with_camera(found, [denoised for _, denoised in photographs], seen)


def measure_pairs(pairs: Sequence[tuple[Tensor, Tensor]]) -> Measurement:
    """Measure the noise of pairs (noisy, clean), each float32 (C, H, W) of the same shape."""
    seen = [_compare(noisy, clean) for noisy, clean in pairs]
    found = _measured(seen, from_pairs=True)
    clean = [clean for _, clean in pairs]
    return _with_camera(found, clean, seen) if is_of_camera(clean, found.spread) else found


def _with_camera(found: Measurement, clean: Sequence[Tensor], seen: Sequence[_Seen]) -> Measurement:
    return replace(found, camera=camera_noise_like(clean, [each.sigma for each in seen]))


def _laid_out(images: Sequence[Tensor]) -> list[tuple[Tensor, int]]:
    """Large images, and small ones of one size as a large one; with each the side of its parts."""
    large = []
    small = defaultdict(list)
    for image in images:
        if image.shape[1] * image.shape[2] >= LEAST_PIXELS:
            large.append((image, 0))
        else:
            small[image.shape].append(image)
    for shape, found in small.items():
        across = math.isqrt(len(found))
        if across * across * shape[1] * shape[2] < LEAST_PIXELS:
            continue
        rows = [torch.cat(found[n * across : (n + 1) * across], 2) for n in range(across)]
        large.append((torch.cat(rows, 1), shape[1]))
    return large


def _look(image: Tensor, side: int, trials: Trials | None) -> _Seen:
    """Measure one noisy image; `side` is the height of the parts it was laid out from, or 0."""
    bits = find_bits(image)
    if bits is not None:
        return _Seen(np.full((len(image), GRID), np.nan), white(), bits=bits)
    masked = find_masked(image)
    mended, salted, impulses = (image, 0.0, 0.0) if masked else _mended(image)
    stripes = stripes_level(mended, side)
    if masked:
        mended = torch.stack([repair_impulses(plane, plane.numpy() == 0) for plane in mended])
    if stripes:
        mended = without_stripes(mended, side)
    spread = spread_in_calm_blocks(mended)
    step = max(1, math.ceil(INDEPENDENT * _width(spread.neighbours)))
    levels = estimate_level_functions(mended[:, ::step, ::step])
    if trials and not (side or masked or stripes or salted or impulses):
        white_levels = trials(mended, levels if step == 1 else None)
        if white_levels:
            levels, spread, step = white_levels, _of_white(mended, spread, step), 1
    variances = np.stack(
        [_on_grid(level, plane, side) for level, plane in zip(levels, mended, strict=True)]
    )
    if step > 1:
        variances = np.maximum(variances, variances_in_calm_blocks(mended, grid()))
    seen = _Seen(variances, spread, stripes, salted, impulses, masked)
    # What is left of a photograph that was mended is no noise, unless it is strong and white.
    mended_some = bool(salted or impulses or masked or stripes)
    least = max(LEFT, LEFT_OF_STRIPES * stripes)
    if mended_some and (seen.sigma < least or step > 1):
        return replace(seen, variances=np.zeros_like(variances))
    return seen


def _of_white(image: Tensor, spread: Spread, step: int) -> Spread:
    """How white noise of an image is spread; its kurtosis is known where patches saw it white."""
    grey = bool((image == image[:1]).all())
    return replace(
        white(),
        shared=float(grey and len(image) > 1),
        bright=1.0 if grey else 1 / len(image),
        kurtosis=spread.kurtosis if step == 1 else 0.0,
    )


def _mended(image: Tensor) -> tuple[Tensor, float, float]:
    """An image without impulses, and the shares of salt and pepper and of random ones."""
    mended = image.clone()
    salted = random = 0.0
    for number, plane in enumerate(image):
        impulses = find_impulses(plane)
        if impulses is None:
            continue
        at = plane.numpy()[impulses]
        share = float(impulses.mean()) / len(image)
        extreme = (at <= plane.min().item()) | (at >= plane.max().item())
        if float(extreme.mean()) > EXTREME:
            salted += share
        else:
            # Those that are near what was there go unseen.
            random += share / (1 - 2 * LEAST_JUMP)
        mended[number] = repair_impulses(plane, impulses)
    return mended, salted, random


def _width(neighbours: float) -> float:
    """Of the Gaussian after which neighbours are so correlated; 0 if they hardly are."""
    return width_of(neighbours, MOST_WIDTH) if neighbours >= WHITE else 0.0


def _correlation(spread: Spread) -> tuple[float, float, float]:
    """Width, shared part and further blur of the colour, as a noise spec has them."""
    bright, colour = _width(spread.bright_neighbours), _width(spread.colour_neighbours)
    if spread.colour_neighbours - spread.bright_neighbours > COLOURED:
        return bright, spread.bright, math.sqrt(colour**2 - bright**2)
    return _width(spread.neighbours), spread.shared if spread.shared > MIXED else 0.0, 0.0


def _on_grid(level: LevelFunction, plane: Tensor, side: int) -> Array:
    """The variances of a level function at the intensities that a plane has.

    Noise spreads the values of pixels beyond those of the image, so means over `AROUND` pixels
    tell. Not those of small images, `side` pixels high, that were laid out as one: their strokes
    are narrow.
    """
    shown = plane if side else plane - without_local_mean(plane[None], AROUND)[0]
    low, high = (float(end) for end in torch.quantile(_some(shown), torch.tensor([0.02, 0.98])))
    at = grid()
    # A flat image may lie between two intensities of the grid: it has the nearest one.
    seen = (at >= low) & (at <= high) | (at == at[np.abs(at - (low + high) / 2).argmin()])
    variances: Array = np.where(seen, level.at(at) ** 2, np.nan)
    return variances


def _some(values: Tensor, most: int = 2**18) -> Tensor:
    flat = values.flatten()
    return flat[:: max(1, math.ceil(len(flat) / most))]


def _compare(noisy: Tensor, clean: Tensor) -> _Seen:
    """Measure a pair."""
    variances = variances_between(noisy, clean)
    scales = torch.from_numpy(np.nan_to_num(np.sqrt(variances), nan=1.0)).float().clamp(min=1e-6)
    scale = torch.stack([own[at] for own, at in zip(scales, places_on_grid(clean), strict=True)])
    noise = without_local_mean(noise_between(noisy, clean), BLOTCHES)
    return _Seen(variances, spread_of(noise / scale))


def _together_at_each(of_images: Array) -> tuple[Array, Array]:
    """The typical variance at each intensity, and how many times as noisy each image is.

    Each image is assumed to be noisier or less noisy than the others by one factor, the same at all
    intensities, so the result does not depend on which images have an intensity. Tukey's median
    polish finds these factors, though patches of some images hold texture.

    Args:
        of_images: the variances of images, (n, intensities), NaN where unseen; some at each
            intensity and in each image.

    Returns (intensities,) and the relative levels (n,).
    """
    left = np.log(of_images.clip((NOTHING / 2) ** 2))
    at_each, levels = np.zeros(left.shape[1]), np.zeros(len(left))
    if not left.size:
        return at_each, np.ones(0)
    for _ in range(POLISHED):
        step = np.nanmedian(left, axis=0)
        at_each, left = at_each + step, left - step
        step = np.nanmedian(left, axis=1)
        levels, left = levels + step, left - step[:, None]
    middle = np.median(levels)
    return np.exp(at_each + middle), np.exp((levels - middle) / 2)


def _measured(seen: Sequence[_Seen], *, from_pairs: bool) -> Measurement:
    """What all images say together."""
    stacked = np.stack([each.variances.mean(0) for each in seen])
    counted = np.isfinite(stacked).sum(0)
    used = counted >= max(1, math.ceil(len(seen) / 8))
    at = grid()[used]
    stacked = stacked[:, used]
    variances, levels = _together_at_each(stacked[np.isfinite(stacked).any(1)])
    lit = variances > NOTHING**2
    at, variances = at[lit], variances[lit]
    spread = typical([each.spread for each in seen])
    stages = _stages(seen, at, variances, spread)
    fitted = variances_of(stages[0], at) if stages else np.zeros(len(at))
    differs = float(levels.std() / levels.mean()) if len(levels) > 1 and len(at) else None
    if differs is not None and differs > ALIKE and stages and stages[0].kind in BY_SIGMA:
        stages[0] = _ranged(stages[0], levels)
    spec = NoiseSpec.of(*stages)
    return Measurement(spec, at, variances, fitted, len(seen), spread, differs, from_pairs)


def _ranged(stage: NoiseStage, levels: Array) -> NoiseStage:
    """A stage whose level is drawn from a range, as the relative levels of the images differ."""
    low, high = np.quantile(levels, [0.1, 0.9])
    ends = sorted(stage.low * float(end) ** BY_SIGMA[stage.kind] for end in (low, high))
    kind = KINDS[stage.kind]
    return replace(stage, low=max(kind.low, ends[0]), high=min(kind.high, ends[1]))


def _stages(seen: Sequence[_Seen], at: Array, variances: Array, spread: Spread) -> list[NoiseStage]:
    """The stages of a noise spec."""
    bits = [each.bits for each in seen if each.bits is not None]
    if len(bits) > len(seen) / 2:
        return [NoiseStage.at("quantize", float(np.median(bits)))]
    stages = []
    if len(variances):
        stages.append(simplest_law(at, variances, _correlation(spread), spread.kurtosis))
    medians = {
        kind: float(np.median([getattr(each, name) for each in seen]))
        for kind, name in (
            ("stripes", "stripes"),
            ("salt-pepper", "salted"),
            ("impulse", "impulses"),
            ("masking", "masked"),
        )
    }
    return stages + [NoiseStage.at(kind, level) for kind, level in medians.items() if level]
