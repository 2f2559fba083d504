"""A photograph of handwritten digits on paper: what a person would want cleaned.

Made from the embedded digits: dark strokes on a white page under uneven light, taken by a sensor
that counts electrons and gives 12 bits.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dae_tui.core.data.load_data import load

HEIGHT, WIDTH = 1000, 1500
WHITE_12_BITS = 4095
# Electrons that fill a pixel of white: the noise of a small sensor in dim light.
FULL_WELL = 120
READ_NOISE = 5.0


def clean_page(seed: int = 0) -> NDArray[np.float64]:
    """The page without noise, (1000, 1500) in [0, 1]."""
    rng = np.random.default_rng(seed)
    digits = load("digits", "test", Path()).images.float() / 255
    ink = np.zeros((HEIGHT, WIDTH))
    for top in range(70, HEIGHT - 170, 170):
        for left in range(60 + int(rng.integers(40)), WIDTH - 160, 150):
            digit = digits[int(rng.integers(len(digits)))][None]
            side = int(rng.integers(90, 140))
            large = F.interpolate(digit, size=(side, side), mode="bicubic", align_corners=False)
            stroke = torch.sigmoid((large[0, 0] - 0.45) * 14).numpy()
            y, x = top + int(rng.integers(-15, 15)), left + int(rng.integers(-10, 10))
            ink[y : y + side, x : x + side] = np.maximum(ink[y : y + side, x : x + side], stroke)
    y, x = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    light = 0.95 - 0.35 * x - 0.2 * (y - 0.3) ** 2
    page: NDArray[np.float64] = light * (1 - 0.8 * ink)
    return page


def photograph(page: NDArray[np.float64], seed: int = 0) -> NDArray[np.uint16]:
    """What the sensor makes of it, in 12 bits: photons counted, read noise, quantised."""
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(page * FULL_WELL) + rng.normal(0, READ_NOISE, page.shape)
    levels = np.rint(electrons / FULL_WELL * WHITE_12_BITS).clip(0, WHITE_12_BITS)
    return levels.astype(np.uint16)


if __name__ == "__main__":
    # python tests/paper_photograph.py photo.png [WIDTH HEIGHT]: the whole, or its upper left part.
    from PIL import Image

    file, *size = sys.argv[1:]
    width, height = map(int, size or (WIDTH, HEIGHT))
    Image.fromarray(photograph(clean_page())[:height, :width]).save(file)
