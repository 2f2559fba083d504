"""The result of denoising an image file."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import Job

if TYPE_CHECKING:  # It needs torch, and what was mistyped is told without.
    from dae_tui.core.denoising.examination import Examination


@dataclass
class Outcome:
    """The result of a job."""

    job: Job
    error: DaeError | None = None
    skipped: bool = False
    """Whether another process has written the output meanwhile."""
    images: int = 0
    size: tuple[int, ...] = (0, 0)
    """Height and width of the first image."""
    weights: str = ""
    """The name of the weights of most images; empty if all were left as they were."""
    sigma: float = 0.0
    """The noise level, as given or estimated, where black is 0 and white is 1."""
    found: list["Examination"] = field(default_factory=list)
    """What was found in each stack."""
    quiet: int = 0
    """How many images were left as they were, because no noise was found in them."""
    harmed: int = 0
    """How many were left because denoising would have made them worse."""
    mended: int = 0
    """In how many nothing but impulses was replaced, or stripes removed."""
    inverted: bool = False
    remarks: list[str] = field(default_factory=list)
    before: list[Stack] = field(default_factory=list)
    after: list[Stack] = field(default_factory=list)
    """The stacks, if the caller asked to keep them."""

    def warn(self, remark: str) -> None:
        """Add a remark, unless it is empty or already there."""
        if remark and remark not in self.remarks:
            self.remarks.append(remark)
