"""The tables of `dae benchmark speed`, for people and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from rich.console import Console

from dae_tui.commands.output.fitted_table import print_fitted
from dae_tui.commands.output.terminal import print_lines
from dae_tui.core.speed.denoising.photograph_denoising import FFDNET, NLM, PhotographThroughput
from dae_tui.core.speed.repeated_measurement import Spread
from dae_tui.core.speed.report import EPOCH_IMAGES, SpeedReport
from dae_tui.core.speed.training.time_to_accuracy import PAPER
from dae_tui.system.printable import printable

# Columns of words; all others are numbers.
WORDS = {"network", "loop", "precision", "recipe", "method", "limit", "start", "channels"}


@dataclass(frozen=True)
class Grid:
    """A table with its heading and a remark below it."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    remark: str = ""
    dropped: tuple[str, ...] = ()
    """Columns to drop first on a narrow terminal; the others follow from the right."""


def show(report: SpeedReport, console: Console, *, markdown: bool) -> None:
    """Print the tables of a report, for people or for GitHub, and their protocol."""
    show_grids(grids(report), console, markdown=markdown)
    console.print(f"\n{_protocol_line(report)}", style="dim", soft_wrap=True)


def show_grids(shown: Sequence[Grid], console: Console, *, markdown: bool) -> None:
    """Print tables, for people or for GitHub."""
    for number, grid in enumerate(shown):
        if number:
            console.print()
        if markdown:
            print_lines(f"{_markdown(grid)}\n")
            continue
        console.print(grid.title, style="bold")
        dropped = list(dict.fromkeys([*grid.dropped, *reversed(grid.columns[1:])]))
        print_fitted(console, grid.columns, grid.rows, left=WORDS, dropped=dropped)
        if grid.remark:
            console.print(grid.remark, style="dim", soft_wrap=True)


def _markdown(grid: Grid) -> str:
    aligned = ("---" if column in WORDS else "---:" for column in grid.columns)
    headings = " | ".join(grid.columns).replace("\n", " ")
    lines = [f"**{grid.title}**", "", f"| {headings} |", f"|{'|'.join(aligned)}|"]
    lines += [f"| {' | '.join(row)} |" for row in grid.rows]
    return "\n".join([*lines, "", grid.remark] if grid.remark else lines)


def grids(report: SpeedReport) -> list[Grid]:
    """The parts that were measured, in the order of the command's help."""
    made = [
        _training(report),
        _targets(report),
        _inference(report),
        _peak(report),
        _photographs(report),
        _megapixels(report),
        _startup(report),
        _scale(report),
        _agreement(report),
    ]
    return [grid for grid in made if grid.rows]


def _training(report: SpeedReport) -> Grid:
    rows = [
        (
            each.network,
            each.loop,
            each.precision,
            _spread(each.images_per_second),
            f"{each.ratio:.2f}×",
            f"{100 * each.waiting:.1f} %",
            _bytes(each.peak_bytes),
        )
        for each in report.training
    ]
    columns = "network", "loop", "precision", "images/s", "ratio", "waiting", "memory"
    return Grid("Training: the same network and batch", columns, rows)


def _targets(report: SpeedReport) -> Grid:
    rows = [
        (
            each.recipe,
            f"{each.images:,}",
            f"{each.mean_seconds:.2f} ({each.seconds.low:.2f}–{each.seconds.high:.2f})",
            "–" if each.share_of_epoch is None else f"{each.share_of_epoch:.4f}",
            f"{mean(each.accuracies):.2f} ({min(each.accuracies):.2f})",
            f"{each.reached}/{len(each.accuracies)}",
        )
        for each in report.targets
    ]
    columns = "recipe", "images", "mean s", "tutorial\nepochs", "accuracy %\n(lowest)", "reached"
    remark = "Training alone, from the first step on; accuracy of the denoised test images."
    if report.epoch_seconds is not None:
        remark += (
            f" A tutorial epoch: {EPOCH_IMAGES:,} images of the tutorial's network in the "
            f"textbook's loop, {report.epoch_seconds:.0f} s."
        )
    return Grid(f"Time to the paper's {PAPER:.2f} %", columns, rows, remark)


def _inference(report: SpeedReport) -> Grid:
    filters = {
        each.method: each.images_per_second.median
        for each in report.inference
        if each.batch is None
    }
    rows = [
        (
            each.method,
            each.precision or "–",
            "–" if each.batch is None else f"{each.batch:,}",
            _spread(each.images_per_second),
            *(f"{each.images_per_second.median / speed:.2f}×" for speed in filters.values()),
        )
        for each in report.inference
    ]
    against = tuple(f"vs {name.replace('non-local-means', 'NLM')}" for name in filters)
    return Grid("Denoising", ("method", "precision", "batch", "digits/s", *against), rows)


def _peak(report: SpeedReport) -> Grid:
    rows = [
        (
            each.method,
            each.precision,
            f"{each.batch:,}",
            f"{each.images_per_second:,.0f}",
            f"{each.flops / 1e9:,.0f}",
            f"{100 * each.share_of_flops:.0f} %",
            f"{100 * each.share_of_bandwidth:.0f} %",
            each.binds,
        )
        for each in report.shares
    ]
    remarks = []
    if report.peaks is not None:
        products = ", ".join(
            f"{flops / 1e9:,.0f} GFLOP/s in {name}" for name, flops in report.peaks.flops.items()
        )
        copied = report.peaks.bytes_per_second / 1e9
        remarks.append(f"Measured peaks: a matrix product {products}; a copy {copied:.1f} GB/s.")
    for each in report.shares:
        times = (f"{name} {100 * share:.0f} %" for name, share in each.operators.items())
        remarks.append(f"{each.method} in {each.precision}: {', '.join(times)} of the time.")
    columns = (
        *("method", "precision", "batch", "digits/s", "GFLOP/s"),
        *("of product", "of copy", "limit"),
    )
    title = "Share of what the machine can do"
    return Grid(title, columns, rows, " ".join(remarks), dropped=("batch", "of copy", "of product"))


def _photographs(report: SpeedReport) -> Grid:
    rows = [
        (
            f"{each.side}×{each.side}",
            f"{each.batch}",
            each.precision,
            _spread(each.images_per_second),
            f"{100 * each.share_of_peak:.0f} %",
            f"{100 * each.waiting:.1f} %",
        )
        for each in report.photographs
    ]
    columns = "crops", "batch", "precision", "images/s", "of peak", "waiting"
    remark = (
        "The U-Net of pairs, in colour, forward and backward; the peak is that of a matrix product."
    )
    return Grid("Training on photographs", columns, rows, remark)


def _megapixels(report: SpeedReport) -> Grid:
    found = report.megapixels
    rows = []
    for each in found:
        beside = [other for other in found if other.channels == each.channels]
        speeds = (
            _median_of(beside, FFDNET, "fp32", each.megapixels),
            _median_of(beside, FFDNET, each.precision, each.megapixels),
            _median_of(beside, NLM, None, None),
        )
        rows.append(
            (
                each.method,
                "grey" if each.channels == 1 else "colour",
                each.precision or "–",
                f"{each.megapixels:.1f}",
                _fine_spread(each.per_second),
                *(f"{each.per_second.median / speed:.2f}×" if speed else "–" for speed in speeds),
                "–" if each.kilo_multiply_adds is None else f"{each.kilo_multiply_adds:.0f}",
                "–" if each.share_of_peak is None else f"{100 * each.share_of_peak:.0f} %",
            )
        )
    columns = (
        *("method", "channels", "precision", "megapixels", "megapixels/s"),
        *("vs FFDNet\nin fp32", "vs FFDNet\nalike", "vs NLM", "kMAC/pixel", "of peak"),
    )
    remark = (
        "Networks as dae denoise applies them, whole or in tiles; FFDNet's architecture with "
        "random weights. The speed of filters is that of a part of 0.3 megapixels; non-local means "
        "takes colours one by one, on all cores. The peak is that of a matrix product."
    )
    return Grid("Denoising photographs", columns, rows, remark, dropped=("of peak", "kMAC/pixel"))


def _median_of(
    found: Sequence[PhotographThroughput],
    method: str,
    precision: str | None,
    megapixels: float | None,
) -> float | None:
    """The speed of a method at a size, or at the only one, if it was measured."""
    for each in found:
        alike = each.method == method and each.precision == precision
        if alike and megapixels in (None, each.megapixels):
            return each.per_second.median
    return None


def _fine_spread(values: Spread) -> str:
    return f"{values.median:.3g} ({values.low:.3g}–{values.high:.3g})"


def _startup(report: SpeedReport) -> Grid:
    rows = [
        (
            each.what,
            f"{each.seconds.median:.2f}",
            f"{each.seconds.low:.2f}–{each.seconds.high:.2f}",
            "–" if each.beside_torch is None else f"{each.beside_torch.median:.2f}",
        )
        for each in report.startup
    ]
    columns = "start", "s", "range", "beside\nimport torch"
    remark = (
        "The process whole, or until its first output. A training in the rounds that count finds "
        "what the warm-up has kept: the measurements of the original and the noisy images."
    )
    return Grid("From Enter to the result", columns, rows, remark)


def _scale(report: SpeedReport) -> Grid:
    rows = [
        (
            f"{each.images:,}",
            _bytes(each.disk_bytes),
            _spread(each.images_per_second),
            _bytes(each.resident_bytes),
        )
        for each in report.scale
    ]
    return Grid("Streamed from the disk", ("images", "on disk", "images/s", "memory"), rows)


def _agreement(report: SpeedReport) -> Grid:
    rows = [
        (
            each.network,
            each.loop,
            f"{each.images:,}",
            f"{each.seconds.median:.0f} ({each.seconds.low:.0f}–{each.seconds.high:.0f})",
            f"{mean(each.accuracies):.2f}",
            f"{min(each.accuracies):.2f}–{max(each.accuracies):.2f}",
        )
        for each in report.agreement
    ]
    columns = "network", "loop", "images", "s", "accuracy %", "range"
    return Grid("Whole epochs in both loops", columns, rows)


def _spread(values: Spread) -> str:
    return f"{values.median:,.0f} ({values.low:,.0f}–{values.high:,.0f})"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _protocol_line(report: SpeedReport) -> str:
    protocol = report.protocol
    parts = [
        protocol["device"],
        f"{protocol['data']}, {protocol['noise']}",
        f"medians of {protocol['rounds']} rounds in turns (lowest–highest)",
        f"torch {protocol['versions']['torch']}",
    ]
    return printable(" · ".join(parts))
