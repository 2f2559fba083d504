"""Pictures that scikit-image brings along, and the noise of sensors."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data
from skimage.color import rgb2gray
from skimage.transform import resize

Array = NDArray[np.float64]


@cache
def grey(name: str, side: int = 256) -> Array:
    """A picture (side, side) in [0, 1]; `discs` are drawn, as are smooth `waves`."""
    rows, columns = np.mgrid[:side, :side] / side
    if name == "waves":
        return np.asarray(0.5 + 0.4 * np.sin(7 * columns) * np.cos(5 * rows))
    if name == "discs":
        picture = np.full((side, side), 0.05)
        for across, down, radius, light in np.random.default_rng(7).random((12, 4)):
            inside = np.hypot(columns - across, rows - down) < radius / 5 + 0.05
            picture += 0.3 * light * inside
        return picture.clip(0, 1)
    picture = getattr(data, name)()
    plain = rgb2gray(picture[..., :3]) if picture.ndim == 3 else picture / 255
    small: Array = resize(plain, (side, side), anti_aliasing=True).clip(0, 1)
    return small


@cache
def colour(name: str, side: int = 160) -> Array:
    """A picture (side, side, 3) in [0, 1]."""
    small: Array = resize(getattr(data, name)() / 255, (side, side), anti_aliasing=True).clip(0, 1)
    return small


@cache
def page_of_text(height: int = 160, width: int = 192) -> NDArray[np.uint8]:
    """Dark letters on white paper."""
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    for line in range(height // 17):
        words = "The quick brown fox jumps over the lazy dog."[line:]
        draw.text((6, 4 + 17 * line), words, fill=20, font=ImageFont.load_default(13))
    return np.asarray(image)


def shot_noise(
    clean: Array, photons: float, offset: float = 0.0, read: float = 0.0, seed: int = 0
) -> Array:
    """`photons` at white, and the `read` noise of a sensor whose black is at `offset`."""
    draw = np.random.default_rng(seed)
    noisy: Array = draw.poisson(clean * photons) / photons + offset
    return noisy + draw.normal(0, read, clean.shape) if read else noisy


def impulses(clean: Array, share: float, seed: int = 0) -> Array:
    """Salt and pepper: such a share of pixels becomes white or black."""
    noisy = clean.copy()
    lot = np.random.default_rng(seed).random(clean.shape[:2])
    noisy[lot < share / 2], noisy[lot > 1 - share / 2] = 0, 1
    return noisy


def decibels(image: NDArray[np.generic], clean: Array, span: float = 1.0) -> float:
    """The PSNR of an image for a white of `span` above black."""
    error = np.mean((image.astype(np.float64) - clean) ** 2)
    return float(10 * np.log10(span**2 / error))
