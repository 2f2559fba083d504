"""The columns of the list of runs: their content, width and order."""

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget

from dae_tui.dashboard.content.learning import noise_words
from dae_tui.dashboard.content.names import short, shortened_name
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.lines import theme_style
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.folder.summary import Summary, age
from dae_tui.runs.watching.runs_watch import RunRow
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import sparkline

NONE = "–"
SPARKLINE = 10
WHERE = "where"
# The range of the losses that a sparkline shows, by what was measured.
Scales = Mapping[Hashable, tuple[float, float]]


@dataclass(frozen=True)
class RunsColumn:
    """A column of the list, and what it is sorted by."""

    name: str
    width: int
    """Its cells, of which the last one is a gap."""
    rank: int
    """Where room is short, columns of higher ranks are left out first."""
    order: Callable[[Summary], float | str | None]
    numeric: bool = False
    """Whether its cells are numbers, which are aligned to the right."""


COLUMNS = (
    RunsColumn("run", 25, 0, lambda run: run.label),
    # Of several folders and hosts; a summary does not know it.
    RunsColumn(WHERE, 9, 2, lambda run: None),
    RunsColumn("state", 11, 1, lambda run: run.state),
    RunsColumn("epoch", 8, 3, lambda run: run.epoch, numeric=True),
    # The validation loss, as in `dae runs list`; the curve is the training loss.
    RunsColumn("loss", 9, 2, lambda run: run.val_loss, numeric=True),
    RunsColumn("curve", SPARKLINE + 1, 4, lambda run: run.loss),
    # The validation accuracy, known while it trains; at 80 columns only the final one has room.
    RunsColumn("val acc %", 10, 8, lambda run: run.val_accuracy, numeric=True),
    RunsColumn("test %", 7, 5, lambda run: run.test_accuracy, numeric=True),
    RunsColumn("img/s", 7, 7, lambda run: run.images_per_second, numeric=True),
    RunsColumn("age", 7, 6, lambda run: run.heartbeat, numeric=True),
    RunsColumn("network", 12, 9, lambda run: run.network),
    RunsColumn("data", 14, 10, lambda run: run.data),
    RunsColumn("noise", 16, 11, lambda run: run.noise),
    RunsColumn("reason", 24, 12, lambda run: run.reason),
)
# The rank up to which columns come before whole names; the most cells of those that grow.
LAST = 6
WIDEST_NAME, WIDEST_REASON, WIDEST_NOISE, WIDEST_WHERE = 60, 61, 32, 25


def columns_for(
    width: int, labels: Iterable[str], places: Collection[str] = ()
) -> list[RunsColumn]:
    """The columns that fit into so many cells; names get what the others leave, then the reason.

    Where the runs are is shown if they are in several `places`.
    """
    shown: list[RunsColumn] = []
    left = width
    # A mark before the name, a gap after it.
    longest = 2 + max((cell_len(label) for label in labels), default=0)
    for column in sorted(COLUMNS, key=lambda each: each.rank):
        if column.name == WHERE and not any(places):
            continue
        # Whole names come before the columns that are only of use beside others.
        kept = max(0, min(longest, WIDEST_NAME) - COLUMNS[0].width) if column.rank > LAST else 0
        if shown and column.width > left - kept:
            break
        shown.append(column)
        left -= column.width
    widest = 1 + max((cell_len(printable(place)) for place in places), default=0)
    wanted = {
        "run": min(longest, WIDEST_NAME),
        WHERE: min(widest, WIDEST_WHERE),
        "reason": WIDEST_REASON,
        "noise": WIDEST_NOISE,
    }
    for name, most in wanted.items():
        for place, column in enumerate(shown):
            if column.name == name:
                more = min(left, max(0, most - column.width))
                shown[place] = replace(column, width=column.width + more)
                left -= more
    return sorted(shown, key=lambda each: _place(each.name))


def _place(name: str) -> int:
    return [column.name for column in COLUMNS].index(name)


def scales_of(rows: Iterable[RunRow]) -> Scales:
    """The lowest and highest loss of all runs that measure the same: their curves share a scale.

    Each on its own scale would look alike: all of them fall. The highest of a tenth of the runs is
    left out, as one run that diverges would make all others flat.
    """
    lowest: dict[Hashable, list[float]] = {}
    highest: dict[Hashable, list[float]] = {}
    for row in rows:
        known = [loss for loss in row.losses if 0 < loss < math.inf]
        if known:
            lowest.setdefault(_measured(row), []).append(min(known))
            highest.setdefault(_measured(row), []).append(max(known))
    return {
        key: (min(lowest[key]), sorted(found)[(len(found) - 1) * 9 // 10])
        for key, found in highest.items()
    }


def _measured(row: RunRow) -> Hashable:
    """What the loss of a run measures: that of a classifier is of another kind."""
    if row.run.foreign:  # Whatever its loss is.
        return row.run.name
    known = NETWORKS.get(row.summary.network or "")
    return known.task if known else "denoise"


def cells_of(
    row: RunRow,
    marked: bool,
    columns: Sequence[RunsColumn],
    screen: Widget,
    *,
    utf8: bool,
    scales: Scales,
) -> list[Text]:
    """The cells of a row, in the colours of the theme of `screen`."""
    run = row.summary
    curve = _curve(row.losses, utf8, scales.get(_measured(row)))
    written = {
        "run": Text(printable(("*" if marked else " ") + run.label), "bold" if marked else ""),
        WHERE: Text(printable(row.run.place)),
        "state": Text(run.state, theme_style(screen, STATE_COLOURS[run.state])),
        "epoch": Text(_epochs(row)),
        "loss": Text(_loss(row)),
        "curve": Text(curve, theme_style(screen, "primary")),
        "val acc %": Text(_percent(run.val_accuracy)),
        "test %": Text(_percent(run.test_accuracy)),
        "img/s": Text(NONE if not run.images_per_second else short(run.images_per_second)),
        "age": Text(age(run.heartbeat), theme_style(screen, "text-muted")),
        "network": Text(printable(run.network or NONE)),
        "data": Text(printable((run.data or NONE).rstrip("/").rsplit("/", 1)[-1])),
        "noise": Text(printable(noise_words({"noise": run.noise, "network": run.network}) or NONE)),
        "reason": Text(printable(run.reason or ""), theme_style(screen, "text-muted")),
    }
    cells = [_fitted(written[column.name], column, utf8) for column in columns]
    if row.stale:
        cells = [Text(cell.plain, theme_style(screen, "text-disabled")) for cell in cells]
    return cells


def _fitted(cell: Text, column: RunsColumn, utf8: bool) -> Text:
    """A cell in the width of its column, whose last cell is a gap."""
    room = column.width - 1
    if column.name == "run":
        cell = Text(shortened_name(cell.plain, room, utf8=utf8), cell.style)
    cell.truncate(room, overflow="ellipsis")
    if column.numeric:
        cell.pad_left(room - cell.cell_len)
    return cell


def heading_of(column: RunsColumn, arrow: str = "") -> str:
    """The heading of a column, above its numbers at the right."""
    words = column.name + arrow
    return words.rjust(column.width - 1) if column.numeric else words


def _loss(row: RunRow) -> str:
    """The validation loss; of another program, which may know none, also that of the training."""
    loss = row.summary.val_loss
    if loss is None and row.run.foreign:
        loss = row.summary.loss
    if loss is None:
        return NONE
    return f"{loss:.4g}" if row.run.foreign else f"{loss:.5f}"


def _epochs(row: RunRow) -> str:
    """The epoch, and of how many."""
    run = row.summary
    if row.run.foreign:
        return NONE if run.epoch is None else f"{run.epoch:.0f}"
    return f"{run.epoch or 0:.0f}/{'?' if run.epochs is None else int(run.epochs)}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _curve(losses: list[float], utf8: bool, scale: tuple[float, float] | None) -> str:
    """The losses in as many characters as the column has."""
    shown = [losses[len(losses) * n // SPARKLINE] for n in range(SPARKLINE)] if losses else []
    return sparkline(shown, utf8, scale)


def words_of(row: RunRow) -> str:
    """The words that the filter searches."""
    run = row.summary
    return " ".join(
        word for word in (run.name, run.state, run.network, run.data, run.noise) if word
    ).lower()
