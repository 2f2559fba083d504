"""What was found and done in the images of a file, for its outcome."""

import re
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from dae_tui.core.denoising.denoised import Denoised
from dae_tui.core.denoising.examination import Examination
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.denoising.inspection import unlike
from dae_tui.core.denoising.residual import CORRELATED as CORRELATED_RESIDUAL
from dae_tui.core.denoising.residual import DETAIL_LOST
from dae_tui.core.weights.weights_file import Weights

KEPT = 16
"""Of so many stacks the examination is kept for the report."""
CORRELATED = (
    "the noise is correlated between neighbours, as after a camera's processing, and the weights "
    "know white noise alone"
)
STRIPED = (
    "it has stripes: whole rows or columns are lighter or darker than their neighbours, and the "
    "weights do not know such noise"
)
STORED_FINELY = (
    "it is stored as JPEG of quality 95: its own compression would bring its artefacts back"
)


@dataclass
class Tally:
    """Grows stack by stack."""

    found: list[Examination] = field(default_factory=list)
    stacks: int = 0
    sigmas: list[float] = field(default_factory=list)
    quiet: int = 0
    harmed: int = 0
    mended: int = 0
    inverted: bool = False
    correlated: bool = False
    stored_finely: bool = False
    striped: bool = False
    remarks: list[str] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)
    residuals: list[float] = field(default_factory=list)
    structures: dict[tuple[int, tuple[int, ...]], tuple[Weights, list[float]]] = field(
        default_factory=dict
    )

    def add(self, found: Examination | None, denoised: Denoised) -> None:
        """Take a stack; `found` is None if nothing was measured in it."""
        self.stacks += 1
        self.stored_finely |= denoised.stack.artefacts_removed
        if found is not None:
            found = _corrected(found, denoised)
            self.sigmas.append(found.sigma)
            # Weights that learnt from pairs know the noise of those, which may be correlated.
            white = any(done.weights and done.weights.takes_sigma for done in denoised.images)
            self.correlated |= white and any(
                noise.correlation.between_pixels and noise.sigma > found.nothing
                for noise in found.noise
            )
            known = any(done.weights and not done.weights.takes_sigma for done in denoised.images)
            self.striped |= found.striped and not known
            self.remarks += found.remarks
            if len(self.found) < KEPT:
                self.found.append(found)
        size = denoised.stack.values.shape[1:3]
        for done in denoised.images:
            self.harmed += done.harmed
            self.mended += done.mended
            self.inverted |= done.inverted
            if done.weights is None:
                self.quiet += not (done.harmed or done.mended)
                continue
            self.names[done.weights.name] += 1
            self.residuals.append(done.residual)
            key = id(done.weights), size
            self.structures.setdefault(key, (done.weights, []))[1].append(done.structure)

    def tell(self, outcome: Outcome) -> None:
        """Put it all into the outcome."""
        outcome.found = self.found
        outcome.sigma = float(np.median(self.sigmas)) if self.sigmas else 0.0
        outcome.quiet, outcome.harmed, outcome.mended = self.quiet, self.harmed, self.mended
        outcome.inverted = self.inverted
        outcome.weights = self.names.most_common(1)[0][0] if self.names else ""
        for remark in self._remarks():
            outcome.warn(remark)
        if self.correlated:
            outcome.warn(CORRELATED)
        elif self.residuals and float(np.median(self.residuals)) > CORRELATED_RESIDUAL:
            outcome.warn(DETAIL_LOST)
        if self.striped:
            outcome.warn(STRIPED)
        if self.stored_finely and outcome.job.kind in (None, "jpeg"):
            outcome.warn(STORED_FINELY)
        for (_, size), (weights, structures) in self.structures.items():
            outcome.warn(unlike(weights, size, float(np.median(structures))))

    def _remarks(self) -> list[str]:
        """Each remark; of several pages without its numbers, which differ, and counted."""
        if self.stacks == 1:
            return self.remarks
        counts = Counter(re.sub(r"^[\d,]+ ", "", remark) for remark in self.remarks)
        return [
            f"in {count:,} page{'s' * (count > 1)}, {remark}" for remark, count in counts.items()
        ]


def _corrected(found: Examination, denoised: Denoised) -> Examination:
    """With the noise as weights for cameras or trials found it, where patches tell it wrong."""
    if all(done.noise is None for done in denoised.images):
        return found
    noise = tuple(
        done.noise or before for done, before in zip(denoised.images, found.noise, strict=True)
    )
    return replace(found, noise=noise, sigmas=torch.tensor([each.sigma for each in noise]))
