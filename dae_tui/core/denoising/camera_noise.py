"""Whether a photograph has the noise of a camera, told by what weights for cameras take away.

They know no level, and leave photographs without noise alone. What they take away is a better
sample of the noise than any patch of a photograph, which may hold texture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.block_grid import find_grid, starting_on
from dae_tui.core.denoising.residual import bright_correlation, colour_correlation
from dae_tui.core.denoising.risk import least_change
from dae_tui.core.noise.level.colour_differences import levels_by_differences
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.noise.level.impulses import find_impulses
from dae_tui.core.noise.level.level_function import (
    LEAST_PIXELS,
    LevelFunction,
    estimate_level_functions,
)
from dae_tui.core.noise.measured.left_behind import levels_of_camera
from dae_tui.core.weights.weights_file import Weights

COLOURS = 3
# So much is taken away at least, a root mean square where black is 0 and white is 1: from the 35
# noisy photographs of PolyU 1.8/255 to 11/255; from 78 clean ones of Kodak and BSDS 0.1/255 to
# 1.5/255, from nine tenths of them at most 0.9/255.
LEAST = 1.2 / 255
# And everywhere: three quarters of the blocks reach this, but for those that are black, as the sky
# at night. Nine tenths of PolyU gave 1.3/255 and more; clean photographs 0.05/255 to 0.2/255, and
# one with film grain 0.9/255.
EVERYWHERE = 0.2 / 255
BLACK = 2 / 255
# Its colours are correlated: white noise of 5/255 to 50/255, shot noise and speckle gave -0.07 to
# 0.05, the photographs of PolyU 0.55 to 0.85, simulated cameras 0.09 to 0.88.
CORRELATED = 0.1
# White noise of a few 255ths in photographs with film grain came to 0.1 to 0.18, simulated cameras
# to 0.5 and more.
CLEARLY = 0.4
# Of grey photographs the brightness is all there is. White noise of 5/255 to 50/255, shot noise and
# speckle gave -0.11 to 0.02, most photographs of PolyU 0.1 to 0.44. So may texture, but in few
# places: 0.21/255 at most of three quarters of the blocks in 280 photographs without noise, but for
# three old ones, and 0.4/255 and more in nine tenths of PolyU.
CORRELATED_GREY = 0.1
EVERYWHERE_GREY = 0.4 / 255
# In a grey JPEG there must be as much beside its artefacts: film grain as JPEG of quality 92 came
# to 2.1/255.
BESIDE_ARTEFACTS = 1.7 / 255
# Patches without noise are many in screenshots and drawings, and few in photographs of cameras: the
# level that is found in patches was at most 0.17/255 in those, and at least 0.3/255 in these.
IN_PATCHES = 0.2 / 255
# What is taken away was at most 6.5 times that level in the photographs of PolyU and 13 times in a
# simulated one with a white sky; in coarse pixels of random colours, as JPEG, it was 65 times.
OF_PATCHES = 20.0
# A level that is more than so many times that of what is taken away is that of texture: white noise
# of 2/255 gave 1 to 3.8, and a photograph whose leaves were taken for noise 7.
OF_TEXTURE = 5.0
MIDDLE = 512
"""So many rows and columns of a photograph tell how strong its noise is,"""
PATCHES = 256
"""and so many whether any of its patches hold noise."""


@dataclass(frozen=True)
class Taken:
    """What weights for cameras take away from a part of a photograph, in colour or grey."""

    seen: Tensor
    """What they saw, (C, h, w), where black is 0 and white is 1."""
    change: Tensor
    """What they took away from it."""

    @property
    def level(self) -> float:
        """Its root mean square."""
        return float(self.change.square().mean().sqrt())

    @property
    def levels(self) -> tuple[LevelFunction, ...]:
        """The level function of each channel, if it is the noise of a camera."""
        return levels_of_camera(self.seen, self.seen - self.change)

    def is_of_camera(self, sigma: float, artefacts: float = 0.0) -> bool:
        """Whether it is the noise of a camera.

        Args:
            sigma: was found in patches of the photograph.
            artefacts: the level of those of the file's compression. In grey photographs they look
                like noise.
        """
        lit = self.seen.amax(0) > BLACK
        least, everywhere = LEAST, EVERYWHERE
        if is_grey(self.seen):
            everywhere = EVERYWHERE_GREY
            least = max(LEAST, math.hypot(artefacts, BESIDE_ARTEFACTS) if artefacts else 0.0)
        return (
            self.level > least
            and sigma > max(IN_PATCHES, self.level / OF_PATCHES)
            and least_change(self.change, among=lit) > everywhere
            and self._is_correlated
        )

    def disproves(self, noise: ImageNoise) -> bool:
        """Whether the white noise that patches of the photograph seemed to have must be texture.

        For a photograph whose noise is not a camera's.
        """
        if noise.sigma > OF_TEXTURE * self.level or self._is_correlated:
            return True
        return self.level <= LEAST and noise.correlation.between_pixels

    @property
    def cannot_be_white(self) -> bool:
        """Whether what is taken away cannot be white noise on top of some film grain.

        In grey it never can: no such grain was taken for the noise of a camera.
        """
        return is_grey(self.seen) or colour_correlation(self.change) > CLEARLY

    @property
    def _is_correlated(self) -> bool:
        if is_grey(self.seen):
            return bright_correlation(self.change) > CORRELATED_GREY
        return colour_correlation(self.change) > CORRELATED


def is_grey(planes: Tensor) -> bool:
    """Whether the channels of an image (C, H, W) are equal."""
    return bool((planes == planes[:1]).all())


def without_camera_noise(
    images: Sequence[Tensor], weights: Weights, compute: Compute
) -> list[tuple[Tensor, Tensor]]:
    """The middle of photographs as it is, and without the noise of a camera.

    Args:
        images: float32 (C, H, W), where black is 0 and white is 1.
        weights: for cameras.
        compute: where and how they are applied.

    Returns two tensors (3, h, w) for each whose noise is a camera's; none for others.
    """
    found = []
    for image in images:
        part = _middle(image, MIDDLE, *find_grid(_middle(image, MIDDLE)))
        if not _may_be_of_camera(part):
            continue
        denoised = denoise_images(weights, part[None], None, compute, clip=False)[0]
        patches = _middle(part, PATCHES)
        levels = levels_by_differences(patches) or estimate_level_functions(patches)
        taken = Taken(part, part - denoised)
        if taken.is_of_camera(ImageNoise(tuple(levels)).sigma) and taken.cannot_be_white:
            found.append((part, denoised))
    return found


def _may_be_of_camera(part: Tensor) -> bool:
    """Whether it is in colour, large enough to tell, and without impulses."""
    if len(part) != COLOURS or part[0].numel() < LEAST_PIXELS or is_grey(part):
        return False
    return all(find_impulses(plane) is None for plane in part)


def _middle(image: Tensor, side: int, row: int = 0, column: int = 0) -> Tensor:
    """The middle (C, h, w) of an image (C, H, W), h and w at most `side`.

    It starts where a block of JPEG does, if there is one at this row and this column.
    """
    height, width = image.shape[1:]
    return image[:, starting_on(row, height, side), starting_on(column, width, side)]
