"""The images of compared runs: what each network makes of the same noisy image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dae_tui.dashboard.content.comparison import ComparedRun
from dae_tui.dashboard.shown.shown_sample import ShownSample, shown_sample
from dae_tui.dashboard.widgets.pictures import Picture, Pictures
from dae_tui.runs.watching.samples import BrokenSample, sample_steps

# So many columns are a good view: where there are more, other runs are shown too.
VIEW_COLUMNS = 40
Samples = Mapping[str, ShownSample | BrokenSample]


class NewestSamples:
    """Reads the newest samples of runs again and again. One thread at a time may look."""

    def __init__(self) -> None:
        self._known: Samples = {}

    def look(self, runs: Sequence[ComparedRun]) -> Samples:
        """The newest sample of each run by the run's name; none of a run without samples."""
        found: dict[str, ShownSample | BrokenSample] = {}
        for each in runs:
            steps = sample_steps(each.run)
            known = self._known.get(each.run.key)
            if not steps:
                continue
            if not isinstance(known, ShownSample) or known.step != steps[-1]:
                known = shown_sample(each.run, steps[-1], each.learning)
            found[each.run.key] = known
        self._known = found
        return found


class ComparedPictures(Pictures):
    """One image in the views of a run, and as other runs denoise it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._number = 0
        self._count = 0

    def compare(self, chosen: ComparedRun, runs: Sequence[ComparedRun], samples: Samples) -> None:
        """Show what the chosen run makes of an image, or why that cannot be shown."""
        sample = samples.get(chosen.run.key)
        if not isinstance(sample, ShownSample):
            none = f"{chosen.summary.label} kept no images"
            self.show([], sample.reason if sample else none)
            return
        self._count = len(sample)
        self._number %= len(sample)
        (pictures,) = sample.pictures([self._number])
        room = max(0, self.size.width // VIEW_COLUMNS - len(pictures))
        others = [each for each in runs if each is not chosen]
        pictures += _same_image(sample, others, samples, self._number)[:room]
        self.show([pictures], telling=sample.telling)

    def about(self) -> str:
        """Which image is shown, and how much of it; empty for none."""
        if not self._images:
            return ""
        (image,) = self._images
        shown = self.layout_for(*self.size, image[0].size, len(image))
        part = self.words(shown, image[0].size)
        return f"image {self._number + 1}/{self._count}" + (f"  {part}" if part else "")

    def move(self, by: int) -> None:
        """Take the next image or the one before, from the next comparison on."""
        self._number += by


def _same_image(
    sample: ShownSample, runs: Sequence[ComparedRun], samples: Samples, number: int
) -> list[Picture]:
    """What other runs make of an image, if they were given the same noisy one."""
    pictures = []
    for each in runs:
        other = samples.get(each.run.key)
        if not isinstance(other, ShownSample) or number >= len(other):
            continue
        if np.array_equal(other.saved.views["noisy"][number], sample.saved.views["noisy"][number]):
            denoised = other.pictures([number])[0][-1]
            caption = denoised.caption.replace("denoised", each.summary.label, 1)
            pictures.append(replace(denoised, caption=caption))
    return pictures
