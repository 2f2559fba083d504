"""Figures as files, PNG and SVG: the paper's Fig. 4 and 5, and curves over the noise level."""

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.errors import UsageError
from dae_tui.spec.noise_spec import KINDS, parse_noise
from dae_tui.spec.table import BenchmarkRow, Example, Table
from dae_tui.system.atomic import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOISY = "(noisy)"
FORMATS = ("png", "svg")
ROWS = 6
VIEWS = 6
# Of SVG files: the same figure has the same bytes.
_SALT = "dae"


@dataclass(frozen=True)
class Sweep:
    """A metric of every method over the levels of one kind of noise."""

    kind: str
    levels: dict[str, list[float]]
    """By method; sorted by descending mean, with the noisy images last."""
    values: dict[str, list[float]]
    low: dict[str, list[float]]
    """Ends of the interval, if there is one; else the values."""
    high: dict[str, list[float]]

    @property
    def level_name(self) -> str:
        return f"{self.kind} {KINDS[self.kind].level}"


def sweep_of(table: Table, metric: str) -> Sweep | None:
    """`accuracy` or `psnr` over the noise level; None unless one kind of noise has several levels.

    The noisy images are a method called `NOISY`.
    """
    known: defaultdict[str, list[tuple[float, BenchmarkRow]]] = defaultdict(list)
    kinds = set()
    for row in table.rows:
        oracle = row.view == "noisy" and row.method is not None
        if row.noise is None or getattr(row, metric) is None or (oracle and metric == "psnr"):
            continue
        try:
            stage = parse_noise(row.noise).only_stage
        except UsageError:
            return None  # Pairs have no noise spec.
        if stage is None or stage.low != stage.high:
            return None
        kinds.add(stage.kind)
        known[row.method or NOISY].append((stage.low, row))
    # An oracle may know only one level, which makes no curve.
    points = {name: found for name, found in known.items() if len(found) > 1}
    if len(kinds) != 1 or not points:
        return None
    means = {
        name: float(np.mean([getattr(row, metric) for _, row in found]))
        for name, found in points.items()
    }
    order = sorted(points, key=lambda name: (name == NOISY, -means[name]))
    found = {name: sorted(points[name], key=lambda point: point[0]) for name in order}
    interval = metric == "accuracy"
    return Sweep(
        kinds.pop(),
        {name: [level for level, _ in pairs] for name, pairs in found.items()},
        {name: [getattr(row, metric) for _, row in pairs] for name, pairs in found.items()},
        {n: [_end(row, metric, "low", interval) for _, row in pairs] for n, pairs in found.items()},
        {
            n: [_end(row, metric, "high", interval) for _, row in pairs]
            for n, pairs in found.items()
        },
    )


def _end(row: BenchmarkRow, metric: str, which: str, interval: bool) -> float:
    end = getattr(row, f"accuracy_{which}") if interval else None
    return float(getattr(row, metric) if end is None else end)


def write_figures(
    folder: Path,
    table: Table,
    losses: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> list[Path]:
    """Write all figures of a table and some runs, and return their files.

    Args:
        folder: where to write; created if missing.
        table: with its examples, or read back without.
        losses: steps and training losses (N,) of runs, by name: the paper's Fig. 5.

    Raises OSError if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figure] = {}
    if table.examples and len(table.examples[0].images):
        figures["fig4-digits"] = _columns_of_images(table.examples)
    if losses:
        figures["fig5-training-loss"] = _losses(losses)
    for metric, title in (("accuracy", "accuracy in %"), ("psnr", "PSNR in dB")):
        sweep = sweep_of(table, metric)
        if sweep is not None:
            figures[f"{metric}-against-{sweep.kind}"] = _curves(sweep, title, table)
    written = []
    for name, drawn in figures.items():
        for kind in FORMATS:
            path = folder / f"{name}.{kind}"
            save(drawn, path)
            written.append(path)
    return written


def save(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of the ending of `path`. Raises OSError."""
    import matplotlib as mpl

    kind = path.suffix[1:]
    # No date and no random names: the same benchmark gives the same files.
    metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": _SALT}):
        figure.savefig(content, format=kind, dpi=150, metadata=metadata, bbox_inches="tight")
    write_whole(path, content.getvalue())


def axes_of(width: float, height: float, **subplots: Any) -> "tuple[Figure, Any]":
    """A figure of so many inches, and its axes."""
    # Not pyplot: it would search for a display and keep every figure.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(**subplots)


def _columns_of_images(examples: Sequence[Example]) -> "Figure":
    """The paper's Fig. 4: a row for each image, a column for each view."""
    # Original, noisy, and the best of the others, in their order.
    views = list(examples[:2])
    rest = sorted(examples[2:], key=lambda view: -float(np.mean(view.psnr or [0.0])))
    chosen = [view for view in examples[2:] if view in rest[: VIEWS - 2]]
    views += chosen
    count = min(ROWS, *(len(view.images) for view in views))
    figure, axes = axes_of(
        1.25 * len(views), 1.35 * count, nrows=count, ncols=len(views), squeeze=False
    )
    for column, view in enumerate(views):
        for row in range(count):
            place = axes[row, column]
            image = view.images[row].transpose(1, 2, 0)
            grey = image[..., 0] if image.shape[-1] == 1 else image
            place.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
            words = []
            if view.psnr is not None:
                words.append(f"{view.psnr[row]:.1f} dB")
            if view.predictions is not None:
                words.append(f"predicted {view.predictions[row]}")
            place.set_xlabel("  ".join(words), fontsize=7, labelpad=2)
        axes[0, column].set_title(view.title, fontsize=8)
    figure.tight_layout(pad=0.4)
    return figure


def _losses(
    losses: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> "Figure":
    """The paper's Fig. 5: training loss over steps."""
    figure, axes = axes_of(6, 3.6)
    for name, (steps, values) in losses.items():
        axes.plot(steps, values, linewidth=1, label=name)
    finish(axes, "step", "training loss")
    axes.set_yscale("log")
    return figure


def _curves(sweep: Sweep, title: str, table: Table) -> "Figure":
    figure, axes = axes_of(8, 4.8)
    from matplotlib import colormaps

    colours, markers = colormaps["tab20"].colors, "osD^vP*X<>hd"  # type: ignore[attr-defined]
    filters = {row.method for row in table.rows if row.setting}
    for number, name in enumerate(sweep.values):
        levels, values = sweep.levels[name], sweep.values[name]
        reference = any(row.view == "noisy" and name in (NOISY, row.method) for row in table.rows)
        style: dict[str, Any] = {"color": colours[2 * number % 20 + number // 10 % 2]}
        if reference:
            style = {"color": "0.4", "linestyle": "--"}
        (line,) = axes.plot(
            levels,
            values,
            marker=markers[number % len(markers)],
            markersize=4,
            linewidth=1 if name in filters else 2,
            label=name,
            **style,
        )
        axes.fill_between(
            levels,
            sweep.low[name],
            sweep.high[name],
            color=line.get_color(),
            alpha=0.15,
            linewidth=0,
        )
    original = next((row for row in table.rows if row.view == "original"), None)
    if title.startswith("accuracy") and original is not None and original.accuracy is not None:
        axes.axhline(original.accuracy, color="0.7", linewidth=1, linestyle=":", label="original")
    finish(axes, sweep.level_name, title)
    protocol = table.protocol
    axes.set_title(
        f"{protocol['images']:,} test images of {Path(str(protocol['data'])).name}, "
        + ("clipped to [0, 1]" if protocol["clip"] else "not clipped"),
        fontsize=9,
    )
    return figure


def finish(axes: "Axes", x: str, y: str) -> None:
    """Name the axes, and put the legend beside them."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color="0.9")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
