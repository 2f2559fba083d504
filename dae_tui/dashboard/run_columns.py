"""The columns of the list of runs: their content, width and order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.widget import Widget

from dae_tui.dashboard.learning import noise_words
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.lines import theme_style
from dae_tui.dashboard.widgets.loss_chart import short
from dae_tui.runs.summary import Summary, age
from dae_tui.runs.watching.runs_watch import RunRow
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import sparkline

NONE = "–"
SPARKLINE = 10


@dataclass(frozen=True)
class RunsColumn:
    """A column of the list, and what it is sorted by."""

    name: str
    width: int
    needs: int
    """It is shown on terminals of at least so many columns."""
    order: Callable[[Summary], float | str | None]


COLUMNS = (
    RunsColumn("run", 25, 0, lambda run: run.label),
    RunsColumn("state", 11, 0, lambda run: run.state),
    RunsColumn("epoch", 8, 0, lambda run: run.epoch),
    # The validation loss, as in `dae runs list`; the curve is the training loss.
    RunsColumn("loss", 9, 0, lambda run: run.val_loss),
    RunsColumn("curve", SPARKLINE + 1, 0, lambda run: run.loss),
    # The validation accuracy, known while it trains; at 80 columns only the final one has room.
    RunsColumn("acc %", 7, 92, lambda run: run.val_accuracy),
    RunsColumn("test %", 7, 0, lambda run: run.test_accuracy),
    RunsColumn("img/s", 7, 85, lambda run: run.images_per_second),
    RunsColumn("age", 7, 0, lambda run: run.heartbeat),
    RunsColumn("network", 12, 104, lambda run: run.network),
    RunsColumn("data", 14, 118, lambda run: run.data),
    RunsColumn("noise", 24, 134, lambda run: run.noise),
    RunsColumn("reason", 60, 176, lambda run: run.reason),
)


def cells_of(
    row: RunRow, marked: bool, columns: Sequence[RunsColumn], screen: Widget, *, utf8: bool
) -> list[Text]:
    """The cells of a row, in the colours of the theme of `screen`."""
    run = row.summary
    written = {
        "run": Text(printable(("*" if marked else " ") + run.label), "bold" if marked else ""),
        "state": Text(run.state, theme_style(screen, STATE_COLOURS[run.state])),
        "epoch": Text(f"{run.epoch or 0:.0f}/{'?' if run.epochs is None else int(run.epochs)}"),
        "loss": Text(NONE if run.val_loss is None else f"{run.val_loss:.5f}"),
        "curve": Text(_curve(row.losses, utf8), theme_style(screen, "primary")),
        "acc %": Text(_percent(run.val_accuracy)),
        "test %": Text(_percent(run.test_accuracy)),
        "img/s": Text(NONE if not run.images_per_second else short(run.images_per_second)),
        "age": Text(age(run.heartbeat), theme_style(screen, "text-muted")),
        "network": Text(printable(run.network or NONE)),
        "data": Text(printable((run.data or NONE).rstrip("/").rsplit("/", 1)[-1])),
        "noise": Text(printable(noise_words({"noise": run.noise, "network": run.network}) or NONE)),
        "reason": Text(printable(run.reason or ""), theme_style(screen, "text-muted")),
    }
    cells = []
    for column in columns:
        cell = written[column.name]
        cell.truncate(column.width - 1, overflow="ellipsis")
        cells.append(cell)
    return cells


def words_of(row: RunRow) -> str:
    """The words that the filter searches."""
    run = row.summary
    return " ".join(
        word for word in (run.name, run.state, run.network, run.data, run.noise) if word
    ).lower()


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _curve(losses: list[float], utf8: bool) -> str:
    """The losses in as many characters as the column has."""
    shown = [losses[len(losses) * n // SPARKLINE] for n in range(SPARKLINE)] if losses else []
    return sparkline(shown, utf8)
