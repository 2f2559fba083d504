"""Estimation of the noise level of an image.

Small patches of an image span few directions, white noise spans all of them: the variance in the
weak directions is that of the noise (Chen, Zhu, Heng: "An Efficient Statistical Method for Image
Noise Level Estimation", ICCV 2015). Patches with more variance than noise explains are left out
(Liu, Tanaka, Okutomi: "Single-Image Noise Level Estimation for Blind Denoising", IEEE TIP 2013).
If values were clipped to [0, 1], noise varies less near 0 and 1, by the moments of a censored
normal distribution (Foi: "Clipped Noisy Images", Signal Processing 2009); each patch is compared
with the variance expected for its mean.
"""

import math

import torch
from torch import Tensor

MOST_PATCHES = 2**16
"""Of one image; for a larger image, patches spread evenly over it are used."""
PATCHES_PER_DIMENSION = 30
CHUNK_VALUES = 2**22
KNOTS = 24
ROUNDS = 8
FLAT = 1e-10
"""A patch with a lower variance is constant, as in saturated areas, and carries no information."""
SPREAD = 2.5
"""Patches up to so many standard deviations above the expected variance count as noise."""
LEAST = 3.0
"""With fewer patches per dimension a level is no longer corrected."""
CONSTANT = 0.25
"""With a larger share of constant patches an image may be free of noise."""
SETTLED = 1e-4
"""A level that a round changes by a smaller part is final."""
LOWEST, HIGHEST = 1e-6, 2.0


def estimate_sigma(images: Tensor) -> Tensor:
    """The standard deviation (N,) of white Gaussian noise in images, in their unit.

    Measured on photographs and digits: accurate to a few per cent for whole photographs, to 5-10 %
    (one standard deviation) for images of 28×28 to 40×40; below 12×12 a rough estimate, and 0 for
    images of one row or column. Weak noise in texture is overestimated: 0.02 by up to 10 % in
    whole photographs, by more in small images. Noise below 0.01 may be missed.

    Args:
        images: float32 (N, C, H, W), finite, on the CPU, with clean values in [0, 1]. The noise is
            equal in all channels. An image that stays within [0, 1] and touches 0 or 1 is taken
            as clipped; its result is the level before clipping.
    """
    count, channels, height, width = images.shape
    side = _side(height, width)
    if count == 0 or side < 2:
        return torch.zeros(count)
    stride = _stride(images, MOST_PATCHES)
    rows, columns = ((length - side) // stride + 1 for length in (height, width))
    chunk = max(1, CHUNK_VALUES // (channels * rows * columns * side**2))
    return torch.cat(
        [_estimate(noise_patches(part, MOST_PATCHES)) for part in torch.split(images, chunk)]
    )


def _side(height: int, width: int) -> int:
    """The side of the patches: large, but with many more patches than pixels per patch."""
    for side in (8, 4):
        fitting = max(0, height - side + 1) * max(0, width - side + 1)
        if fitting >= PATCHES_PER_DIMENSION * side**2:
            return side
    return min(2, height, width)


def _stride(images: Tensor, most: int) -> int:
    _, channels, height, width = images.shape
    return max(1, math.ceil(math.sqrt(channels * height * width / most)))


def noise_patches(images: Tensor, most: int) -> Tensor:
    """At most so many patches of all channels of each image, (N, patches, side²)."""
    side, stride = _side(*images.shape[-2:]), _stride(images, most)
    found = images.unfold(2, side, stride).unfold(3, side, stride)
    return found.reshape(len(images), -1, side**2)


def _estimate(patches: Tensor) -> Tensor:
    """The noise level (N,) of patches (N, patches, side²), by fixed-point iteration.

    A level determines which patches hold only noise and their expected variance; their actual
    variance corrects the level.
    """
    size = patches.shape[2]
    clipped = _clipped(patches)[:, None]
    means = patches.mean(-1)
    patches = patches - means[..., None]
    energy = patches.square().sum(-1) / (size - 1)

    kept = energy > FLAT
    constant = kept.float().mean(1, keepdim=True) < 1 - CONSTANT
    least = min(int(LEAST * size), patches.shape[1] // 4)
    sigma = weak_variance(patches, kept).sqrt()[:, None].clamp(LOWEST, HIGHEST)
    moving = torch.ones_like(sigma, dtype=torch.bool)
    for _ in range(ROUNDS):
        expected = (sigma**2).expand_as(means)
        if clipped.any():
            expected = torch.where(clipped, _clipped_variance(means, sigma, size), expected)
        loss = sigma / expected.sqrt()
        # Clipping on one side makes heavy tails: the kurtosis is about 3 times the loss.
        limit = expected * (1 + SPREAD * ((3 * loss - 1).clamp(min=0) / size).sqrt())
        kept = (energy > FLAT) & (energy <= limit)
        # On a ramp, or if all is texture, noise alone explains hardly any patch. If much is
        # constant there is no noise, and the level may fall to zero.
        enough = (kept.sum(1, keepdim=True) >= least) | constant
        ratio = weak_variance(patches, kept, expected.rsqrt())[:, None]
        # The more is lost to clipping, the more slowly the variance grows with sigma. Downward
        # steps stay small: a level that is too low would leave only the clipped patches.
        power = torch.where(ratio > 1, loss.mean(1, keepdim=True).clamp(max=2), 1) / 2
        corrected = torch.where(enough, sigma * ratio**power, sigma).clamp(LOWEST, HIGHEST)
        moving &= (corrected - sigma).abs() > SETTLED * sigma
        sigma = torch.where(moving, corrected, sigma)
        if not moving.any():
            break
    return sigma[:, 0]


def _clipped(patches: Tensor) -> Tensor:
    """Whether values were clipped to [0, 1], (N,)."""
    low, high = patches.amin((1, 2)), patches.amax((1, 2))
    return (low >= 0) & (high <= 1) & ((low == 0) | (high == 1))


def weak_variance(patches: Tensor, kept: Tensor, scale: Tensor | None = None) -> Tensor:
    """The mean variance (N,) of the kept patches in the directions that hold only noise.

    The strongest directions are dropped until the mean of the others is at most their median.
    Each patch is multiplied with its `scale` (N, patches) before, if there is one.
    """
    factors = kept if scale is None else scale * kept
    if len(patches) == 1:  # Of a large image, those that are left out need not be moved.
        used = (patches[0][kept[0]] * factors[0][kept[0]][:, None])[None]
    else:
        used = patches * factors[..., None]
    covariance = used.transpose(1, 2) @ used / kept.sum(1).clamp(min=1)[:, None, None]
    # The means of the patches are subtracted: one direction is empty.
    variances = torch.linalg.eigvalsh(covariance.double())[:, 1:]
    count = torch.arange(1, variances.shape[1] + 1)
    means = variances.cumsum(1) / count
    medians = variances[:, (count // 2).clamp(max=len(count) - 1)]
    even = means <= medians
    even[:, 0] = True
    last = (even * count).argmax(1, keepdim=True)
    weakest: Tensor = means.gather(1, last)[:, 0]
    return weakest.clamp(min=0).float()


def _clipped_variance(means: Tensor, sigma: Tensor, size: int) -> Tensor:
    """The variance (N, patches) of noise around the clipped means of patches of `size` pixels."""
    # The mean of a patch is itself noisy. Clean values slightly outside [0, 1] are allowed, or dark
    # patches would on average be taken for brighter ones.
    edge = sigma * torch.linspace(-2.4 / math.sqrt(size), 4, KNOTS)
    clean = torch.cat([edge, 1 - edge], dim=1).sort(dim=1).values
    at, variance = clipped_moments(clean, sigma)
    variance = torch.maximum(variance, 1e-3 * sigma**2)
    right = torch.searchsorted(at, means).clamp(1, at.shape[1] - 1)
    left_at, right_at = at.gather(1, right - 1), at.gather(1, right)
    share = ((means - left_at) / (right_at - left_at).clamp(min=1e-12)).clamp(0, 1)
    return torch.lerp(variance.gather(1, right - 1), variance.gather(1, right), share)


def clipped_moments(
    clean: Tensor, sigma: Tensor, low: bool = True, high: bool = True
) -> tuple[Tensor, Tensor]:
    """Mean and variance of normal values around `clean`, clipped at 0 (`low`) and at 1 (`high`)."""
    down, up = -clean / sigma, (1 - clean) / sigma
    at_low = torch.special.ndtr(down) if low else torch.zeros_like(clean)
    at_high = torch.special.ndtr(-up) if high else torch.zeros_like(clean)
    density_low = _density(down) if low else torch.zeros_like(clean)
    density_high = _density(up) if high else torch.zeros_like(clean)
    # Both moments are around the clean value: differences of large numbers would lose digits.
    first = sigma * (density_low - density_high + down * at_low + up * at_high)
    inside = 1 - at_low - at_high + down * density_low - up * density_high
    second = sigma**2 * (inside + down**2 * at_low + up**2 * at_high)
    return clean + first, second - first**2


def _density(x: Tensor) -> Tensor:
    return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
