"""What became of an image file."""

from dataclasses import dataclass, field

from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import Job


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    error: DaeError | None = None
    skipped: bool = False
    """Another process has written the output meanwhile."""
    images: int = 0
    size: tuple[int, ...] = (0, 0)
    """Height and width of the first image."""
    weights: str = ""
    sigma: float = 0.0
    """How strong the noise was: as told, else estimated."""
    inverted: bool = False
    remarks: list[str] = field(default_factory=list)
    whites: list[float] = field(default_factory=list)
    """The stored value of white in each stack."""
    before: list[Stack] = field(default_factory=list)
    after: list[Stack] = field(default_factory=list)
    """The stacks, where the caller wants to look at them."""

    def warn(self, remark: str) -> None:
        """Add a remark, unless it is empty or known."""
        if remark and remark not in self.remarks:
            self.remarks.append(remark)
