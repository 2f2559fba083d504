"""The noise of a camera: photons at the sensor, seen through all that makes a photograph of them.

The photograph is led back to the light at the sensor, where noise is drawn behind the mosaic of
colour filters; what the camera makes of that noise is added. So the photograph itself stays sharp,
and its own noise and detail are not lost (Brooks et al.: "Unprocessing Images for Learned Raw
Denoising", CVPR 2019, whose numbers the ranges below follow).
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dae_tui.core.images.tone_curve import from_srgb, to_srgb

COLOURS = 3
# By so much red and blue are amplified beyond green, to make grey grey.
RED, BLUE = (1.4, 2.6), (1.2, 2.4)
MOST_SATURATION = 0.7
"""Colours are moved away from grey by up to this part: sensors see them paler than eyes."""
# Where a colour was not measured it is the mean of its neighbours, and up to this part of the
# curvature of the colour that was measured there is added (Malvar, He and Cutler, ICASSP 2004).
MOST_CURVATURE = 0.75
LUMINANCE = (0.2126, 0.7152, 0.0722)
# The blur of noise reduction reaches colours this much further than brightness, at most.
FURTHER = 2.0
SHARPENED_OVER = 0.7
"""The standard deviation of the blur that removes the detail which sharpening adds, in pixels."""
REACH = 3.0
"""Where a blur ends, in its standard deviations."""


def camera_noise(
    images: Tensor,
    gain: Tensor,
    generator: Generator,
    read: float,
    smooth: float,
    sharp: float = 0,
) -> Tensor:
    """Images (N, C, H, W) in [0, 1] with the noise of a camera, not clipped.

    Each image gets a camera of its own: phase of the mosaic, white balance, saturation, contrast,
    demosaicing and noise reduction are drawn. Three channels are red, green and blue in sRGB; any
    others are grey photographs.

    Args:
        images: the photographs.
        gain: the variance of the photon noise over the light at the sensor, where white is 1:
            1 / (electrons at white), (N, 1, 1, 1), above 0.
        generator: on the device of `images`.
        read: the noise of reading a pixel, in electrons.
        smooth: the standard deviation of the strongest blur by noise reduction, in pixels; each
            image gets one between nothing and that.
        sharp: the most by which the brightness is sharpened: the detail that a blur by
            `SHARPENED_OVER` removes is added so many times; each image gets between nothing and
            that.
    """
    count, channels, height, width = images.shape
    if not count:
        return images
    if channels != COLOURS:
        grey = images.reshape(-1, 1, height, width).expand(-1, COLOURS, -1, -1)
        of_each = gain.repeat_interleave(channels, dim=0)
        noisy = camera_noise(grey, of_each, generator, read, smooth, sharp)
        return noisy.mean(1).view(images.shape)
    draw = _Draw(images, generator)
    contrast = draw.yes_or_no()
    colours = _saturation(draw.between(0, MOST_SATURATION))
    balance = torch.cat([draw.between(*RED), torch.ones_like(gain), draw.between(*BLUE)], dim=1)
    light = _light(images.clamp(0, 1), contrast)
    at_sensor = (_mixed(light, torch.linalg.inv(colours)) / balance).clamp(0, 1)
    mosaic = _mosaic(draw, height, width)
    measured = (at_sensor * mosaic).sum(1, keepdim=True)
    deviation = (gain * measured + (gain * read).square()).sqrt()
    drawn = torch.randn(measured.shape, generator=generator, device=images.device)
    amplified = deviation * drawn * (balance * mosaic).sum(1, keepdim=True)
    noise = _demosaiced(amplified, mosaic, draw.between(0, MOST_CURVATURE))
    seen = _values(light + _mixed(noise, colours), contrast) - _values(light, contrast)
    if smooth:
        bright = seen.mean(1, keepdim=True)
        width_of = draw.between(0, smooth)
        further = torch.hypot(width_of, draw.between(0, FURTHER * smooth))
        most = math.hypot(1, FURTHER) * smooth
        seen = _blurred(bright, width_of, smooth) + _blurred(seen - bright, further, most)
    if sharp:
        bright = seen.mean(1, keepdim=True)
        over = torch.full_like(gain, SHARPENED_OVER)
        seen = seen + draw.between(0, sharp) * (bright - _blurred(bright, over, SHARPENED_OVER))
    return images + seen


class _Draw:
    """Draws one number for each image, (N, 1, 1, 1)."""

    def __init__(self, images: Tensor, generator: Generator) -> None:
        self._shape = (len(images), 1, 1, 1)
        self._generator, self._device = generator, images.device

    def between(self, low: float, high: float) -> Tensor:
        drawn = torch.rand(self._shape, generator=self._generator, device=self._device)
        return low + drawn * (high - low)

    def yes_or_no(self) -> Tensor:
        return self.between(0, 1) < 0.5


def _saturation(share: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that move colours away from grey, by a part (N, 1, 1, 1)."""
    grey = torch.tensor(LUMINANCE, device=share.device).expand(COLOURS, -1)
    one = torch.eye(COLOURS, device=share.device)
    return one + share[:, 0] * (one - grey)


def _mixed(planes: Tensor, colours: Tensor) -> Tensor:
    """Planes (N, 3, H, W), their channels mixed by matrices (N, 3, 3)."""
    return torch.einsum("nij,njhw->nihw", colours, planes)


def _mosaic(draw: _Draw, height: int, width: int) -> Tensor:
    """Which colour each pixel measures, 1 or 0: (N, 3, H, W), of a random phase for each image."""
    down, across = draw.yes_or_no(), draw.yes_or_no()
    odd_row = torch.arange(height, device=down.device)[:, None] % 2 == 1
    odd_column = torch.arange(width, device=down.device) % 2 == 1
    first_row, first_column = odd_row ^ down, odd_column ^ across
    red, blue = first_row & first_column, ~(first_row | first_column)
    return torch.cat([red, first_row ^ first_column, blue], dim=1).float()


def _demosaiced(values: Tensor, mosaic: Tensor, curvature: Tensor) -> Tensor:
    """All colours (N, 3, H, W) of values (N, 1, H, W) that were measured behind a mosaic."""
    near = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]], device=values.device)
    kernel = near.expand(COLOURS, 1, 3, 3)
    weights = F.conv2d(mosaic, kernel, padding=1, groups=COLOURS).clamp(min=1)
    means = F.conv2d(values * mosaic, kernel, padding=1, groups=COLOURS) / weights
    # A mean at a pixel whose colour was measured is that measurement.
    means = torch.where(mosaic > 0, values, means)
    wide = F.pad(values, (2, 2, 2, 2))
    across = wide[..., 2:-2, 4:] + wide[..., 2:-2, :-4]
    down = wide[..., 4:, 2:-2] + wide[..., :-4, 2:-2]
    return means + curvature * (1 - mosaic) * (values - (across + down) / 4)


def _light(values: Tensor, contrast: Tensor) -> Tensor:
    """The light of values in [0, 1]; with `contrast` (N, 1, 1, 1) a curve has darkened shadows."""
    flat = 0.5 - torch.sin(torch.asin(1 - 2 * values) / 3)
    return from_srgb(torch.where(contrast, flat, values))


def _values(light: Tensor, contrast: Tensor) -> Tensor:
    values = to_srgb(light.clamp(0, 1))
    return torch.where(contrast, values.square() * (3 - 2 * values), values)


def _blurred(planes: Tensor, width: Tensor, most: float) -> Tensor:
    """Planes (N, C, H, W), each image blurred by a Gaussian of its own, (N, 1, 1, 1)."""
    count, channels = planes.shape[:2]
    reach = max(1, math.ceil(REACH * most))
    at = torch.arange(-reach, reach + 1, device=planes.device)
    kernels = torch.exp(-at.square() / (2 * width[:, 0, 0].clamp(min=1e-3).square()))
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    wide = F.pad(planes, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    down = F.conv2d(wide, kernels[..., None], groups=count * channels)
    across = F.conv2d(down, kernels[:, :, None], groups=count * channels)
    return across.view(planes.shape)
