"""Benchmark tables to paste elsewhere: CSV, Markdown, LaTeX and HTML from the same rows.

By hand since (2026-11-26) tabulate 0.10 escapes the marks of bold type in booktabs, and neither ±,
× and – in LaTeX nor | in Markdown: 15 lines of these would go, for one more dependency.
"""

import csv
import html
import io
import json
from collections.abc import Callable, Sequence

from dae_tui.commands.output.benchmark_tables import (
    BenchmarkColumn,
    best_rows,
    columns_of,
    printable_rows,
    protocol_line,
    sorted_rows,
    verdict,
)
from dae_tui.commands.output.terminal import print_json, print_lines
from dae_tui.spec.table import Table


def as_csv(benchmark: Table) -> str:
    """Unrounded numbers below a header line; missing ones are empty."""
    rows = benchmark.as_json()["rows"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        lists = {key: json.dumps(value) for key, value in row.items() if isinstance(value, list)}
        writer.writerow(row | lists)
    return text.getvalue()


def as_markdown(benchmark: Table) -> str:
    """A table for GitHub, its verdict and its protocol."""
    columns = columns_of(benchmark)
    best = best_rows(benchmark.rows)
    lines = [
        f"| {' | '.join(column.heading for column in columns)} |",
        f"|{'|'.join('---' if column.left else '---:' for column in columns)}|",
    ]
    for row in sorted_rows(benchmark.rows):
        texts = [column.text(row).replace("|", "\\|") for column in columns]
        if row in best:
            texts[1] = f"**{texts[1]}**"
        lines.append(f"| {' | '.join(texts)} |")
    lines += ["", *(f"- {line}" for line in verdict(benchmark))]
    lines += [""] if verdict(benchmark) else []
    lines.append(protocol_line(benchmark.protocol))
    return "\n".join(lines) + "\n"


def as_latex(benchmark: Table) -> str:
    """A `tabular` in the style of booktabs, with the protocol as its caption."""
    columns = columns_of(benchmark)
    best = best_rows(benchmark.rows)
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        f"\\caption{{{_tex(protocol_line(benchmark.protocol))}}}",
        f"\\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}",
        "\\toprule",
        " & ".join(_tex(column.heading) for column in columns) + " \\\\",
        "\\midrule",
    ]
    for row in sorted_rows(benchmark.rows):
        texts = [_tex(column.text(row)) for column in columns]
        if row in best:
            texts = [f"\\textbf{{{text}}}" for text in texts]
        lines.append(" & ".join(texts) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}"]) + "\n"


def as_html(benchmark: Table) -> str:
    """A `<table>`, and below it its verdict and its protocol."""
    columns = columns_of(benchmark)
    best = best_rows(benchmark.rows)
    lines = ["<table>", "<thead>", _html_row([c.heading for c in columns], columns, "th")]
    lines += ["</thead>", "<tbody>"]
    for row in sorted_rows(benchmark.rows):
        style = ' style="font-weight: bold"' if row in best else ""
        lines.append(_html_row([column.text(row) for column in columns], columns, "td", style))
    lines += ["</tbody>", "</table>"]
    lines += [f"<p>{html.escape(line)}</p>" for line in verdict(benchmark)]
    lines.append(f"<p><small>{html.escape(protocol_line(benchmark.protocol))}</small></p>")
    return "\n".join(lines) + "\n"


def _html_row(
    texts: Sequence[str], columns: Sequence[BenchmarkColumn], tag: str, style: str = ""
) -> str:
    cells = (
        f'<{tag} align="{"left" if column.left else "right"}">{html.escape(text)}</{tag}>'
        for text, column in zip(texts, columns, strict=True)
    )
    return f"<tr{style}>{''.join(cells)}</tr>"


def _tex(text: str) -> str:
    return text.translate(_TEX)


_TEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "%&_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "–": "--", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$"}
)


def print_table(table: Table, form: str) -> None:
    """Print a table on stdout in one of `FORMATS`."""
    if form == "json":
        print_json(table.as_json())
    else:
        print_lines(_TEXTS[form](printable_rows(table)))


_TEXTS: dict[str, Callable[[Table], str]] = {
    "csv": as_csv,
    "markdown": as_markdown,
    "latex": as_latex,
    "html": as_html,
}
FORMATS = ("json", *_TEXTS)
