"""A sample of a run as it is shown: in colour, under the names that its views have there."""

from collections.abc import Sequence
from dataclasses import dataclass

from dae_tui.dashboard.content.learning import Learning
from dae_tui.dashboard.shown.logged_images import LoggedImages
from dae_tui.dashboard.widgets.pictures import Picture, pictures_of
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.watching.event_watch import EventWatch
from dae_tui.runs.watching.run_watch import RunWatch
from dae_tui.runs.watching.samples import BrokenSample, SavedSample, load_sample


@dataclass(frozen=True, eq=False)
class ShownSample:
    """A few images after `step` steps."""

    saved: SavedSample
    names: dict[str, str]
    """What the views are called that are shown, by the name in `saved`."""
    noisy_loss: bool
    """Whether there are noisy images in place of clean ones."""

    def __len__(self) -> int:
        return len(self.saved)

    @property
    def step(self) -> int:
        return self.saved.step

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        height, width = self.saved.views["noisy"].shape[-2:]
        return height, width

    @property
    def colour(self) -> bool:
        return self.saved.views["noisy"].ndim == 4

    @property
    def telling(self) -> int:
        """How many views, from the first on, stay the same at every step: all but the last."""
        return len(self.names) - 1

    def pictures(self, numbers: Sequence[int]) -> list[list[Picture]]:
        """Images with their captions: what they are, and how near to the original."""
        saved = self.saved
        labels = [] if saved.labels is None else saved.labels.tolist()
        captions = {view: [name] * len(self) for view, name in self.names.items()}
        if labels and "original" in captions:
            captions["original"] = [f"{self.names['original']} {label}" for label in labels]
        # The distance to a noisy image says little of how good another one is.
        if not self.noisy_loss:
            for view, decibels in saved.psnr.items():
                captions[view] = [f"{view} {value:.1f} dB" for value in decibels.tolist()]
        predictions = {view: read.tolist() for view, read in saved.predictions.items()}
        views = {view: self.saved.views[view] for view in self.names}
        return pictures_of(views, captions, predictions, labels or None, numbers)


def shown_sample(run: Run, step: int, learning: Learning) -> ShownSample | BrokenSample:
    """What was saved after `step` steps, or why it cannot be shown."""
    saved = load_sample(run, step)
    if isinstance(saved, BrokenSample):
        return saved
    names = {"original": learning.target, "noisy": "noisy", "denoised": "denoised"}
    shown = {view: name for view, name in names.items() if name}
    return ShownSample(saved, shown, learning.noisy_loss)


SHOWN = ShownSample, LoggedImages
Shown = ShownSample | LoggedImages


def is_current(sample: object, watch: RunWatch | EventWatch, step: int) -> bool:
    """Whether what is shown is what there is after so many steps."""
    if isinstance(sample, LoggedImages) and isinstance(watch, EventWatch):
        return sample.step == step and sample.of == watch.image_count
    return isinstance(sample, ShownSample) and sample.step == step


def shown_at(watch: RunWatch | EventWatch, step: int, learning: Learning) -> Shown | BrokenSample:
    """What a watched run kept after `step` steps, or why it cannot be shown."""
    if not isinstance(watch, EventWatch):
        return shown_sample(watch.run, step, learning)
    images = watch.images_at(step)
    if not images:
        return BrokenSample(step, f"the images of step {step:,} cannot be read")
    return LoggedImages(step, images, watch.image_count)
