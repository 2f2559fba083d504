"""A digit and a photograph with noise, to look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import NoiseSpec

SIDE = 64
"""Of the photograph, a part of scikit-image's camera man, pixel by pixel."""
TOP, LEFT = 80, 200


def noisy_samples(levels: Sequence[NoiseSpec], seed: int) -> list[dict[str, NDArray[np.float32]]]:
    """Images (1, C, H, W) by their names, without noise and with each noise; first the digit."""
    from skimage import data

    digit = unit(load("digits", "test", Path()).images[:1])
    camera = torch.from_numpy(data.camera()).float() / 255
    photograph = camera[None, None, TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    shown = []
    for image in (digit, photograph):
        views = {"clean": image}
        for level in levels:
            generator = torch.Generator().manual_seed(seed)
            views[str(level)] = add_noise(image, level, generator)
        shown.append({name: view.clamp(0, 1).numpy() for name, view in views.items()})
    return shown
