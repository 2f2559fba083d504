"""Runs and benchmark tables to compare: what is read of them, their rows, the best values.

Does not import Textual. The files of the tables may hold anything.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dae_tui.dashboard.content.learning import Learning, learning_of
from dae_tui.dashboard.content.names import short
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.benchmarks import BENCHMARKS, SavedTable, list_tables
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import Summary, duration, number, summarize, word
from dae_tui.runs.folder.tags import read_tags
from dae_tui.runs.places import Places
from dae_tui.runs.watching.curves import Curves
from dae_tui.runs.watching.known_runs import KnownRuns

NONE = "–"
NEWEST = 6
NEWEST_TABLES = 10


@dataclass(frozen=True)
class ComparedRun:
    """What is compared of a run."""

    run: Run
    exists: bool
    summary: Summary
    curves: Curves
    learning: Learning = field(default_factory=Learning)
    loss: str = ""
    """The kind of its loss; empty where it is unknown."""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name, and which of several folders it is in: last, as names are cut before."""
        return f"{self.summary.label} {self.run.place}".strip()


@dataclass(frozen=True)
class Compared:
    """What one look found."""

    runs: list[ComparedRun] = field(default_factory=list)
    tables: list[SavedTable] = field(default_factory=list)


class ComparisonWatch:
    """Looks at some runs and at the tables again and again. One thread at a time may look."""

    def __init__(self, places: Places) -> None:
        self._places, self._runs_dir = places, places.runs_dir
        self._known = KnownRuns()
        self._tables: tuple[int | None, list[SavedTable]] = (None, [])

    def look(self, keys: Sequence[str]) -> Compared:
        """The runs of these keys, else the newest ones, and the newest tables."""
        found = self._places.runs()
        known = {run.key: run for run in found}
        # One that is no longer listed was deleted, which is said of it.
        gone = (Run(self._runs_dir / key) for key in keys if key not in known)
        known |= {run.name: run for run in gone}
        runs = [known[key] for key in keys] or _newest(found)
        compared = [self._look_at(run) for run in runs]
        self._known.forget_all_but(runs)
        return Compared(compared, self._look_at_tables())

    def _look_at(self, run: Run) -> ComparedRun:
        curves, config = self._known.curves(run), self._known.config(run)
        exists = os.path.isdir(run.folder)  # noqa: PTH112
        learning, loss = learning_of(config), word(config.get("loss")) or ""
        return ComparedRun(run, exists, summarize(run), curves, learning, loss, config)

    def _look_at_tables(self) -> list[SavedTable]:
        # They are written whole and renamed: a new one changes the time of its folder.
        stamp = None
        with suppress(OSError):
            stamp = os.stat(self._runs_dir / BENCHMARKS).st_mtime_ns  # noqa: PTH116
        if stamp is None or stamp != self._tables[0]:
            self._tables = stamp, list_tables(self._runs_dir)[:NEWEST_TABLES]
        return self._tables[1]


def _newest(runs: Sequence[Run]) -> list[Run]:
    """The newest of runs, oldest first, that are not archived."""
    listed = (run for run in reversed(runs) if not read_tags(run).archived)
    return list(islice(listed, NEWEST))


def config_differences(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The settings in which runs differ: their names, and the value of each run as text.

    Settings within a setting, such as those of a network, are named `settings.widths`.
    """
    flat = [dict(_settings(config)) for config in configs]
    names = list(dict.fromkeys(name for one in flat for name in one))
    rows = [(name, [one.get(name, NONE) for one in flat]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _settings(config: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            found += _settings(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", NONE if value in (None, "") else str(value)))
    return found


def give_colours(colours: dict[str, int], here: Sequence[str], count: int) -> None:
    """Give each new run of `here` one of `count` colours; those that have one keep it.

    The first colour that no run here has, and best no other ever had.
    """
    for name in here:
        if name not in colours:
            ever = list(colours.values())
            now = [colours[other] for other in here if other in colours]
            colours[name] = min(range(count), key=lambda n: (now.count(n), ever.count(n), n))


@dataclass(frozen=True)
class ComparisonColumn:
    """A column of numbers or of words."""

    title: str
    numeric: bool = True
    best: Callable[[Sequence[float]], float] | None = None
    """`max` or `min` where one value is better than another."""


@dataclass(frozen=True)
class ComparisonCell:
    """The text of a cell, and whether it is the best of those it competes with."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class ComparisonRow:
    """A row and its key."""

    key: str
    cells: list[ComparisonCell]


RUN_COLUMNS = (
    ComparisonColumn("run", numeric=False),
    ComparisonColumn("state", numeric=False),
    # Before the epoch: on 40 columns there is room for one of the two.
    ComparisonColumn("val loss", best=min),
    ComparisonColumn("epoch"),
    # Of the validation images, and only the next one of the test images.
    ComparisonColumn("val PSNR", best=max),
    ComparisonColumn("val acc %", best=max),
    ComparisonColumn("test %", best=max),
    ComparisonColumn("img/s", best=max),
    ComparisonColumn("time"),
    ComparisonColumn("network", numeric=False),
    ComparisonColumn("noise", numeric=False),
)
TABLE_COLUMNS = (
    ComparisonColumn("table", numeric=False),
    ComparisonColumn("view", numeric=False),
    ComparisonColumn("method", numeric=False),
    ComparisonColumn("noise", numeric=False),
    ComparisonColumn("acc %", best=max),
    ComparisonColumn("PSNR", best=max),
    ComparisonColumn("SSIM", best=max),
    ComparisonColumn("img/s", best=max),
    ComparisonColumn("images"),
)


def run_rows(runs: Sequence[ComparedRun]) -> list[ComparisonRow]:
    """The rows of runs.

    Runs compete on the same data with the same noise and kind of loss, denoisers only with
    denoisers: loss and accuracy of a classifier are of clean images. Losses against noisy images
    do not compete with those against clean ones.
    """
    rows: list[tuple[str, list[str]]] = []
    values: list[list[float | None]] = []
    groups: list[Hashable] = []
    for each in runs:
        summary = each.summary
        texts = [
            each.label,
            str(summary.state) if each.exists else "deleted",
            _loss(summary.val_loss, each.learning),
            _epoch(summary),
            text_of(summary.val_psnr, "{:.2f}"),
            text_of(summary.val_accuracy, "{:.2f}"),
            text_of(summary.test_accuracy, "{:.2f}"),
            _speed(summary.images_per_second),
            NONE if summary.seconds is None else duration(summary.seconds),
            summary.network or NONE,
            each.learning.noise or NONE,
        ]
        competing = {
            "val loss": summary.val_loss,
            "val PSNR": summary.val_psnr,
            "val acc %": summary.val_accuracy,
            "test %": summary.test_accuracy,
            "img/s": summary.images_per_second,
        }
        rows.append((each.run.key, texts))
        values.append([competing.get(column.title) for column in RUN_COLUMNS])
        known = NETWORKS.get(summary.network or "")
        noisy = each.learning.supervision if each.learning.noisy_loss else ""
        task = known.task if known else "denoise"
        groups.append((task, summary.data, each.learning.noise, each.loss, noisy))
    return with_best(RUN_COLUMNS, rows, values, groups)


def benchmark_rows(tables: Sequence[SavedTable]) -> list[ComparisonRow]:
    """The rows of saved tables. Denoised images compete where data, images and noise agree."""
    rows: list[tuple[str, list[str]]] = []
    values: list[list[float | None]] = []
    groups: list[Hashable] = []
    for table in tables:
        protocol = table.protocol
        data, images = word(protocol.get("data")), number(protocol.get("images"))
        for place, row in enumerate(table.rows):
            noise = word(row.get("noise")) or _words(protocol.get("noise"))
            view = word(row.get("view")) or NONE
            accuracy, psnr, ssim, speed = (
                number(row.get(key)) for key in ("accuracy", "psnr", "ssim", "images_per_second")
            )
            texts = [
                _short_name(table.name, data),
                view,
                word(row.get("method")) or NONE,
                NONE if view == "original" else noise or NONE,
                text_of(accuracy, "{:.2f}"),
                text_of(psnr, "{:.2f}"),
                text_of(ssim, "{:.4f}"),
                _speed(speed),
                text_of(images),
            ]
            rows.append((f"{table.name}/{place}", texts))
            values.append([None, None, None, None, accuracy, psnr, ssim, speed, None])
            clip, seed = str(protocol.get("clip")), str(protocol.get("seed"))
            competes = view == "denoised"
            groups.append((data, images, noise, clip, seed) if competes else None)
    return with_best(TABLE_COLUMNS, rows, values, groups)


def with_best(
    columns: Sequence[ComparisonColumn],
    rows: Sequence[tuple[str, list[str]]],
    values: Sequence[Sequence[float | None]],
    groups: Sequence[Hashable],
) -> list[ComparisonRow]:
    """Mark the best value of each column and group that has at least two values.

    A row of the group None does not compete. Where two rows show the same best value, neither is
    better, and none is marked.
    """
    marked: set[tuple[int, int]] = set()
    for place, column in enumerate(columns):
        if column.best is None:
            continue
        competing: defaultdict[Hashable, dict[int, float]] = defaultdict(dict)
        for row, (row_values, group) in enumerate(zip(values, groups, strict=True)):
            value = row_values[place]
            if group is not None and value is not None:
                competing[group][row] = value
        for found in competing.values():
            best = column.best(list(found.values()))
            texts = [rows[row][1][place] for row in found]
            (winner,) = [row for row, value in found.items() if value == best][:1]
            if len(found) > 1 and texts.count(rows[winner][1][place]) == 1:
                marked.add((winner, place))
    return [
        ComparisonRow(
            key, [ComparisonCell(text, (row, place) in marked) for place, text in enumerate(texts)]
        )
        for row, (key, texts) in enumerate(rows)
    ]


def state_of(row: ComparisonRow) -> State | None:
    """The state in the row of a run; None for a deleted run."""
    text = row.cells[1].text
    return State(text) if text in list(State) else None


def text_of(value: float | None, form: str = "{:.0f}") -> str:
    """A number, in scientific notation if it is too long for a column."""
    if value is None:
        return NONE
    text = form.format(value)
    return text if len(text) <= 8 else f"{value:.1e}"


def _epoch(summary: Summary) -> str:
    if summary.epoch is None:
        return NONE
    return f"{text_of(summary.epoch)}/{text_of(summary.epochs)}"


def _loss(value: float | None, learning: Learning) -> str:
    """A loss, and whether it is the distance to noisy images."""
    noisy = "noisy " if learning.noisy_loss and value is not None else ""
    return noisy + text_of(value, "{:.5f}")


def _speed(value: float | None) -> str:
    if value is None:
        return NONE
    return short(value) if 0 <= value < 1e12 else text_of(value)


def _words(value: Any) -> str | None:
    """The noise of a protocol: a spec, or a list of them."""
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str)) or None
    return word(value)


def _short_name(name: str, data: str | None) -> str:
    """The data and the last part of a table's name: mnist 3f2a."""
    known = (data or name).rstrip("/").rsplit("/", 1)[-1]
    return f"{known} {name.rpartition('-')[2]}"
