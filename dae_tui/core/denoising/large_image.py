"""One image of a stack, large enough for more than one noise level, and too large for batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.apply_network import (
    Compute,
    denoise_images,
    denoise_large,
    fits_whole,
)
from dae_tui.core.denoising.block_grid import before_blocks
from dae_tui.core.denoising.camera_noise import Taken, is_grey
from dae_tui.core.denoising.denoised import Done
from dae_tui.core.denoising.examination import (
    OF_COMPRESSION,
    Examination,
)
from dae_tui.core.denoising.inspection import taken_structure
from dae_tui.core.denoising.level_by_trials import is_consistent, off_ends
from dae_tui.core.denoising.planes.conversion import Conversion, mended
from dae_tui.core.denoising.residual import residual_correlation
from dae_tui.core.denoising.risk import Trial, attempt, least_change
from dae_tui.core.denoising.stored_image import StoredImage
from dae_tui.core.denoising.white_noise import differ, over_image, white_noise_in
from dae_tui.core.noise.level.image_noise import Correlation, ImageNoise
from dae_tui.core.noise.level.level_function import levels_at
from dae_tui.core.weights.choice import Candidates, for_channels
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.denoising import DenoiseOptions

# An image is left as it is unless its error is expected to fall at least to this part.
WORTH_IT = 0.97
# White noise that a JPEG has spread is taken away everywhere too, as a multiple of the level that
# was found: it gave 0.65 to 0.9, textures of clean photographs that were taken for it 0.35 to 0.4.
CHANGED_OF_SPREAD = 0.5
# What is taken away is not more than so many times the noise, root mean squares of both.
MOST_CHANGE = 1.5
# Noise below so many halves of a stored step may be rounded to one side, and then the mean of an
# image moves by more than this part of the noise. Counts of 0.3, 1 and 3 photons moved by 0.44,
# 0.14 and 0.02 of it.
COARSE, MOST_MOVED = 3.0, 0.1
# Of two networks also a mean of both is tried, with these shares of the first: on a page of text
# with noise of 10/255 a quarter of `photos-unet` beside `pages-unet` gives 0.3 dB.
SHARES = (0.25, 0.5, 0.75)


def inverts(weights: Weights, options: DenoiseOptions, dark: bool) -> bool:
    """Whether the network gets the negative of the image, because it is dark on light."""
    return options.invert == "yes" or (options.invert == "auto" and dark and weights.light_on_dark)


@dataclass(frozen=True)
class LargeImage:
    """One image of a stack, too large to be batched with others."""

    image: StoredImage
    dark: bool
    """Whether it shows dark strokes on a light ground."""
    found: Examination
    noise: ImageNoise
    options: DenoiseOptions
    compute: Compute
    certain: bool = False
    """Whether its noise was found by trials, beyond doubt."""

    def denoise(self, candidates: Candidates, out: NDArray[Any]) -> Done:
        """Denoise it into `out`."""
        quiet = self.noise.sigma <= self.found.nothing and not self.noise.impulses
        camera = self._for_cameras(candidates)
        taken = self._taken(camera) if camera else None
        artefacts = OF_COMPRESSION * self.image.stack.compression_error / self.found.range.span
        if camera and taken is not None and taken.is_of_camera(self.noise.sigma, artefacts):
            white = None if taken.cannot_be_white else self._by_trials(candidates, out)
            if white and white.weights:
                return white
            return self._as_of_camera(camera, taken, out)
        if quiet and candidates.know_levels:
            return self._left(out, harmed=False)
        if taken is not None and taken.disproves(self.noise):
            return self._by_trials(candidates, out) or self._left(out)
        return self._with_levels(candidates, out)

    def _with_levels(self, candidates: Candidates, out: NDArray[Any]) -> Done:
        """Denoise it with the weights that do it most good, told the levels of its noise."""
        if self._ground_is_textured and not self.certain and self._may_be_wrong(candidates):
            return self._by_trials(candidates, out) or self._left(out)
        shared = bool(candidates.one_channel) and self.noise.correlation.shared
        white = self._by_trials(candidates, out) if shared else None
        if white:  # Texture in colour looks as if the channels shared noise.
            return white
        if shared:
            candidates = replace(candidates, weights=candidates.one_channel)
        conversions = [self._conversion(weights) for weights in candidates.weights]
        mixture, consistent = self._best(candidates, conversions)
        if not (shared or (mixture and consistent)):
            white = self._by_trials(candidates, out, nearby=mixture is None)
            if white:
                return white
        if mixture is None:
            return self._left(out)
        best = int(np.argmax(mixture))
        weights, conversion = candidates.weights[best], conversions[best]
        self._apply(_Mixture(candidates.weights, mixture), conversion, out)
        if self._may_be_wrong(candidates) and self._does_harm(out):
            return self._left(out)
        done = Done(weights, conversion.negative, noise=self.noise if self.certain else None)
        before, after = self.image.middle_of(out)
        if candidates.named:
            done = replace(done, structure=float(taken_structure(before[None], after[None])[0]))
        if weights.takes_sigma and not (self._noise_is_other or self.found.artefacts):
            done = replace(done, residual=residual_correlation(before, after))
        return done

    def _by_trials(
        self, candidates: Candidates, out: NDArray[Any], *, nearby: bool = True
    ) -> Done | None:
        """Denoise it with the levels of white noise that a network finds by trials.

        None if it finds none beyond doubt, or if the noise is of another kind; also, unless
        `nearby` is wanted, if the levels hardly differ from those that were found before.
        """
        other = self.noise.impulses or self.noise.stripes or self.found.striped or self.found.page
        if other or self.certain or not self._may_be_wrong(candidates):
            return None
        part = self.image.planes(*self.image.middle())
        every = [*candidates.weights, *candidates.one_channel]
        ground = self.image.bulk if self._stands_out else None
        seen = ground.stretched(part) if ground else part
        levels = white_noise_in(seen, every, self.compute)
        if levels and ground:
            levels = (ground.unstretched(levels[0]),)
        if levels is None or not (nearby or differ(levels, self.noise.levels, part)):
            return None
        alike = Correlation(shared=len(part) > 1 and is_grey(part))
        noise = replace(
            self.noise, levels=over_image(levels, self.image.overview), correlation=alike
        )
        return replace(self, noise=noise, certain=True)._with_levels(candidates, out)

    @property
    def _noise_is_other(self) -> bool:
        """Whether what is removed is not white, and rightly so."""
        striped = self.found.striped or self.noise.stripes is not None
        return bool(self.noise.impulses) or self.noise.correlation.between_pixels or striped

    def _left(self, out: NDArray[Any], *, harmed: bool = True) -> Done:
        """Leave the image as it is, but for its impulses and stripes.

        `harmed`: because denoising would make it worse, and not for lack of noise.
        """
        if self.noise.impulses or self.noise.stripes:
            self._mend(out)
            return Done(None, mended=True)
        out[...] = self.image.rows
        return Done(None, harmed=harmed)

    def _conversion(self, weights: Weights) -> Conversion:
        negative = inverts(weights, self.options, self.dark)
        return Conversion.plan(
            weights,
            self.noise,
            self.image.planes(*self.image.middle()),
            self.image.ends if weights.takes_sigma else None,
            bulk=self.image.bulk if weights.takes_sigma else None,
            negative=negative,
            given=self.options.sigma is not None,
        )

    @property
    def _stands_out(self) -> bool:
        """Whether a few things stand out far above a dark ground, as stars do above the sky."""
        return self.image.bulk is not None and self.image.bulk.stands_out(self.noise.levels[0])

    @property
    def _ground_is_textured(self) -> bool:
        """Whether that ground may be texture, which its level function does not tell from noise."""
        if self.image.bulk is None or not self._stands_out:
            return False
        return self.image.bulk.is_textured(self.noise.levels[0])

    def _best(
        self, candidates: Candidates, conversions: Sequence[Conversion]
    ) -> tuple[list[float] | None, bool]:
        """The share of each weights in the result with the least expected error.

        None to leave the image. Also whether what is taken away agrees with the level.
        """
        alone = np.eye(len(candidates.weights))
        if not self._may_be_wrong(candidates):
            return alone[0].tolist(), True
        part = self.image.planes(*self.image.middle())
        trials = []
        for weights, conversion in zip(candidates.weights, conversions, strict=True):
            # In bf16 the probe would be rounded away.
            apply = partial(self._network, weights, conversion, precision="fp32")
            planes = conversion.forward(part)
            trials.append(attempt(apply, planes, conversion.levels_at(planes)))
        ways = {tuple(shares): trial.risk for shares, trial in zip(alone, trials, strict=True)}
        for first, second in combinations(range(len(trials)), 2):
            if not _go_together(*(candidates.weights[each] for each in (first, second))):
                continue
            for share in SHARES:
                both = share * alone[first] + (1 - share) * alone[second]
                ways[tuple(both)] = trials[first].mixed(trials[second], share).risk
        best = min(ways, key=ways.__getitem__)
        seen = off_ends(part, self.noise.levels).all(0, keepdim=True)
        trial = trials[int(np.argmax(best))]
        # What stands out is kept, whatever the level.
        consistent = self._stands_out or is_consistent(trial, seen.expand_as(trial.noisy))
        if ways[best] >= WORTH_IT or self._changes_too_much(best, trials, conversions, part):
            return None, consistent
        return list(best), consistent

    def _may_be_wrong(self, candidates: Candidates) -> bool:
        """Whether the noise may not be there, as nobody has said anything about it."""
        return not (candidates.named or self.options.sigma is not None or self.found.artefacts)

    def _changes_too_much(
        self,
        shares: Sequence[float],
        trials: Sequence[Trial],
        conversions: Sequence[Conversion],
        part: Tensor,
    ) -> bool:
        """Whether more is taken away than the noise that was found: then the estimate is wrong.

        So it is if noise that a JPEG has spread is not everywhere.
        """
        conversion = conversions[int(np.argmax(shares))]
        mean = torch.stack(
            [share * trial.denoised for share, trial in zip(shares, trials, strict=True)]
        ).sum(0)
        given = mended(part, conversion.single) if conversion.impulses else part
        denoised = conversion.backward(mean)
        changed = (denoised - given).square().mean().sqrt()
        # The part may be lighter than the whole, and so have more noise.
        levels = levels_at(self.noise.levels, denoised)
        here = float(levels.square().mean().sqrt())
        if self.noise.correlation.between_pixels:
            levels = levels.clamp(min=self.found.nothing)
            if least_change(given - denoised, levels) < CHANGED_OF_SPREAD:
                return True
        return float(changed) > MOST_CHANGE * max(self.noise.sigma, here)

    def _does_harm(self, out: NDArray[Any]) -> bool:
        """Whether more was taken away than noise, or the mean has moved with it, band by band.

        Counts of less than a photon become 0 if their mean is rounded.
        """
        moved = square = 0.0
        for rows in self.image.bands:
            given = self.image.planes(rows)
            given = mended(given, self.noise.single) if self.noise.impulses else given
            after = self.image.after(out, slice(*rows))
            change = (after - given).nan_to_num()
            moved += float(change.sum())
            square += float(change.square().sum())
        values, sigma = math.prod(self.image.size) * len(self.noise.levels), self.noise.sigma
        coarse = sigma < COARSE * self.found.nothing
        if coarse and abs(moved) > MOST_MOVED * sigma * values:
            return True
        return float(np.sqrt(square / values)) > MOST_CHANGE * sigma

    def _for_cameras(self, candidates: Candidates) -> Weights | None:
        """The weights for cameras that suit it: those for grey photographs if it is grey."""
        if not candidates.cameras:
            return None
        channels = 1 if is_grey(self.image.blocks) else len(self.image.blocks)
        return for_channels(candidates.cameras, channels)

    def _taken(self, weights: Weights) -> Taken | None:
        """What weights that know no level take away from the middle.

        None of impulses, of which they tell nothing.
        """
        if self.noise.impulses:
            return None
        conversion = self._of_camera(weights)
        seen = conversion.forward(self.image.blocks)
        return Taken(seen, seen - self._network(weights, conversion, seen))

    def _of_camera(self, weights: Weights) -> Conversion:
        """They know pictures: light must become one first."""
        return replace(self._conversion(weights), linear=self.image.stack.linear)

    def _as_of_camera(self, weights: Weights, taken: Taken, out: NDArray[Any]) -> Done:
        """Denoise it with weights that know no level."""
        mixture, before = _Mixture([weights], [1.0]), before_blocks(self.image.grid)
        self._apply(mixture, self._of_camera(weights), out, before)
        # Of light the weights saw the picture: the level in the file is another.
        levels = None if self.image.stack.linear else taken.levels
        return Done(weights, noise=replace(self.noise, levels=levels) if levels else None)

    def _network(
        self,
        weights: Weights,
        conversion: Conversion,
        planes: Tensor,
        precision: str | None = None,
    ) -> Tensor:
        levels = conversion.levels_for(weights)
        compute = replace(self.compute, precision=precision) if precision else self.compute
        denoised = denoise_images(weights, planes[None], levels, compute, clip=False)[0]
        return conversion.keep(planes, denoised)

    def _apply(
        self,
        mixture: "_Mixture",
        conversion: Conversion,
        out: NDArray[Any],
        before: tuple[int, int] = (0, 0),
    ) -> None:
        """As a whole, or tile by tile with a band of rows in memory at a time.

        The network gets so many rows and columns `before` the first ones.
        """
        height, width = self.image.size
        above, left = before
        parts = mixture.parts

        def rows_of(top: int, end: int) -> Tensor:
            planes = self.image.planes((max(0, top - above), max(1, end - above)))
            planes = conversion.forward(planes)
            more = (left, 0, end - top - planes.shape[1], 0)
            return F.pad(planes[None], more, mode="replicate")[0] if any(more) else planes

        if all(fits_whole(weights, height, width, self.compute) for weights, _ in parts):
            planes = rows_of(0, above + height)
            denoised = [self._network(weights, conversion, planes) for weights, _ in parts]
            mean = mixture.mean(denoised)[:, above:, left:]
            self._store(conversion.backward(mean), slice(0, height), out)
            return

        size = len(self.noise.levels), above + height, left + width
        levels = conversion.level_map or conversion.sigmas
        bands = denoise_large(parts, rows_of, size, levels, self.compute)
        for top, planes in bands:
            kept = planes
            if conversion.keeps_some:
                kept = conversion.keep(rows_of(top, top + planes.shape[-2]), planes)
            kept = kept[:, max(0, above - top) :, left:]
            if kept.shape[-2]:
                first = max(0, top - above)
                self._store(conversion.backward(kept), slice(first, first + kept.shape[-2]), out)

    def _mend(self, out: NDArray[Any]) -> None:
        """Replace nothing but impulses, and remove stripes, because there is no other noise."""
        height = self.image.size[0]
        planes = self.image.planes((0, height))
        if self.noise.impulses:
            planes = mended(planes, self.noise.single)
        self._store(planes, slice(0, height), out)

    def _store(self, planes: Tensor, rows: slice, out: NDArray[Any]) -> None:
        self.image.store(planes, rows, out, self.options.strength)


@dataclass(frozen=True)
class _Mixture:
    """Weights and the share of each in the result."""

    weights: Sequence[Weights]
    shares: Sequence[float]

    @property
    def parts(self) -> list[tuple[Weights, float]]:
        """Those that have a share."""
        return [part for part in zip(self.weights, self.shares, strict=True) if part[1]]

    def mean(self, denoised: Sequence[Tensor]) -> Tensor:
        """The weighted mean of what each of the parts gave."""
        pairs = zip(self.parts, denoised, strict=True)
        return torch.stack([share * planes for (_, share), planes in pairs]).sum(0)


def _go_together(first: Weights, second: Weights) -> bool:
    """Whether two networks get the same planes, so that a mean of their results is one."""
    both = first, second
    alike = first.channels == second.channels and first.light_on_dark == second.light_on_dark
    return alike and all(each.takes_sigma for each in both)
