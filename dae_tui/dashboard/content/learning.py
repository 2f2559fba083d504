"""What a run learns from, by its config: what its images are called, and what its loss measures.

Does not import Textual. A config may hold anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dae_tui.models.registry import NETWORKS
from dae_tui.runs.folder.summary import word
from dae_tui.spec.table import AS_GIVEN
from dae_tui.spec.training_config import ALONE, find_supervision

NOISY_LOSS = "noisy loss"
NOISE2NOISE = "noise2noise"


@dataclass(frozen=True)
class Learning:
    """What a network learns from, and how that is shown."""

    supervision: str = "clean"
    """One of `spec.training_config.SUPERVISIONS`."""
    noise: str = ""
    """The noise, or what stands for it; empty where it is unknown."""

    @property
    def noisy_loss(self) -> bool:
        """Whether the loss is the distance to noisy images, and not to clean ones."""
        return self.supervision == NOISE2NOISE or self.supervision in ALONE

    @property
    def target(self) -> str:
        """What the view `original` is called; empty where it is the noisy image once more."""
        if self.supervision in ALONE:
            return ""
        return {"pairs": "clean", NOISE2NOISE: "other take"}.get(self.supervision, "original")


def learning_of(config: Mapping[str, Any]) -> Learning:
    """What the run of this config learns from. Looks at its folder of images."""
    supervision = _supervision(config)
    return Learning(supervision, noise_words(config, supervision))


def noise_words(config: Mapping[str, Any], supervision: str = "pairs") -> str:
    """The noise of a config in words: of images that are noisy already, what they are."""
    noise, network = word(config.get("noise")) or "", word(config.get("network")) or ""
    known = NETWORKS.get(network)
    if noise != "none" or known is None or known.task != "denoise":
        return noise
    return AS_GIVEN if supervision in ("clean", "pairs") else supervision


def _supervision(config: Mapping[str, Any]) -> str:
    """What was asked for, or else what the folder holds; of a folder that is gone, pairs."""
    data, noisy, takes, asked = (
        word(config.get(key)) or "" for key in ("data", "noisy", "takes", "supervision")
    )
    found = find_supervision(data, noisy, takes, asked or "auto") if data else "clean"
    return "pairs" if found == "clean" and noise_words(config) == AS_GIVEN else found
