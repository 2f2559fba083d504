"""The noise of real images, measured and written as a noise spec that imitates it.

From noisy images alone the variance over the intensity comes from patches that hold nothing but
noise (`level_function`), and the correlation between neighbours from the calmest of them. From
pairs of noisy and clean images both are exact but for chance. Small images of one size are laid out
side by side and measured as one: a digit alone has too few patches.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.correlated import width_of
from dae_tui.core.noise.dark_ground import is_dark, stages_on_dark_ground
from dae_tui.core.noise.image_patterns import (
    find_bits,
    find_masked,
    find_stripes,
    without_stripes,
)
from dae_tui.core.noise.impulses import LEAST_JUMP, find_impulses, repair_impulses
from dae_tui.core.noise.level_function import (
    LEAST_PIXELS,
    LevelFunction,
    estimate_level_functions,
)
from dae_tui.errors import DataError
from dae_tui.spec.noise_spec import KINDS, MOST_WIDTH, NoiseSpec, NoiseStage

Array = NDArray[np.float64]

GRID = 24
"""So many intensities from black to white."""
LAGS = 3
"""The correlation is measured to this distance, in pixels, counting 0."""
CALM = 0.1
"""The part of the blocks that vary least hold noise and hardly anything else."""
CALMER = 0.15
"""The quantile of their variances that stands for noise that a camera has smoothed. On the 35
photographs of PolyU it is 0.75 of the true level in the median: texture and chance make up for each
other."""
BLOCK = 16
LEAST_BLOCKS = 20
INTENSITIES = 5
"""Groups of blocks of equal intensity."""
MOST_CLIPPED = 0.02
"""Blocks with more values at black or white tell nothing."""
WHITE = 0.12
"""Less correlation of neighbours than this passes for none."""
MIXED = 0.1
"""Less correlation of channels than this passes for none."""
SIMPLER = 1.15
"""A simpler law is taken if it misses the variances at most so many times as far as the best."""
NO_OFFSET = 0.1
"""An offset below this part of what grows with the light passes for none."""
NEAR = 0.06
"""Or if it misses them by no more than this, root mean square, relative."""
UNIFORM = -0.3
"""The excess kurtosis of differences of neighbours: 0 of Gaussian noise, -0.6 of uniform noise."""
EXTREME = 0.8
"""With so many impulses at black or white it is salt and pepper."""
INDEPENDENT = 3.0
"""Pixels so many widths of a blur apart share less than a tenth of their noise."""
LEFT = 0.015
LEFT_OF_STRIPES = 0.15
NOTHING = 1e-3
"""A lower level, where white is 1, is no noise."""
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
LARGEST_IMAGES = 64
"""So many images, spread evenly, tell all there is to know."""


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
    correlation: Array
    """Between pixels so many rows and columns apart (3, 3); 1 at (0, 0)."""
    shared: float
    """The correlation between channels; 0 of grey images."""
    images: int
    spread: float | None
    """The level of one image differs so much from that of another: a standard deviation, relative.
    None of a single one."""
    from_pairs: bool = False

    @property
    def sigma(self) -> float:
        """The root mean square over the intensities that were seen."""
        return math.sqrt(float(self.variances.mean())) if len(self.variances) else 0.0


@dataclass(frozen=True)
class _Seen:
    """What was measured in one image, or in one pair."""

    variances: Array
    """(C, GRID); NaN at intensities that were not seen."""
    correlation: Array
    shared: float
    kurtosis: float
    stripes: float = 0.0
    salted: float = 0.0
    """The share of pixels that are black or white impulses."""
    impulses: float = 0.0
    masked: float = 0.0
    bits: int | None = None

    @property
    def sigma(self) -> float:
        seen = np.isfinite(self.variances)
        return math.sqrt(float(self.variances[seen].mean())) if seen.any() else 0.0


def measure(images: Sequence[Tensor]) -> Measurement:
    """Measure the noise of noisy images alone.

    Args:
        images: float32 (C, H, W), where black is 0 and white is 1, of any sizes.

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
    return _measured([_look(image, side) for image, side in large[::step]], from_pairs=False)


def _together(images: Sequence[Tensor]) -> Tensor | None:
    """Small images of one size in a tensor (N, C, H, W); None for others."""
    shape = images[0].shape if images else torch.Size()
    if not images or shape[1] * shape[2] >= LEAST_PIXELS:
        return None
    same = all(image.shape == shape for image in images)
    return torch.stack(list(images)) if same else None


def _on_dark_ground(stack: Tensor) -> Measurement:
    stages = stages_on_dark_ground(stack)
    at = grid()
    law = _law(stages, at)
    spec = NoiseSpec.of(*stages)
    return Measurement(spec, at, law, law, _white(), 0.0, len(stack), None)


def measure_pairs(pairs: Sequence[tuple[Tensor, Tensor]]) -> Measurement:
    """Measure the noise of pairs (noisy, clean), each float32 (C, H, W) of the same shape."""
    return _measured([_compare(noisy, clean) for noisy, clean in pairs], from_pairs=True)


def grid() -> Array:
    """The intensities at which variances are given."""
    points: Array = (np.arange(GRID) + 0.5) / GRID
    return points


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


def _look(image: Tensor, side: int) -> _Seen:
    """Measure one noisy image; `side` is the height of the parts it was laid out from, or 0."""
    bits = find_bits(image)
    if bits is not None:
        return _Seen(np.full((len(image), GRID), np.nan), _white(), 0.0, 0.0, bits=bits)
    masked = find_masked(image)
    mended, salted, impulses = (image, 0.0, 0.0) if masked else _mended(image)
    stripes = find_stripes(mended, side)
    if masked:
        mended = torch.stack([repair_impulses(plane, plane.numpy() == 0) for plane in mended])
    if stripes:
        mended = without_stripes(mended, side)
    near, shared, kurtosis = _in_calm_blocks(mended)
    step = max(1, math.ceil(INDEPENDENT * _width(near)))
    levels = estimate_level_functions(mended[:, ::step, ::step])
    variances = np.stack(
        [_on_grid(level, plane) for level, plane in zip(levels, mended, strict=True)]
    )
    if step > 1:
        variances = np.maximum(variances, _of_calm_blocks(mended))
    seen = _Seen(variances, near, shared, kurtosis, stripes, salted, impulses, masked)
    # What is left of a photograph that was mended is no noise, unless it is strong and white.
    mended_some = bool(salted or impulses or masked or stripes)
    least = max(LEFT, LEFT_OF_STRIPES * stripes)
    if mended_some and (seen.sigma < least or step > 1):
        return replace(seen, variances=np.zeros_like(variances))
    return seen


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


def _width(correlation: Array) -> float:
    """Of the Gaussian after which noise is so correlated; 0 if it is white."""
    neighbours = float((correlation[0, 1] + correlation[1, 0]) / 2)
    return width_of(neighbours, MOST_WIDTH) if neighbours >= WHITE else 0.0


def _on_grid(level: LevelFunction, plane: Tensor) -> Array:
    """The variances of a level function at the intensities that a plane has."""
    low, high = (float(end) for end in torch.quantile(_some(plane), torch.tensor([0.02, 0.98])))
    at = grid()
    variances: Array = np.where((at >= low) & (at <= high), level.at(at) ** 2, np.nan)
    return variances


def _some(values: Tensor, most: int = 2**18) -> Tensor:
    flat = values.flatten()
    return flat[:: max(1, math.ceil(len(flat) / most))]


def _white() -> Array:
    found = np.zeros((LAGS, LAGS))
    found[0, 0] = 1
    return found


def _in_calm_blocks(image: Tensor) -> tuple[Array, float, float]:
    """Correlation between pixels and between channels, and kurtosis, where an image is calmest.

    The calmest blocks of each of some groups of equal intensity count alike: what grows with the
    light is weak in the shade, where texture is left.
    """
    channels, height, width = image.shape
    rows, columns = height // BLOCK, width // BLOCK
    if rows * columns < LEAST_BLOCKS:
        return _white(), 0.0, 0.0
    blocks = image[:, : rows * BLOCK, : columns * BLOCK]
    blocks = blocks.reshape(channels, rows, BLOCK, columns, BLOCK).transpose(2, 3)
    blocks = blocks.reshape(channels, rows * columns, BLOCK, BLOCK)
    means = blocks.mean((0, 2, 3))
    clipped = ((blocks <= 0) | (blocks >= 1)).float().mean((0, 2, 3)) > MOST_CLIPPED
    blocks = _without_planes(blocks)
    energy = blocks.square().mean((0, 2, 3))
    used = ~clipped & (energy > NOTHING**2)
    if int(used.sum()) < LEAST_BLOCKS:
        return _white(), 0.0, 0.0
    found = []
    for group in torch.tensor_split(means[used].argsort(), INTENSITIES):
        calm = group[energy[used][group].argsort()[: max(2, round(CALM * len(group)))]]
        part = blocks[:, used][:, calm]
        scaled = part / part.square().mean((0, 2, 3), keepdim=True).sqrt()
        found.append((_lagged(scaled), _between_channels(scaled), _kurtosis(scaled)))
    lagged, shared, kurtosis = zip(*found, strict=True)
    return np.median(lagged, axis=0), float(np.median(shared)), float(np.median(kurtosis))


def _of_calm_blocks(image: Tensor) -> Array:
    """The variance of the calmer blocks of each group of equal intensity, (C, GRID).

    Noise that a camera has smoothed is stronger over some pixels than between neighbours, where a
    level function sees next to none of it.
    """
    found = []
    for plane in image:
        rows, columns = (side // BLOCK for side in plane.shape)
        blocks = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
        blocks = blocks.transpose(1, 2).reshape(-1, BLOCK, BLOCK)
        means, energy = blocks.mean((1, 2)), _without_planes(blocks).square().mean((1, 2))
        at, variances = [], []
        for group in torch.tensor_split(means.argsort(), INTENSITIES):
            at.append(float(means[group].mean()))
            variances.append(float(energy[group].quantile(CALMER)))
        found.append(np.interp(grid(), at, variances))
    return np.stack(found)


def _without_planes(blocks: Tensor) -> Tensor:
    """Blocks (…, n, n) without the plane that fits each best."""
    side = blocks.shape[-1]
    slope = torch.linspace(-1, 1, side)
    basis = torch.stack(
        [torch.ones(side, side), slope.expand(side, side), slope[:, None].expand(side, side)]
    )
    basis = basis.flatten(1) / basis.flatten(1).norm(dim=1, keepdim=True)
    flat = blocks.flatten(-2)
    left: Tensor = (flat - flat @ basis.T @ basis).view(blocks.shape)
    return left


def _lagged(noise: Tensor) -> Array:
    """The correlation of noise (…, h, w) between pixels, (LAGS, LAGS)."""
    height, width = noise.shape[-2:]
    power = noise.square().mean()
    found = [
        [
            float(
                (noise[..., : height - down, : width - right] * noise[..., down:, right:]).mean()
                / power
            )
            for right in range(LAGS)
        ]
        for down in range(LAGS)
    ]
    return np.array(found)


def _between_channels(noise: Tensor) -> float:
    """The mean correlation of channels (C, …); 0 of one channel."""
    if len(noise) < 2:
        return 0.0
    flat = noise.flatten(1)
    together = np.corrcoef(flat.numpy())
    return float(together[np.triu_indices(len(flat), 1)].mean())


def _kurtosis(noise: Tensor) -> float:
    """The excess kurtosis of differences of neighbours: what lies below the noise drops out."""
    steps = (noise[..., 1:] - noise[..., :-1]).flatten()
    return float(steps.pow(4).mean() / steps.square().mean().square()) - 3


def _compare(noisy: Tensor, clean: Tensor) -> _Seen:
    """Measure a pair."""
    difference = noisy - clean
    number = (clean.clamp(0, 1) * GRID).long().clamp(max=GRID - 1)
    variances = np.full((len(clean), GRID), np.nan)
    scale = torch.ones_like(clean)
    least = max(64, clean[0].numel() // 2000)
    for channel in range(len(clean)):
        for level in range(GRID):
            here = number[channel] == level
            values = noisy[channel][here]
            # What was clipped varies less than the noise does.
            clipped = float(((values <= 0) | (values >= 1)).float().mean()) > MOST_CLIPPED
            if len(values) >= least and not clipped:
                found = float(difference[channel][here].var())
                variances[channel, level] = found
                scale[channel][here] = max(math.sqrt(found), 1e-6)
    even = difference - F.avg_pool2d(difference[None], 31, 1, 15, count_include_pad=False)[0]
    scaled = even / scale
    return _Seen(variances, _lagged(scaled), _between_channels(scaled), _kurtosis(scaled))


def _measured(seen: Sequence[_Seen], *, from_pairs: bool) -> Measurement:
    """What all images say together."""
    stacked = np.stack([each.variances.mean(0) for each in seen])
    counted = np.isfinite(stacked).sum(0)
    used = counted >= max(1, math.ceil(len(seen) / 8))
    at = grid()[used]
    variances = np.nanmedian(stacked[:, used], axis=0) if used.any() else np.array([])
    lit = variances > NOTHING**2
    at, variances = at[lit], variances[lit]
    correlation = np.median([each.correlation for each in seen], axis=0)
    shared = float(np.median([each.shared for each in seen]))
    stages = _stages(seen, at, variances, _width(correlation), shared if shared > MIXED else 0.0)
    sigmas = np.array([each.sigma for each in seen])
    spread = float(sigmas.std() / sigmas.mean()) if len(seen) > 1 and sigmas.mean() > 0 else None
    fitted = _law(stages, at)
    if spread is not None and spread > ALIKE and stages and stages[0].kind in BY_SIGMA:
        stages[0] = _ranged(stages[0], sigmas)
    return Measurement(
        NoiseSpec.of(*stages), at, variances, fitted, correlation, max(0.0, shared), len(seen),
        spread, from_pairs,
    )  # fmt: skip


def _ranged(stage: NoiseStage, sigmas: Array) -> NoiseStage:
    """A stage whose level is drawn from a range, as the levels of the images differ."""
    low, high = np.quantile(sigmas, [0.1, 0.9]) / np.median(sigmas)
    ends = sorted(stage.low * float(end) ** BY_SIGMA[stage.kind] for end in (low, high))
    kind = KINDS[stage.kind]
    return replace(stage, low=max(kind.low, ends[0]), high=min(kind.high, ends[1]))


def _stages(
    seen: Sequence[_Seen], at: Array, variances: Array, width: float, shared: float
) -> list[NoiseStage]:
    """The stages of a noise spec."""
    bits = [each.bits for each in seen if each.bits is not None]
    if len(bits) > len(seen) / 2:
        return [_stage("quantize", float(np.median(bits)))]
    stages = []
    if len(variances):
        kurtosis = float(np.median([each.kurtosis for each in seen]))
        stages.append(_law_of(at, variances, width, shared, kurtosis))
    medians = {
        kind: float(np.median([getattr(each, name) for each in seen]))
        for kind, name in (
            ("stripes", "stripes"),
            ("salt-pepper", "salted"),
            ("impulse", "impulses"),
            ("masking", "masked"),
        )
    }
    return stages + [_stage(kind, level) for kind, level in medians.items() if level]


def _stage(kind: str, level: float, *extras: float) -> NoiseStage:
    return NoiseStage(kind, level, level, extras)


def _law_of(
    at: Array, variances: Array, width: float, shared: float, kurtosis: float
) -> NoiseStage:
    """The simplest law of the variance over the intensity that explains what was measured."""
    powers = {"constant": (0,), "photons": (1,), "speckle": (2,), "sensor": (0, 1)}
    laws = {name: _fit(at, variances, each) for name, each in powers.items()}
    least = min(error for _, error in laws.values())
    name = next(name for name, (_, error) in laws.items() if error <= max(SIMPLER * least, NEAR))
    offset, gain = laws["sensor"][0]
    if name == "sensor" and offset < NO_OFFSET * gain * float(at.mean()):
        name = "photons"
    factor = float(laws[name][0][0])
    if width or shared:
        if name == "constant":
            return _stage("correlated", math.sqrt(factor), width, shared)
        return _stage("poisson-gaussian", gain, offset, width, shared)
    stages = {
        "constant": _stage("gaussian", math.sqrt(factor)),
        "photons": _stage("poisson", 1 / factor),
        "speckle": _stage("speckle", math.sqrt(factor)),
        "sensor": _stage("poisson-gaussian", gain, offset),
    }
    if name == "constant" and kurtosis < UNIFORM:
        return _stage("uniform", math.sqrt(3 * factor))
    return stages[name]


def _fit(at: Array, variances: Array, powers: tuple[int, ...]) -> tuple[Array, float]:
    """Factors of powers of the intensity, none negative, and how far they miss, relatively."""
    from scipy.optimize import nnls

    basis = np.stack([at**power for power in powers], axis=1) / variances[:, None]
    factors, _ = nnls(basis, np.ones(len(at)))
    error = math.sqrt(float(np.mean((basis @ factors - 1) ** 2)))
    return np.maximum(factors, 1e-12), error


def _law(stages: Sequence[NoiseStage], at: Array) -> Array:
    """The variance of the first stage at some intensities; 0 of one that has no law."""
    if not stages:
        return np.zeros(len(at))
    stage, ones = stages[0], np.ones(len(at))
    laws: dict[str, Array] = {
        "gaussian": stage.low**2 * ones,
        "correlated": stage.low**2 * ones,
        "uniform": stage.low**2 / 3 * ones,
        "poisson": at / max(stage.low, 1e-12),
        "speckle": (stage.low * at) ** 2,
        "poisson-gaussian": stage.low * at + (stage.extras[0] if stage.extras else 0.0),
    }
    return laws.get(stage.kind, 0 * ones)
