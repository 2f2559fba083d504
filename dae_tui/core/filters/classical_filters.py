"""The filters that the paper discusses (section 4), from scipy and scikit-image.

Each is a function of grey images (N, H, W) and settings, with a list of candidate settings. No
torch: worker processes import this module and start quickly.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Setting = Mapping[str, Any]
# Multiples of the level for which settings of filters are tried on pairs.
LEVELS_OF_PAIRS = (0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Filter:
    """A classical filter."""

    apply: Callable[..., Images]
    """Filters float32 images (N, H, W); further arguments are the settings."""
    candidates: Callable[[float], list[Setting]]
    """Candidate settings for noise of the given root mean square."""
    usual: Setting
    """The defaults of its library, if it has any."""
    more: Mapping[str, list[Any]] = field(default_factory=dict)
    """Further values of some settings, to try on pairs."""

    def candidates_for_pairs(self, level: float) -> list[Setting]:
        """Candidate settings for pairs that differ by the given root mean square.

        They are more than for noise that was added: pairs may differ in contrast too, and the noise
        of a camera depends on the brightness, so the root mean square says less of it. Measured on
        microscopy (W2S), it is 1.2 times the noise, on scanned pages 2.1 times.
        """
        found = [each for factor in LEVELS_OF_PAIRS for each in self.candidates(level * factor)]
        found += [
            {**each, key: value}
            for key, values in self.more.items()
            for value in values
            for each in found
        ]
        return list({tuple(each.items()): each for each in found}.values())


def _each(function: Callable[..., Any], images: Images, **setting: Any) -> Images:
    """Apply a function to one image at a time."""
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # About constant areas, and about more wavelet levels than a small image has.
        warnings.simplefilter("ignore")
        return np.stack([function(image, **setting) for image in images]).astype(np.float32)


def _mean(images: Images, size: int) -> Images:
    from scipy import ndimage

    filtered: Images = ndimage.uniform_filter(images, (1, size, size))
    return filtered


def _gaussian(images: Images, sigma: float) -> Images:
    from scipy import ndimage

    filtered: Images = ndimage.gaussian_filter(images, (0, sigma, sigma))
    return filtered


def _median(images: Images, size: int) -> Images:
    from scipy import ndimage

    filtered: Images = ndimage.median_filter(images, (1, size, size))
    return filtered


def _wiener(images: Images, size: int, noise: float | None) -> Images:
    """The local mean where there is only noise (Lim 1990).

    `noise` is its variance; with None scipy estimates it.
    """
    from scipy.signal import wiener

    # scipy pads with black; the other filters mirror the image.
    mirrored = np.pad(images, ((0, 0), (size, size), (size, size)), mode="symmetric")
    filtered = _each(partial(wiener, mysize=size), mirrored, noise=noise)
    return filtered[:, size:-size, size:-size]


def _bilateral(images: Images, sigma_color: float, sigma_spatial: float) -> Images:
    """A mean of pixels that are near and similar (Tomasi and Manduchi 1998).

    Our own implementation: the one of scikit-image 0.26 shifts the image and smears it along a
    diagonal, because its table of spatial weights has one row and column more than its window.
    """
    radius = max(2, int(np.ceil(2.5 * sigma_spatial)))
    padded = np.pad(images, ((0, 0), (radius, radius), (radius, radius)), mode="symmetric")
    height, width = images.shape[1:]
    total, weights = np.zeros_like(images), np.zeros_like(images)
    for down, right in product(range(2 * radius + 1), repeat=2):
        near = padded[:, down : down + height, right : right + width]
        distance = (down - radius) ** 2 + (right - radius) ** 2
        weight = np.exp(
            -((near - images) ** 2) / np.float32(2 * sigma_color**2)
            - np.float32(distance / (2 * sigma_spatial**2))
        )
        total += weight * near
        weights += weight
    return total / weights


def _fourier(images: Images, cutoff: float, order: float) -> Images:
    """A Butterworth low-pass; of high order it is an optical pinhole filter (Vander Lugt 1964)."""
    from skimage.filters import butterworth

    return _each(
        butterworth,
        images,
        cutoff_frequency_ratio=cutoff,
        high_pass=False,
        order=order,
        npad=min(images.shape[1:]) // 2,  # Mirrored, so that opposite edges do not mix.
    )


def _wavelet(
    images: Images,
    method: str,
    sigma: float | None = None,
    wavelet: str = "db1",
    levels: int | None = None,
    shifts: int = 0,
) -> Images:
    """Soft shrinkage of wavelet coefficients, averaged over shifted images if `shifts` is not 0.

    BayesShrink has one threshold per band (Chang et al. 2000), VisuShrink one for all (Donoho
    and Johnstone 1994).
    """
    from skimage.restoration import denoise_wavelet

    denoise = partial(
        denoise_wavelet, method=method, sigma=sigma, wavelet=wavelet, wavelet_levels=levels
    )
    total = np.zeros_like(images)
    for down, right in product(range(shifts + 1), repeat=2):
        moved = np.roll(images, (down, right), (1, 2))
        total += np.roll(_each(denoise, moved), (-down, -right), (1, 2))
    return total / np.float32((shifts + 1) ** 2)


def _total_variation(images: Images, weight: float) -> Images:
    """The nearest image of small total variation (Chambolle 2004)."""
    from skimage.restoration import denoise_tv_chambolle

    return _each(denoise_tv_chambolle, images, weight=weight)


def _non_local_means(
    images: Images, h: float, sigma: float = 0.0, patch_size: int = 7, patch_distance: int = 11
) -> Images:
    """A mean of similar patches (Buades et al. 2005)."""
    from skimage.restoration import denoise_nl_means

    return _each(
        denoise_nl_means,
        images,
        h=h,
        sigma=sigma,
        patch_size=patch_size,
        patch_distance=patch_distance,
        fast_mode=True,
    )


def _grid(**values: list[Any]) -> list[Setting]:
    """All combinations."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def _times(level: float, *factors: float) -> list[float]:
    """Multiples of the noise level, rounded to three digits."""
    return [float(f"{level * factor:.3g}") for factor in factors]


def _wavelet_candidates(level: float, *factors: float) -> list[Setting]:
    return _grid(
        sigma=_times(level, *factors), wavelet=["db1", "sym4"], levels=[1, 2, 3], shifts=[1]
    )


FILTERS = {
    "mean": Filter(_mean, lambda level: _grid(size=[3, 5, 7, 9]), {"size": 3}),
    "gaussian": Filter(
        _gaussian,
        lambda level: _grid(sigma=[0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5]),
        {"sigma": 1.0},
    ),
    "median": Filter(_median, lambda level: _grid(size=[3, 5, 7]), {"size": 3}, {"size": [9, 11]}),
    "bilateral": Filter(
        _bilateral,
        lambda level: _grid(
            sigma_color=_times(level, 0.7, 1, 1.4, 2, 4), sigma_spatial=[0.6, 0.8, 1.0, 1.4, 2.0]
        ),
        {"sigma_color": 0.1, "sigma_spatial": 1.0},
        {"sigma_spatial": [3.0]},
    ),
    "wiener": Filter(
        _wiener,
        lambda level: _grid(size=[3, 5, 7], noise=_times(level**2, 0.25, 0.5, 1, 1.5)),
        {"size": 3, "noise": None},
        {"size": [9, 11]},
    ),
    "fourier": Filter(
        _fourier,
        lambda level: _grid(
            cutoff=[0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4], order=[1.0, 2.0, 8.0]
        ),
        {"cutoff": 0.005, "order": 2.0},
    ),
    "bayes-shrink": Filter(
        partial(_wavelet, method="BayesShrink"),
        lambda level: _wavelet_candidates(level, 1),
        {},
    ),
    "visu-shrink": Filter(
        partial(_wavelet, method="VisuShrink"),
        lambda level: _wavelet_candidates(level, 0.25, 0.4, 0.6),
        {},
    ),
    "total-variation": Filter(
        _total_variation,
        lambda level: [
            {"weight": weight} for weight in _times(level, 0.15, 0.25, 0.35, 0.5, 0.7, 1, 1.4)
        ],
        {"weight": 0.1},
    ),
    "non-local-means": Filter(
        _non_local_means,
        lambda level: _grid(
            h=_times(level, 0.3, 0.45, 0.6, 0.8),
            sigma=[0.0, *_times(level, 1)],
            patch_size=[5, 7],
            patch_distance=[7],
        ),
        {"h": 0.1},
        {"patch_distance": [3, 5]},
    ),
}


def contrast(filtered: Images, original: Images) -> tuple[float, float]:
    """The gain and offset that bring filtered images closest to the originals (least squares).

    Noise that is clipped to [0, 1] makes black brighter and white darker, and no averaging filter
    can undo that. Measured on MNIST at sigma 0.5: the classifier's accuracy is 9 % after the best
    Gaussian filter, and 76 % once its contrast is restored.
    """
    x, y = filtered.ravel().astype(np.float64), original.ravel().astype(np.float64)
    variance = x.var()
    gain = float(((x - x.mean()) * (y - y.mean())).mean() / variance) if variance > 0 else 1.0
    gain = float(f"{gain:.3g}")
    return gain, float(f"{y.mean() - gain * x.mean():.3g}")


def apply_filter(
    name: str, images: Images, setting: Setting, gain: float = 1.0, offset: float = 0.0
) -> Images:
    """Filter grey float32 images (N, H, W), restore their contrast, and clip them to [0, 1]."""
    filtered = FILTERS[name].apply(images, **setting)
    return (np.float32(gain) * filtered + np.float32(offset)).clip(0, 1)
