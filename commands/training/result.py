"""The result of a training, and the display that shows it; other displays build on it."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dae_tui.commands.output.results import show_images_and_table, write_svg
from dae_tui.commands.output.terminal import enduring, stdout
from dae_tui.core.evaluation.benchmark import EvaluationProgress
from dae_tui.core.training.experiment import Experiment
from dae_tui.core.weights.weights_file import Weights
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import duration
from dae_tui.spec.events import Event
from dae_tui.spec.table import Table
from dae_tui.system.printable import printable


@dataclass(frozen=True)
class Result:
    """What a training produced."""

    experiment: Experiment
    weights: Weights
    table: Table
    done: dict[str, Any]


class Display:
    """Says nothing while it trains and shows the result at the end: `--quiet`.

    A context manager, because a live display must be taken down whatever happens.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what is drawn in place."""

    def say(self, message: str) -> None:
        """A message for the person."""

    def show(self, event: Event) -> None:
        """Something happened in the training."""

    def show_evaluation(self, progress: EvaluationProgress) -> None:
        """The evaluation at the end has made progress."""

    def show_result(self, result: Result, svg: Path | None) -> None:
        """The training is over."""
        with enduring():
            self.show_table(result)
        if svg is not None:
            write_svg(svg, result.table)

    def show_table(self, result: Result) -> None:
        """Digits, table, and where the weights are."""
        show_images_and_table(result.table, whole="--json has all")
        console = stdout()
        seconds = result.done["seconds"]
        console.print(f"trained in {duration(seconds)}", highlight=False)
        console.print(f"run        {_short(self.run.folder)}", soft_wrap=True)
        console.print(f"weights    {_short(self.run.weights)}", soft_wrap=True)


def _short(path: Path) -> str:
    """The path from here where it is below, else whole."""
    resolved = path.resolve()
    here = Path.cwd()
    return printable(resolved.relative_to(here) if resolved.is_relative_to(here) else resolved)
