"""What the noise of one image is."""

from dataclasses import dataclass

import numpy as np

from dae_tui.core.noise.level_function import LevelFunction

# Noise whose level seems so much higher between every second pixel is correlated. White noise on
# photographs gave up to 1.3, the noise of cameras after their JPEG 1.5 to 4.
CORRELATED = 1.5


@dataclass(frozen=True)
class ImageNoise:
    """The noise of one image."""

    levels: tuple[LevelFunction, ...]
    """Of each channel."""
    impulses: float = 0.0
    """The share of pixels that are impulses."""
    correlation: float = 1.0
    """The level between every second pixel over the level between neighbours; 1 if it is white."""

    @property
    def sigma(self) -> float:
        """The root mean square over pixels and channels."""
        return float(np.sqrt(np.mean([level.sigma**2 for level in self.levels])))

    @property
    def is_correlated(self) -> bool:
        return self.correlation > CORRELATED
