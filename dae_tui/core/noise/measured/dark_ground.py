"""The noise of many small images on a black ground, such as digits.

A digit has no flat patch but its ground, where all values that noise makes negative are stored as
0. So the ground of all images together tells what is added everywhere, and the middle of strokes,
which are white, what grows with the light.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.synthetic.correlated import width_of
from dae_tui.spec.noise_spec import MOST_WIDTH, NoiseStage

Array = NDArray[np.float64]

GROUND = 0.15
"""The ground are so many of the places that are darkest in the mean of all images: chosen by the
images themselves it would be darkest where the noise is."""
STROKE = 0.75
"""The middle of strokes: their 3×3 neighbours have a mean of at least this part of the highest."""
NOTHING = 0.002
"""With a smaller share of values above 0 nothing is added to the ground."""
FEW = 0.45
"""Noise that is symmetric makes half of the values of a black ground negative; impulses fewer
positive."""
LEAST_STROKE = 200
LEAST_IMPULSE = 0.1
"""The median of impulses on the ground is 0.5 of random ones, and 1 of salt."""
OF_OBJECTS = 0.3
"""A neighbour of an impulse is lit as often as any pixel; if so much more often, objects reach into
the ground."""
MOST_LIT = 0.6
"""Noise lights half of a black ground; where more is lit, the ground is not black."""
LEAST_TOLD = 0.02
"""What is weaker, rounded to 8 bits, has lost the shape by which kinds are told."""
FLAT_TAIL = 2.1
"""The 90 % quantile of the positive half over its median: 2.44 of Gaussian noise, 1.8 of
uniform."""
MEDIAN = 0.6745
"""The median of the positive half of Gaussian noise, in its standard deviations."""
LEAST_AT_WHITE = 0.02
"""Strokes of clean digits are not white throughout: those of MNIST look like noise of 0.012."""
LEAST_LIGHTER = 0.33
"""Where fewer of the strokes are white, they are grey, as 0.27 of the embedded clean digits."""
WHITE = 0.1
"""Less correlation of neighbours than this passes for none."""
ENOUGH, MOST = 100, 1000
"""So many images tell one kind of noise from another; more tell no more."""
CLEAR: dict[str, tuple[float, Callable[[float], float]]] = {
    "stripes": (0.03, float),
    "correlated": (0.05, float),
    "uniform": (0.05, float),
    "salt-pepper": (0.04, float),
    "impulse": (0.04, float),
    "masking": (0.04, float),
    "poisson": (0.02, lambda peak: 1 / peak),
    "poisson-gaussian": (0.005, float),
}
"""Kinds other than Gaussian noise, and from which strength on they are sure. JPEG of quality 20
makes MNIST look like correlated noise of 0.035. Speckle is not among them: to it clean objects that
are not equally bright everywhere look alike."""
OF_ROWS = 0.6
"""With so large a correlation along rows, or along columns, and none across it is stripes."""


@dataclass(frozen=True)
class _Samples:
    """What the images show of their ground and of the middle of their strokes."""

    values: Tensor
    """All images (N, C, H, W)."""
    ground: Tensor
    """Values of the ground (n,)."""
    stroke: Tensor
    """Values of the middle of strokes (m,)."""
    ground_mask: Tensor


def is_dark(images: Tensor) -> bool:
    """Whether images (N, C, H, W) show light strokes on a black ground that is clipped at 0."""
    if len(images) < 20 or images.min() < 0:
        return False
    mean = images.mean((0, 1))
    dark = float(mean.flatten().quantile(GROUND))
    return float((images == 0).float().mean()) > 0.15 and dark < 0.5 * float(images.max())


def other_noise(images: Tensor) -> NoiseStage | None:
    """The noise of images (N, C, H, W) on a black ground, if it is clearly not Gaussian.

    None, too, of fewer than `ENOUGH` images, and of noise so weak that clean digits may show it.
    """
    if len(images) < ENOUGH or not is_dark(images):
        return None
    stages = stages_on_dark_ground(images[:: -(-len(images) // MOST)])
    if len(stages) != 1 or stages[0].kind not in CLEAR:
        return None
    least, strength = CLEAR[stages[0].kind]
    return stages[0] if strength(stages[0].low) >= least else None


def stages_on_dark_ground(images: Tensor) -> list[NoiseStage]:
    """The stages of the noise of images (N, C, H, W) with values in [0, 1]; empty: no noise."""
    seen = _samples(images)
    lit = seen.ground > 0
    share = float(lit.float().mean())
    if share < NOTHING:
        return _of_light(seen)
    at_white = float((seen.ground == 1).float().mean())
    # Weak noise is rounded to 0 in most places of the ground; impulses are of any grey.
    if share < FEW and float(seen.ground[lit].median()) > LEAST_IMPULSE:
        if _lit_beside_lit(seen) > share + OF_OBJECTS:
            return []
        if at_white > 0.8 * share:
            return [NoiseStage.at("salt-pepper", min(1.0, 2 * at_white))]
        # Of impulses only those that are 0 are not seen, one in 256.
        return [NoiseStage.at("impulse", min(1.0, share))]
    return _of_ground(seen, lit)


def _of_ground(seen: _Samples, lit: Tensor) -> list[NoiseStage]:
    """Noise that is added everywhere: half of it is seen on the ground."""
    above = seen.ground[lit].double()
    some = above[:: max(1, len(above) // 2**20)]
    # Few places of the ground hold a stroke, so that quantiles tell more than moments.
    half, most = torch.quantile(some, torch.tensor([0.5, 0.9], dtype=torch.float64)).tolist()
    along, across = _correlations(seen)
    of_lines = torch.maximum(along, across).median(), torch.minimum(along, across).median()
    sigma = _from_half(half, most)
    if of_lines[0] > OF_ROWS and of_lines[1] < WHITE:
        return [NoiseStage.at("stripes", sigma)]
    if sigma < LEAST_TOLD or float(lit.float().mean()) > MOST_LIT:
        return [NoiseStage.at("gaussian", sigma)]
    neighbours = float((along.mean() + across.mean()) / 2)
    if neighbours > WHITE:
        return [NoiseStage.at("correlated", sigma, width_of(neighbours, MOST_WIDTH))]
    if most < 1 and most < FLAT_TAIL * half:
        return [NoiseStage.at("uniform", 2 * half)]
    white = _level_at_white(seen)
    if white is not None and white**2 > 1.5 * sigma**2:
        return [NoiseStage.at("poisson-gaussian", white**2 - sigma**2, sigma**2)]
    return [NoiseStage.at("gaussian", sigma)]


def _of_light(seen: _Samples) -> list[NoiseStage]:
    """Noise that grows with the light, or that turns white pixels black."""
    if len(seen.stroke) < LEAST_STROKE:
        return []
    black = float((seen.stroke == 0).float().mean())
    between = float(((seen.stroke > 0) & (seen.stroke < 0.25)).float().mean())
    if black > 0.01 and black > 3 * between:
        return [NoiseStage.at("masking", black)]
    white = _level_at_white(seen)
    if white is None:
        return []
    peak = _peak(seen.values)
    if peak is not None:
        return [NoiseStage.at("poisson", peak)]
    return [NoiseStage.at("speckle", white)]


def _samples(images: Tensor) -> _Samples:
    # Chosen by half of the images, and looked at in the others, whose noise had no say in it.
    chosen, values = images[::2], images[1::2]
    mean = chosen.mean((0, 1))
    ground = (mean <= mean.flatten().quantile(GROUND)).expand_as(values)
    around = F.avg_pool2d(F.pad(values, (1,) * 4, mode="replicate"), 3, 1) * 9
    around = (around - values) / 8  # Without the pixel itself, which would choose itself.
    some = around.flatten()[:: max(1, around.numel() // 2**20)]
    stroke = around >= STROKE * some.quantile(0.999)
    return _Samples(values, values[ground], values[stroke], ground)


def _from_half(half: float, most: float) -> float:
    """The level of Gaussian noise from the median and the 90 % quantile of its positive values."""
    return half / MEDIAN if half < 1 else most / 1.645


def _correlations(seen: _Samples) -> tuple[Tensor, Tensor]:
    """The correlation of neighbours along rows and along columns of each image, on the ground.

    Of the signs: values below 0 are lost. For normal values it is sin(π/2 (2 P - 1)), where P is
    the probability that the signs are equal.
    """
    found = []
    lit = (seen.values > 0).float()
    ground = seen.ground_mask.float()
    for axis in (3, 2):
        length = seen.values.shape[axis]
        first, second = (lit.narrow(axis, start, length - 1) for start in (0, 1))
        both = ground.narrow(axis, 0, length - 1) * ground.narrow(axis, 1, length - 1)
        equal = ((first == second) * both).sum((1, 2, 3)) / both.sum((1, 2, 3)).clamp(min=1)
        found.append(torch.sin(math.pi / 2 * (2 * equal - 1)))
    return found[0], found[1]


def _lit_beside_lit(seen: _Samples) -> float:
    """The share of lit pixels of the ground whose right neighbour, of the ground too, is lit."""
    lit = (seen.values > 0) & seen.ground_mask
    counted = (lit[..., :-1] & seen.ground_mask[..., 1:]).sum()
    return float((lit[..., :-1] & lit[..., 1:]).sum() / counted.clamp(min=1))


def _level_at_white(seen: _Samples) -> float | None:
    """The noise level of white from the values below it; None without noise, or without white."""
    if len(seen.stroke) < LEAST_STROKE:
        return None
    below = 1 - seen.stroke[seen.stroke < 1].double()
    share = len(below) / len(seen.stroke)
    # Noise makes half of what is white lighter than white, which is clipped.
    if len(below) < LEAST_STROKE / 10 or 1 - share < LEAST_LIGHTER:
        return None
    # The middle of strokes is not all white: the median of the half that noise darkens is robust.
    part = min(0.98, 0.5 / max(share, 0.5))
    level = float(torch.quantile(below[: 2**20], 0.5 * part)) / MEDIAN
    return level if level > LEAST_AT_WHITE else None


def _peak(values: Tensor) -> float | None:
    """How many photons white is, if the values are whole numbers of photons."""
    levels = torch.unique(values)
    levels = levels[levels < 1]
    if not 3 <= len(levels) <= 120:
        return None
    step = float(levels[-1] - levels[0]) / (len(levels) - 1)
    for _ in range(3):  # The step that fits all levels best, by least squares.
        counts = (levels / step).round()
        step = float((levels * counts).sum() / counts.square().sum())
    misses = (levels - (levels / step).round() * step).abs().max()
    return 1 / step if float(misses) < 0.75 / 255 else None
