"""Recipes of `dae train --preset NAME`: what each changes of the defaults of its network."""

import dataclasses
from typing import Any

from dae_tui.errors import UsageError
from dae_tui.spec.training_config import DATA_SETS, TrainingConfig, default_config
from dae_tui.system.printable import shortened

# Recipes by name: how they differ from the defaults of their network.
PRESETS: dict[str, dict[str, Any]] = {
    # The recipe of `mnist-autoencoder`.
    "paper": {"network": "autoencoder", "epochs": 30},
    # That of `mnist-autoencoder-wide`. U-Nets of twice its size were no better on MNIST.
    "best": {
        "network": "autoencoder",
        "settings": {"widths": [48, 96, 192]},
        "epochs": 210,
        "ema": 0.999,
    },
    # Found by a search for the shortest training to the paper's 96.10 % on validation images of
    # MNIST: U-Nets of 1 to 3 scales and several widths, dense and convolutional autoencoders,
    # batches of 16 to 100, Adam, AdamW and Muon. Small batches at a high rate took the least time:
    # 500 steps of 16 images came as far as 500 of 32. Muon needs half the steps, but each takes
    # twice the time.
    "fast": {
        "network": "unet",
        "settings": {"widths": [16, 32], "gather": 2, "sigma": False, "residual": False},
        "epochs": 1,
        "epoch_images": 7_200,
        "batch_size": 16,
        "lr": 8e-3,
    },
    # That of `documents-unet`, for pairs of noisy and clean pages.
    "documents": {
        "network": "unet",
        "settings": {"widths": [32, 64, 128], "gather": 2, "blocks": 2},
        "patch": 96,
        "gradient_clip": 0.01,
        "epochs": 60,
        "batch_size": 8,
        "lr": 1e-3,
    },
    # White noise to σ 0.5, more often weak than strong: unclipped, as in the literature, and
    # clipped and rounded, as files of 8 bits hold it.
    "photographs": {
        "network": "unet",
        "settings": {"widths": [64, 96, 128], "gather": 2, "blocks": 2},
        "noise": "gaussian:0-0.1|gaussian:0-0.25|gaussian:0-0.25+quantize:8|"
        "gaussian:0-0.5+quantize:8",
        "clip": False,
        "patch": 128,
        "augment": True,
        "ema": 0.999,
        "gradient_clip": 0.1,
        "epochs": 27,
        "epoch_images": 64_000,
        "batch_size": 32,
        "lr": 1e-3,
        "loss": "l1",
    },
}
# What is added to a recipe for the embedded digits, which are few: all of them, several times.
FOR_DIGITS = {"fast": {"epochs": 7, "epoch_images": 0}}


def preset_config(name: str, data: str = "mnist", noisy: str = "") -> TrainingConfig:
    """The recipe of `dae train --preset NAME`.

    Raises UsageError for an unknown name, and for data that it is not for.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preset '{shortened(name)}'", f"use {', '.join(PRESETS)}")
    recipe = PRESETS[name]
    if data == "digits":
        recipe = recipe | FOR_DIGITS.get(name, {})
    default = default_config(recipe["network"], data, noisy)
    if name == "photographs" and (data in DATA_SETS or default.learns_from != "clean"):
        raise UsageError(
            f"{data} is no folder of clean photographs, which the preset {name} adds noise to",
            "name one with --data, or leave --preset out",
        )
    if name == "documents" and default.learns_from == "clean":
        raise UsageError(
            f"{data} holds no pairs, from which the preset {name} learns",
            "name a folder with noisy/ and clean/ with --data, or two with --noisy and --clean",
        )
    return dataclasses.replace(default, **recipe)
