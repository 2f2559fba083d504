"""Benchmark tables: Rich, CSV and Markdown from the same rows."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from commands.terminal import plain_table
from dae_tui.core.evaluation import Row
from dae_tui.core.evaluation import Table as Benchmark

HEADINGS = ("view", "method", "noise", "accuracy %", "95 % interval", "PSNR dB", "SSIM", "images/s")

# Only measures: as wide as any table.
_MEASURE = Console(width=1000)


def cells(row: Row) -> list[str]:
    """The row as people read it; a dash where there is no such figure."""
    interval = (
        "–" if row.accuracy_low is None else f"{row.accuracy_low:.2f}–{row.accuracy_high:.2f}"
    )
    return [
        row.view,
        row.method or "–",
        row.noise or "–",
        _number(row.accuracy, 2),
        interval,
        _number(row.psnr, 2),
        _number(row.ssim, 3),
        "–" if row.images_per_second is None else f"{row.images_per_second:,.0f}",
    ]


def rich_table(benchmark: Benchmark, width: int) -> Table:
    """The table with as many of its columns as fit into `width`; the noise stands under it too."""
    noises = {row.noise for row in benchmark.rows if row.noise}
    droppable = (["noise"] if len(noises) < 2 else []) + ["images/s", "SSIM", "95 % interval"]
    for count in range(len(droppable) + 1):
        table = _table(benchmark, droppable[:count])
        if Measurement.get(_MEASURE, _MEASURE.options, table).maximum <= width:
            break
    return table


def _table(benchmark: Benchmark, dropped: Sequence[str]) -> Table:
    table = plain_table()
    kept = [index for index, heading in enumerate(HEADINGS) if heading not in dropped]
    for index in kept:
        table.add_column(HEADINGS[index], justify="left" if index < 3 else "right", no_wrap=True)
    best = best_rows(benchmark.rows)
    for row in benchmark.rows:
        values = cells(row)
        table.add_row(*(values[index] for index in kept), style="bold green" if row in best else "")
    return table


def best_rows(rows: Sequence[Row]) -> list[Row]:
    """Of each noise that several methods compete at, the row of highest accuracy, else PSNR."""
    best = []
    for noise in {row.noise for row in rows if row.view == "denoised"}:
        rivals = [row for row in rows if row.view == "denoised" and row.noise == noise]
        if len(rivals) > 1:
            best.append(max(rivals, key=lambda row: (row.accuracy or 0.0, row.psnr or 0.0)))
    return best


def protocol_line(protocol: dict[str, Any]) -> str:
    """The conditions under which the figures were measured, in one line."""
    parts = [
        f"{protocol['images']:,} test images of {protocol['data']}",
        noise if isinstance(noise := protocol["noise"], str) else ", ".join(noise),
        *([f"sigma found for {match:g} % noisy"] if (match := protocol.get("match_noisy")) else []),
        "clipped to [0, 1]" if protocol["clip"] else "not clipped",
        f"seed {protocol['seed']}",
        f"read by {protocol['classifier']}" if protocol["classifier"] else "no classifier",
        f"SSIM {protocol['ssim']}",
        f"{protocol['device']} {protocol['precision']}",
    ]
    return " · ".join(parts)


def as_csv(benchmark: Benchmark) -> str:
    """Full figures, a header line first; empty where there is no such figure."""
    rows = benchmark.as_json()["rows"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(benchmark: Benchmark) -> str:
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        f"|{'|'.join('---' if index < 3 else '---:' for index in range(len(HEADINGS)))}|",
        *(f"| {' | '.join(cells(row))} |" for row in benchmark.rows),
        "",
        protocol_line(benchmark.protocol),
    ]
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
