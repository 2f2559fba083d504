"""A run in one row, from files that may be foreign or broken."""

import dataclasses
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import read_tags

_TIME = re.compile(r"^\d{8}-\d{6}-")


@dataclass(frozen=True)
class Summary:
    """What a list shows of a run. A value that is missing or no number is None."""

    name: str
    state: State
    reason: str | None
    network: str | None
    data: str | None
    noise: str | None
    epoch: float | None
    epochs: float | None
    step: float | None
    loss: float | None
    """Training loss of the last report."""
    val_loss: float | None
    val_psnr: float | None
    """Of the denoised validation images, in dB."""
    val_accuracy: float | None
    """Percent of the denoised validation images that the classifier predicts correctly."""
    test_accuracy: float | None
    images_per_second: float | None
    seconds: float | None
    """Training time so far."""
    seconds_left: float | None
    """Training time to come at the present speed; None if the run is not alive."""
    heartbeat: float | None
    """When the training last wrote its status, in seconds since 1970."""
    tags: tuple[str, ...] = ()
    """Words that a person gave the run."""
    note: str | None = None
    group: str | None = None
    """The name that runs of one sweep share."""
    archived: bool = False

    @property
    def hidden(self) -> bool:
        """Whether lists leave it out. One that is being trained again is always shown."""
        return self.archived and not self.state.alive

    @property
    def label(self) -> str:
        """The name without its date and time: mnist-autoencoder-3f2a."""
        return _TIME.sub("", self.name)

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def summarize(
    run: Run,
    status: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Summary:
    """The summary of a run, with its `status` and `config` if they have been read already.

    Where files are missing or broken, values are None.
    """
    status = run.status() if status is None else status
    config = run.config() if config is None else config
    tags = read_tags(run)
    state = State(status["state"])
    seconds, step = number(status.get("seconds")), number(status.get("step"))
    steps_per_epoch = number(status.get("steps_per_epoch"))
    epochs = number(config.get("epochs"))
    left = None
    if state.alive and seconds and step and steps_per_epoch and epochs:
        # As a float: huge integers would raise, whereas an infinite time becomes None.
        left = number(max(0.0, (float(epochs) * steps_per_epoch - step) * seconds / step))
    return Summary(
        name=run.name,
        state=state,
        reason=word(status.get("reason")),
        network=word(config.get("network")),
        data=word(config.get("data")),
        noise=word(config.get("noise")),
        epoch=number(status.get("epoch")),
        epochs=epochs,
        step=step,
        loss=number(status.get("loss")),
        val_loss=number(status.get("val_loss")),
        val_psnr=number(status.get("val_psnr")),
        val_accuracy=number(status.get("val_accuracy")),
        test_accuracy=number(status.get("test_accuracy")),
        images_per_second=number(status.get("images_per_second")),
        seconds=seconds,
        seconds_left=left,
        heartbeat=number(status.get("heartbeat")),
        tags=tags.words,
        note=word(tags.note),
        group=word(tags.group),
        archived=tags.archived,
    )


def number(value: Any) -> float | None:
    """A number from a foreign file; None for anything but a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # An integer beyond the range of floats.
        return None


def word(value: Any) -> str | None:
    """A text from a foreign file; None for what is no text, or empty."""
    return value if isinstance(value, str) and value else None


def age(heartbeat: float | None) -> str:
    """The time since a heartbeat in whole numbers of its largest unit: 5 s, 3 min, 4 d."""
    if heartbeat is None:
        return "–"
    seconds = max(0, time.time() - heartbeat)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 1:.0f} s"


def duration(seconds: float) -> str:
    """Seconds in readable form: 8.1s, 42s, 7m03s, 2h05m."""
    if seconds < 59.5:
        return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{seconds:02d}s"
