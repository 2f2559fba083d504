"""What `dae train` shows while it trains: live on a terminal, lines off it, or JSON."""

import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from dae_tui.commands.output.streams import say
from dae_tui.commands.output.terminal import enduring, print_json, stderr
from dae_tui.commands.training.result import Display, Result
from dae_tui.core.evaluation.benchmark import EvaluationProgress
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import duration
from dae_tui.spec.events import Checkpoint, Event, Sample, Started, Step, Validation, as_json
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import sparkline

LINE_SECONDS = 5.0
SPARKLINE = 48
# The share of the past in the speed that is shown: reports come several times a second.
SMOOTHING = 0.8


class PlainDisplay(Display):
    """A line every few seconds and one per epoch, on stderr: for logs and pipes."""

    def __init__(self, run: Run, seconds: float = LINE_SECONDS) -> None:
        super().__init__(run)
        self._seconds = seconds
        self._last_line = 0.0
        self._epochs = 0
        self._speed = 0.0

    def say(self, message: str) -> None:
        say(message)

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            self._epochs = event.epochs
            self.say(f"run {self.run.name}")
            self.say(_introduction(event))
        elif isinstance(event, Validation):
            self._last_line = time.monotonic()
            self.say(_epoch(event, self._epochs, self._speed))
        elif isinstance(event, Step):
            self._speed = smoothed(self._speed, event.images_per_second)
            if time.monotonic() - self._last_line < self._seconds:
                return
            self._last_line = time.monotonic()
            self.say(
                f"epoch {event.epoch}/{self._epochs}  step {event.step}  loss {event.loss:.5f}"
                f"  {self._speed:,.0f} images/s"
            )


class JsonDisplay(Display):
    """One JSON object per event on stdout; pictures stay in the run's folder."""

    def show(self, event: Event) -> None:
        if isinstance(event, Checkpoint):
            print_json(
                {
                    "event": "checkpoint",
                    "kind": event.kind,
                    "epoch": event.epoch,
                    "step": event.step,
                }
            )
        elif isinstance(event, Started):
            print_json(as_json(event) | {"run": str(self.run.folder.resolve())})
        elif not isinstance(event, Sample):
            print_json(as_json(event))

    def show_table(self, result: Result) -> None:
        print_json(result.done)


class LiveDisplay(Display):
    """Progress, speed, time left and a sparkline of the loss, redrawn in place on stderr.

    Above it a line stays for every epoch.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._console = stderr()
        self._unicode = self._console.encoding.lower().startswith("utf")
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            console=self._console,
            expand=True,
        )
        self._task = self._progress.add_task("loading", total=None)
        self._started: Started | None = None
        self._losses: deque[float] = deque(maxlen=SPARKLINE)
        self._speed = 0.0
        self._live = Live(self._draw(), console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        self._console.print(printable(message))

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            self._started = event
            self.say(f"run {self.run.name}")
            self.say(_introduction(event))
            total = event.epochs * event.steps_per_epoch
            self._progress.update(self._task, total=total, completed=event.step)
        elif isinstance(event, Step) and self._started is not None:
            self._losses.append(event.loss)
            self._speed = smoothed(self._speed, event.images_per_second)
            left = (self._started.epochs * self._started.steps_per_epoch - event.step) * (
                event.seconds / max(event.step, 1)
            )
            self._progress.update(
                self._task,
                completed=event.step,
                description=f"epoch {event.epoch}/{self._started.epochs}  {duration(left)} left",
            )
        elif isinstance(event, Validation):
            total = self._started.epochs if self._started else 0
            self.say(_epoch(event, total, self._speed))
        self._live.update(self._draw())

    def show_evaluation(self, progress: EvaluationProgress) -> None:
        self._progress.update(
            self._task,
            description="evaluating the test images",
            completed=progress.images,
            total=progress.total,
        )
        self._live.update(self._draw())

    def show_result(self, result: Result, svg: Path | None) -> None:
        self._live.stop()
        super().show_result(result, svg)

    def _draw(self) -> Group:
        lines: list[Any] = [self._progress]
        if self._losses:
            loss = Text(f"training loss {self._losses[-1]:.5f} ", no_wrap=True)
            loss.append(sparkline(self._losses, self._unicode), style="cyan")
            loss.append(f" {self._speed:,.0f} images/s")
            lines.append(loss)
        return Group(*lines)


class EnduringDisplay(Display):
    """Another display until printing fails, and silence from then on.

    A training goes on without a reader, or on a full disk. That results were lost there is
    reported at the end, by commands.app.
    """

    def __init__(self, run: Run, shown: Display) -> None:
        super().__init__(run)
        self._shown = shown

    def __enter__(self) -> Self:
        self._try(self._shown.__enter__)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._try(lambda: self._shown.__exit__(kind, error, traceback))

    def say(self, message: str) -> None:
        self._try(lambda: self._shown.say(message))

    def show(self, event: Event) -> None:
        self._try(lambda: self._shown.show(event))

    def show_evaluation(self, progress: EvaluationProgress) -> None:
        self._try(lambda: self._shown.show_evaluation(progress))

    def show_result(self, result: Result, svg: Path | None) -> None:
        self._try(lambda: self._shown.show_result(result, svg))

    def _try(self, act: Callable[[], object]) -> None:
        heard = False
        with enduring():
            act()
            heard = True
        if not heard:
            self._shown = Display(self.run)


def display_for(style: str, run: Run) -> Display:
    """The display for a style.

    `json`, `quiet`, `verbose` (a line for every report), or `auto`: live on a terminal, else lines.
    """
    return EnduringDisplay(run, _display(style, run))


def _display(style: str, run: Run) -> Display:
    if style == "json":
        return JsonDisplay(run)
    if style == "quiet":
        return Display(run)
    if style == "verbose":
        return PlainDisplay(run, seconds=0)
    # Where TERM is dumb, Rich draws nothing in place, and a training would be silent.
    live = sys.stderr.isatty() and not stderr().is_dumb_terminal
    return LiveDisplay(run) if live else PlainDisplay(run)


def smoothed(before: float, now: float) -> float:
    """The mean of speeds, in images per second, in which old ones count less and less."""
    return now if not before else SMOOTHING * before + (1 - SMOOTHING) * now


def _epoch(event: Validation, epochs: int, speed: float) -> str:
    """The line of an epoch."""
    line = f"epoch {event.epoch}/{epochs}  {_validation(event)}"
    return f"{line}  {speed:,.0f} images/s" if speed else line


def _introduction(started: Started) -> str:
    return (
        f"{started.parameters:,} parameters on {started.device} in {started.precision}, "
        f"{started.training_images:,} training and {started.validation_images:,} validation images"
        + (f", from step {started.step}" if started.step else "")
    )


def _validation(event: Validation) -> str:
    parts = [f"train loss {event.train_loss:.5f}", f"validation loss {event.val_loss:.5f}"]
    if event.val_psnr is not None:
        parts.append(f"PSNR {event.val_psnr:.2f} dB")
    if event.val_accuracy is not None:
        parts.append(f"accuracy {event.val_accuracy:.2f} %")
    return "  ".join(parts) + ("  best" if event.best else "")
