"""Saved tables side by side."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table as RichTable

from dae_tui.commands.output.benchmark_tables import (
    NONE,
    noise_words,
    printable_rows,
    sorted_rows,
    who,
)
from dae_tui.commands.output.fitted_table import fits
from dae_tui.commands.output.terminal import plain_table
from dae_tui.spec.table import BenchmarkRow, Table
from dae_tui.system.printable import printable

METRICS = (
    ("accuracy", "accuracy %"),
    ("psnr", "PSNR dB"),
    ("psnr_fitted", "fitted PSNR dB"),
    ("ssim", "SSIM"),
)
Key = tuple[str, str | None, str | None]


def comparison_table(tables: Sequence[tuple[str, Table]], width: int) -> RichTable:
    """A row for each method and noise; for each metric, a column for each table.

    Values of all tables but the first are followed by their difference from the first. Where
    `width` is too small for all metrics, the last ones are left out, SSIM first.
    """
    tables = [(printable(name), printable_rows(table)) for name, table in tables]
    known = [(field, title) for field, title in METRICS if _any(tables, field)]
    for count in range(len(known), 0, -1):
        shown = _table(tables, known[:count])
        if fits(shown, width):
            break
    return shown


def _table(tables: Sequence[tuple[str, Table]], known: Sequence[tuple[str, str]]) -> RichTable:
    shown = plain_table()
    for heading in ("method", "noise"):
        shown.add_column(heading, no_wrap=True)
    for _, title in known:
        for name, _ in tables:
            shown.add_column(f"{title}\n{name.rpartition('-')[2]}", justify="right", no_wrap=True)
    for (view, method, noise), rows in _matched(tables):
        cells = [_cell(row, rows[0], field) for field, _ in known for row in rows]
        shown.add_row(who(view, method), noise_words(noise), *cells)
    return shown


def comparison_json(tables: Sequence[tuple[str, Table]]) -> dict[str, Any]:
    """The same as one JSON object: names and protocols of tables, and their metrics in order."""
    return {
        "tables": [{"name": name, "protocol": table.protocol} for name, table in tables],
        "rows": [
            {
                **dict(zip(("view", "method", "noise"), key, strict=True)),
                **{
                    field: [None if row is None else getattr(row, field) for row in rows]
                    for field, _ in METRICS
                },
            }
            for key, rows in _matched(tables)
        ],
    }


def _matched(tables: Sequence[tuple[str, Table]]) -> list[tuple[Key, list[BenchmarkRow | None]]]:
    """The rows of every table by view, method and noise."""
    by_key: list[dict[Key, BenchmarkRow]] = [
        {(row.view, row.method, row.noise): row for row in sorted_rows(table.rows)}
        for _, table in tables
    ]
    keys = dict.fromkeys(key for rows in by_key for key in rows)
    return [(key, [rows.get(key) for rows in by_key]) for key in keys]


def _any(tables: Sequence[tuple[str, Table]], field: str) -> bool:
    return any(getattr(row, field) is not None for _, table in tables for row in table.rows)


def _cell(row: BenchmarkRow | None, first: BenchmarkRow | None, field: str) -> str:
    value = None if row is None else getattr(row, field)
    if value is None:
        return NONE
    digits = 3 if field == "ssim" else 2
    base = None if first is None or first is row else getattr(first, field)
    change = "" if base is None else f" ({value - base:+.{digits}f})"
    return f"{value:.{digits}f}{change}"
