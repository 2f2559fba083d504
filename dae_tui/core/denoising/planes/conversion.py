"""The way of an image's planes to its network and back: every step forward has one backward.

Impulses are replaced, the negative is taken, and colours become brightness and differences, as far
as image and network ask for it. Noise that grows with the light is made equally strong everywhere,
or the network is told how strong it is in each place: see `level_map`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dae_tui.core.denoising.apply_network import Levels
from dae_tui.core.denoising.planes.dynamic_range import Bulk, Stretch, stretch
from dae_tui.core.denoising.planes.level_map import LevelMap
from dae_tui.core.denoising.planes.opponent import (
    from_opponent,
    opponent_sigmas,
    opponent_variance,
    to_opponent,
)
from dae_tui.core.denoising.planes.stabilisation import (
    Stabilisation,
    has_few_looks,
    stabilise,
    stabilise_looks,
    unclipped,
)
from dae_tui.core.images.tone_curve import from_srgb, to_srgb
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.noise.level.impulses import SinglePixels, find_impulses, repair_impulses
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.weights.weights_file import Weights

# Where the noise of a plane differs so much from what independent channels have, they are not
# independent, and what was measured counts.
INDEPENDENT = 1.4
# A measurement that finds so much less than the variance of the channels, in all, is a wrong one.
CONSERVED = 0.8
LEAST_SIDE = 64
"""Of planes of which every second pixel tells the level."""
QUIET = 1e-5
"""Below this level a plane stays as it is, such as the colour differences of grey pictures."""


@dataclass(frozen=True)
class Conversion:
    """The steps for one image and its network."""

    sigmas: Tensor
    """The noise level of each plane that the network gets, (C,)."""
    impulses: bool = False
    negative: bool = False
    stabilisation: Stabilisation | None = None
    opponent: bool = False
    level_map: LevelMap | Stretch | None = None
    """The levels of all values, where they differ from place to place."""
    single: tuple[SinglePixels, ...] = ()
    """The hot and dead pixels among the impulses."""
    linear: bool = False
    """Whether the image is light, of which the network gets the picture."""

    @classmethod
    def plan(
        cls,
        weights: Weights,
        noise: ImageNoise,
        sample: Tensor,
        ends: tuple[Sequence[float], Sequence[float]] | None,
        *,
        bulk: Bulk | None = None,
        negative: bool,
        given: bool,
    ) -> "Conversion":
        """The steps for an image.

        Args:
            weights: of the network.
            noise: of the image.
            sample: the middle of the image, (C, h, w) in [0, 1].
            ends: the lowest and the highest value of each channel of the whole image; None for
                weights that are not told the level.
            bulk: where most values of an image of one channel lie.
            negative: whether the network gets the negative.
            given: whether the user gave the noise level.
        """
        sigmas = torch.tensor([level.sigma for level in noise.levels])
        plain = cls(sigmas, noise.impulses > 0, negative, single=noise.single)
        if not weights.takes_sigma or ends is None:
            return plain
        if len(sample) == 1:
            special = plain._of_wide_range(noise.levels[0], sample, ends[1][0], bulk)
            if special is not None:
                return special
        opponent = len(sample) == 3 and weights.channels == 1
        quadratic = any(len(level.variances) > 2 for level in noise.levels)
        if not opponent and (quadratic or (len(sample) > 1 and not noise.is_constant)):
            return replace(plain, level_map=LevelMap(noise.levels, negative))
        steps = stabilise(noise.levels, *ends, unclip=opponent)
        if steps is not None:
            sigmas = steps.sigmas
        if not opponent:
            return replace(plain, sigmas=sigmas, stabilisation=steps)
        ideal = opponent_sigmas(sigmas[None])[0]
        even = replace(plain, sigmas=ideal, stabilisation=steps, opponent=True)
        chosen = ideal if given else even._measured(sample, sigmas)
        # Noise that channels share leaves their differences only after the curve. Before it, that
        # of saturated colours is as strong as the colours.
        coloured = noise.correlation.shared and bool((chosen[1:] >= QUIET).any())
        if not quadratic or coloured:
            return replace(even, sigmas=chosen)
        ratios = chosen / ideal.clamp(min=1e-9)
        # Measured where the noise is equally strong, used where it is as it was.
        return replace(
            even,
            sigmas=opponent_sigmas(plain.sigmas[None])[0] * ratios,
            stabilisation=unclipped(noise.levels, *ends),
            level_map=LevelMap(noise.levels, negative, ratios),
        )

    def _of_wide_range(
        self,
        function: LevelFunction,
        sample: Tensor,
        highest: float,
        bulk: Bulk | None,
    ) -> "Conversion | None":
        """The steps for one channel whose dark and light values differ by large factors, if so.

        That is strong speckle, or a dark ground above which a few things stand out.
        """
        if has_few_looks(function, sample):
            looks = stabilise_looks(function, highest)
            return replace(self, sigmas=looks.sigmas, stabilisation=looks)
        if bulk is None or self.negative or not bulk.stands_out(function):
            return None
        found = stretch(function, bulk)
        curve = found.stabilisation
        return replace(self, sigmas=curve.sigmas, stabilisation=curve, level_map=found)

    def _measured(self, sample: Tensor, sigmas: Tensor) -> Tensor:
        """The levels of brightness and colour differences, (3,), as measured in a sample.

        `sigmas` (3,) are those of the channels. Where channels are independent, what they give
        counts.
        """
        ideal, planes = self.sigmas, self.forward(sample)
        measured = estimate_sigma(planes[:, None].contiguous())
        # A JPEG holds colours at half the resolution: their noise shows in every second pixel.
        measured[1:] = torch.maximum(measured[1:], _level_apart(planes[1:]))
        ratios = measured / ideal.clamp(min=1e-9)
        independent = (ratios < INDEPENDENT) & (ratios > 1 / INDEPENDENT)
        # The axes are orthogonal: whatever channels share, the sum of the variances stays.
        total = opponent_variance(measured[None]) / sigmas.square().sum().clamp(min=1e-18)
        if float(total) < CONSERVED:
            return ideal
        return torch.where(independent, ideal, measured)

    def levels_for(self, weights: Weights) -> Levels:
        """The levels as `denoise_images` takes them: one for a network that sees all planes."""
        if self.level_map is not None:
            return self.level_map
        if weights.channels == 1:
            return self.sigmas[None]
        return self.sigmas.square().mean().sqrt()[None]

    def levels_at(self, planes: Tensor) -> Tensor:
        """The levels of what the network gets, planes (C, h, w): (C, 1, 1) or (C, h, w)."""
        if self.level_map is None:
            return self.sigmas[:, None, None]
        return self.level_map(planes[None])[0]

    @property
    def keeps_some(self) -> bool:
        """Whether some of what the network gets stays as it is."""
        return isinstance(self.level_map, Stretch) or self._has_quiet

    @property
    def _has_quiet(self) -> bool:
        """Whether some of the colour planes have no noise."""
        return self.opponent and bool((self.sigmas < QUIET).any())

    def keep(self, planes: Tensor, denoised: Tensor) -> Tensor:
        """What the network gave for planes (C, h, w), but for what it sees no better."""
        if isinstance(self.level_map, Stretch):
            return self.level_map.mixed(planes, denoised)
        if not self._has_quiet:
            return denoised
        return torch.where((self.sigmas < QUIET)[:, None, None], planes, denoised)

    def forward(self, planes: Tensor) -> Tensor:
        """What the network gets for planes (C, h, w) in [0, 1]."""
        if self.impulses:
            planes = mended(planes, self.single)
        if self.stabilisation is not None:
            planes = self.stabilisation.forward(planes)
        if self.linear:
            planes = to_srgb(planes)
        if self.negative:
            planes = 1 - planes
        return to_opponent(planes[None])[0] if self.opponent else planes

    def backward(self, planes: Tensor) -> Tensor:
        """The intensities for what the network gave."""
        if self.opponent:
            planes = from_opponent(planes[None])[0]
        if self.negative:
            planes = 1 - planes
        if self.linear:
            planes = from_srgb(planes)
        return planes if self.stabilisation is None else self.stabilisation.backward(planes)


def _level_apart(planes: Tensor) -> Tensor:
    """The noise level (C,) of planes (C, H, W), measured on every second pixel each way."""
    if min(planes.shape[1:]) < LEAST_SIDE:
        return torch.zeros(len(planes))
    apart = [planes[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    levels = [estimate_sigma(part[:, None].contiguous()) for part in apart]
    return torch.stack(levels).median(0).values


def mended(planes: Tensor, single: Collection[SinglePixels]) -> Tensor:
    """Planes (C, H, W), of an image that holds impulses, without them.

    `single` are the hot and dead pixels that the image has.
    """
    found = [find_impulses(plane, single) for plane in planes]
    return torch.stack(
        [
            plane if impulses is None else repair_impulses(plane, impulses)
            for plane, impulses in zip(planes, found, strict=True)
        ]
    )
