"""Recipes of `dae train --preset NAME`: what each changes of the defaults of its network."""

import dataclasses
from typing import Any

from dae_tui.errors import UsageError
from dae_tui.spec.training_config import TrainingConfig, default_config
from dae_tui.system.printable import shortened

# Recipes by name: how they differ from the defaults of their network.
PRESETS: dict[str, dict[str, Any]] = {
    # Found by a search for the shortest training to the paper's 96.10 % on validation images of
    # MNIST: U-Nets of 1 to 3 scales and several widths, dense and convolutional autoencoders,
    # batches of 25 to 100, Adam, AdamW and Muon. Small batches at a high rate took the least time;
    # Muon needs half the steps, but each takes twice the time.
    "fast": {
        "network": "unet",
        "settings": {"widths": [16, 32], "gather": 2, "sigma": False, "residual": False},
        "epochs": 1,
        "epoch_images": 16_000,
        "batch_size": 32,
        "lr": 8e-3,
    },
}


def preset_config(name: str, data: str = "mnist") -> TrainingConfig:
    """The recipe of `dae train --preset NAME`. Raises UsageError for an unknown name."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset '{shortened(name)}'", f"use {', '.join(PRESETS)}")
    recipe = PRESETS[name]
    if data == "digits":  # They are few, so the recipe uses all of them several times.
        recipe = recipe | {"epochs": 13, "epoch_images": 0}
    return dataclasses.replace(default_config(recipe["network"], data), **recipe)
