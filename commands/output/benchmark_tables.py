"""Benchmark tables for a terminal, and their verdict in sentences."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from dae_tui.commands.output.fitted_table import fitted
from dae_tui.commands.output.terminal import plain_table
from dae_tui.spec.table import ALL_IMAGES, AS_GIVEN, TEXTS, BenchmarkRow, rank
from dae_tui.spec.table import Table as Benchmark
from dae_tui.system.printable import printable

NONE = "–"
SETTING = "setting"
COSTS = ("images/s", "parameters", "multiply-adds", "memory")
SMALLEST_P = 0.001


@dataclass(frozen=True)
class BenchmarkColumn:
    """A column of a benchmark table."""

    heading: str
    text: Callable[[BenchmarkRow], str]
    left: bool = False


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _interval(row: BenchmarkRow) -> str:
    if row.accuracy_low is None:
        return NONE
    return f"{row.accuracy_low:.2f}–{row.accuracy_high:.2f}"


def _difference(row: BenchmarkRow) -> str:
    if row.difference is None:
        return NONE
    return f"{row.difference:+.2f}{'' if row.accuracy is not None else ' dB'}"


def noise_words(noise: str | None) -> str:
    """A noise as people write it: levels that are whole steps of 255 as 25/255."""

    def written(level: re.Match[str]) -> str:
        in_255 = 255 * float(level[0])
        whole = len(level[0]) > 5 and abs(in_255 - round(in_255)) < 1e-3
        return f"{round(in_255)}/255" if whole else level[0]

    return NONE if noise is None else re.sub(r"0\.\d+", written, noise)


def p_words(value: float | None) -> str:
    """A p-value: `<0.001`, `0.04`."""
    if value is None:
        return NONE
    return f"<{SMALLEST_P}" if value < SMALLEST_P else f"{value:.2g}"


def speed_words(value: float | None) -> str:
    """Images a second: `7,984`, and for large images `0.42`."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def amount(value: float | None, unit: str = "") -> str:
    """A count in thousands, millions, billions: 14.9 M."""
    if value is None:
        return NONE
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}{unit}"
    return f"{value:.3g} {unit}".rstrip()


def who(view: str, method: str | None) -> str:
    """View and method in one, where there is no room for both."""
    if method is None:
        return view
    return f"{method} (noisy)" if view == "noisy" else method


METHOD = BenchmarkColumn("method", lambda row: row.method or NONE, left=True)
VIEW = BenchmarkColumn("view", lambda row: row.view, left=True)
COLUMNS = (
    VIEW,
    METHOD,
    BenchmarkColumn("noise", lambda row: noise_words(row.noise), left=True),
    BenchmarkColumn("accuracy %", lambda row: _number(row.accuracy, 2)),
    BenchmarkColumn("95 % interval", _interval),
    BenchmarkColumn("± seeds", lambda row: _number(row.accuracy_spread, 2)),
    BenchmarkColumn("vs best", _difference),
    BenchmarkColumn("p", lambda row: p_words(row.p_value)),
    BenchmarkColumn("PSNR dB", lambda row: _number(row.psnr, 2)),
    BenchmarkColumn("fitted PSNR dB", lambda row: _number(row.psnr_fitted, 2)),
    BenchmarkColumn("SSIM", lambda row: _number(row.ssim, 3)),
    BenchmarkColumn("edges", lambda row: _number(row.sharpness, 2)),
    BenchmarkColumn("edge energy", lambda row: _number(row.edge_energy, 2)),
    BenchmarkColumn("edge px", lambda row: _number(row.edge_width, 2)),
    BenchmarkColumn("images/s", lambda row: speed_words(row.images_per_second)),
    BenchmarkColumn("parameters", lambda row: amount(row.parameters)),
    BenchmarkColumn("multiply-adds", lambda row: amount(row.multiply_adds)),
    BenchmarkColumn("memory", lambda row: amount(row.peak_bytes, "B")),
    BenchmarkColumn(SETTING, lambda row: row.setting or NONE, left=True),
)
# Columns to drop where the terminal is too narrow, in this order.
_DROPPED = (
    *("view", "memory", "parameters", "edges", "± seeds", "SSIM", "multiply-adds"),
    *("p", "images/s", "95 % interval", "vs best", "fitted PSNR dB"),
    *("edge px", "edge energy"),  # Only there if they were asked for.
)


def printable_rows(benchmark: Benchmark) -> Benchmark:
    """The table with printable names: its file may come from anybody."""
    rows = []
    for row in benchmark.rows:
        named = {name: getattr(row, name) for name in TEXTS}
        names = {name: printable(words) for name, words in named.items() if words is not None}
        rows.append(replace(row, **names))  # type: ignore[arg-type]
    return replace(benchmark, rows=rows)


def columns_of(benchmark: Benchmark) -> list[BenchmarkColumn]:
    """The columns that are not empty."""
    return [column for column in COLUMNS if any(column.text(row) != NONE for row in benchmark.rows)]


def sorted_rows(rows: Sequence[BenchmarkRow]) -> list[BenchmarkRow]:
    """In the order of reading: for each noise the noisy images, then the methods, best first."""
    noises = list(dict.fromkeys(row.noise for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            noises.index(row.noise),
            row.view == "denoised",
            *((-value for value in rank(row)) if row.view == "denoised" else ()),
        ),
    )


def rich_table(benchmark: Benchmark, width: int) -> Table:
    """The table with the columns that fit into `width`; one noise may go, as the line below it
    states it too.
    """
    noises = {row.noise for row in benchmark.rows if row.noise}
    droppable = [SETTING, *(["noise"] if len(noises) < 2 else []), *_DROPPED]
    columns = columns_of(benchmark)
    return fitted(
        lambda without: _rich(benchmark, [c for c in columns if c.heading not in without]),
        droppable,
        width,
    )


def _rich(benchmark: Benchmark, columns: Sequence[BenchmarkColumn]) -> Table:
    if columns[0] is not VIEW:
        columns = [
            BenchmarkColumn("method", lambda row: who(row.view, row.method), left=True),
            *(c for c in columns if c is not METHOD),
        ]
    table = plain_table()
    for place, column in enumerate(columns):
        # A name that is too long goes on in the next line.
        table.add_column(
            column.heading,
            justify="left" if column.left else "right",
            no_wrap=place > 0,
            overflow="ellipsis" if place else "fold",
        )
    best = best_rows(benchmark.rows)
    rows = sorted_rows(benchmark.rows)
    for place, row in enumerate(rows):
        style = "bold green" if row in best else ""
        ends = place + 1 < len(rows) and rows[place + 1].noise != row.noise and row.noise
        table.add_row(
            *(column.text(row) for column in columns), style=style, end_section=bool(ends)
        )
    return table


def best_rows(rows: Sequence[BenchmarkRow]) -> list[BenchmarkRow]:
    """For each noise with several methods, the row of the highest accuracy, else PSNR."""
    best = []
    for noise in dict.fromkeys(row.noise for row in rows if row.view == "denoised"):
        rivals = [row for row in rows if row.view == "denoised" and row.noise == noise]
        if len(rivals) > 1:
            best.append(max(rivals, key=rank))
    return best


def verdict(benchmark: Benchmark) -> list[str]:
    """What the table says: which method is best, by how much, at what cost, what the limit is."""
    best = {row.noise: row for row in best_rows(benchmark.rows)}
    return [
        _sentence(benchmark.rows, noise, best[noise], several=len(best) > 1)
        for noise in dict.fromkeys(row.noise for row in benchmark.rows)
        if noise in best
    ]


def _sentence(
    rows: Sequence[BenchmarkRow], noise: str | None, best: BenchmarkRow, *, several: bool
) -> str:
    at = [row for row in rows if row.noise == noise]
    others = sorted_rows([row for row in at if row.view == "denoised" and row is not best])
    second = others[0]
    where = f" at {noise_words(noise)}" if several else ""
    words = [f"best{where}: {best.method}, {_result(best)}{_speed(best)}, {_ahead(best, second)}"]
    filters = [row for row in others if row.setting]
    if filters and filters[0] is not second and best.setting is None:
        words.append(
            f"the best filter, {filters[0].method}, {_result(filters[0])}{_speed(filters[0])}"
        )
    oracles = [row for row in at if row.view == "noisy" and row.method]
    if oracles and best.accuracy is not None and oracles[0].accuracy is not None:
        left = oracles[0].accuracy - best.accuracy
        limit = f"{oracles[0].method}, a classifier trained on noisy images, "
        limit += _result(oracles[0])
        words.append(
            f"the limit: {limit}, {left:.2f} points more"
            if left > 0
            else f"{limit}, no higher than here"
        )
    return "; ".join(words)


def _ahead(best: BenchmarkRow, second: BenchmarkRow) -> str:
    """How far the best is ahead of the second, and whether that is significant."""
    gap, chance = abs(second.difference or 0.0), second.p_value
    unit = "points" if best.accuracy is not None else "dB"
    if gap < 0.005:
        return f"as good as {second.method}"
    if chance is not None and chance > 0.05:
        return (
            f"not significantly better than {second.method} ({gap:.2f} {unit}, p {p_words(chance)})"
        )
    return f"{gap:.2f} {unit} above {second.method} (p {p_words(chance)})"


def _speed(row: BenchmarkRow) -> str:
    value = row.images_per_second
    return "" if value is None else f" at {speed_words(value)} images/s"


def _result(row: BenchmarkRow) -> str:
    if row.accuracy is not None:
        return f"{row.accuracy:.2f} %"
    return f"{_number(row.psnr, 2)} dB"


def settings_lines(benchmark: Benchmark) -> list[str]:
    """What each filter was tuned to."""
    return [f"{row.method}: {row.setting}" for row in sorted_rows(benchmark.rows) if row.setting]


def class_tables(benchmark: Benchmark) -> list[Table]:
    """The accuracy of each class, and the confusion matrix of the best method at each noise."""
    rows = [row for row in sorted_rows(benchmark.rows) if row.per_class]
    if not rows:
        return []
    shown = plain_table()
    for heading in ("accuracy % of class", "noise"):
        shown.add_column(heading, no_wrap=True)
    classes = max(len(row.per_class or []) for row in rows)
    for label in range(classes):
        shown.add_column(str(label), justify="right", no_wrap=True)
    for row in rows:
        accuracies = [_number(value, 1) for value in row.per_class or []]
        shown.add_row(row.method or row.view, noise_words(row.noise), *accuracies)
    confused = [row for row in rows if row.view == "denoised"]
    best = [row for row in best_rows(benchmark.rows) if row in rows] or confused[:1]
    return [shown, *(_confusion(row) for row in best)]


def _confusion(row: BenchmarkRow) -> Table:
    matrix = row.confusion or []
    shown = plain_table()
    shown.add_column(f"{row.method} at {noise_words(row.noise)}: true \\ predicted", no_wrap=True)
    for label in range(len(matrix[0]) if matrix else 0):
        shown.add_column(str(label), justify="right", no_wrap=True)
    for label, counts in enumerate(matrix):
        shown.add_row(str(label), *(f"{count:,}" if count else "·" for count in counts))
    return shown


def protocol_line(protocol: dict[str, Any]) -> str:
    """The protocol of the measurements in one line, without what an older version left out."""
    first, seeds = protocol.get("seed"), protocol.get("seeds") or 1
    match, tuned = protocol.get("match_noisy"), protocol.get("filters_tuned_on")
    many = f"seeds {first} to {first + seeds - 1}" if isinstance(first, int) else None
    parts = [
        f"{protocol['images']:,} {_images(protocol)} of {Path(str(protocol.get('data'))).name}",
        "noise " * (protocol["noise"] == AS_GIVEN) + _noises(protocol["noise"]),
        f"sigma matched to {match:g} % on noisy images" if match else None,
        {"True": "clipped to [0, 1]", "False": "not clipped"}.get(str(protocol.get("clip"))),
        "level told" if protocol.get("level") == "told" else None,
        f"seed {first}" if many and seeds == 1 else many,
        f"classified by {name}" if (name := protocol.get("classifier")) else "no classifier",
        str(clean) if (clean := protocol.get("clean")) else None,
        f"SSIM {window}" if (window := protocol.get("ssim")) else None,
        f"p: {test}, not corrected for multiple comparisons"
        if (test := protocol.get("test"))
        else None,
        f"filters tuned for {protocol.get('filters_tuned_for', 'PSNR')} on {tuned}, "
        "contrast restored"
        if tuned
        else None,
        f"{protocol.get('device') or ''} {protocol.get('precision') or ''}".strip(),
    ]
    return printable(" · ".join(part for part in parts if part))


def _images(protocol: dict[str, Any]) -> str:
    """What the images are called: a folder may have been measured without a split."""
    return "images" if protocol.get("split") == ALL_IMAGES else "test images"


def _noises(noise: str | list[str]) -> str:
    """One noise, or the first and the last of many."""
    texts = [noise_words(each) for each in ([noise] if isinstance(noise, str) else noise)]
    return ", ".join(texts) if len(texts) <= 3 else f"{texts[0]} to {texts[-1]} ({len(texts)})"
