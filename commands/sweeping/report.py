"""What came of a sweep: a table of means over seeds, the best first, or JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dae_tui.commands.sweeping.combinations import SEED, Parameter, as_value
from dae_tui.commands.sweeping.plan import Planned
from dae_tui.runs.sweeps.results import FIGURES, Result, ResultRow, Spread, result_of, rows_of

if TYPE_CHECKING:
    from rich.text import Text

_HEADINGS = {
    "val_loss": ("last loss", 5),
    "best_val_loss": ("best loss", 5),
    "val_psnr": ("PSNR", 2),
    "val_accuracy": ("val acc %", 2),
    "test_accuracy": ("test %", 2),
}
Outcome = tuple[Planned, Result]


def outcomes_of(planned: Sequence[Planned]) -> list[Outcome]:
    """The figures of each training; empty ones for those that have not begun."""
    return [(each, result_of(each.run) if each.run else Result()) for each in planned]


def result_rows(outcomes: Sequence[Outcome], parameters: Sequence[Parameter]) -> list[ResultRow]:
    """The trainings that differ in the seed alone together, the best first."""
    common = [
        (tuple(value for value in each.combination.values if value[0] != SEED), result)
        for each, result in outcomes
    ]
    return rows_of(common, by_psnr=by_psnr(parameters))


def by_psnr(parameters: Sequence[Parameter]) -> bool:
    """Whether the losses of a sweep do not compare."""
    return any(each.name == "loss" and len(each.values) > 1 for each in parameters)


def print_table(outcomes: Sequence[Outcome], parameters: Sequence[Parameter]) -> None:
    """A row for each combination: what differs, and mean ± standard deviation over seeds."""
    from dae_tui.commands.output.fitted_table import print_fitted
    from dae_tui.commands.output.terminal import stdout

    rows = result_rows(outcomes, parameters)
    differing = [each.name for each in parameters if each.name != SEED and len(each.values) > 1]
    shown = [
        figure for figure in FIGURES if any(row.spread(figure) is not None for row in rows)
    ] or ["best_val_loss"]
    names = differing or ["training"]
    print_fitted(
        stdout(),
        (*names, "finished", *(_HEADINGS[figure][0] for figure in shown)),
        [_cells(row, differing, shown) for row in rows],
        left=names,
        dropped=[*(_HEADINGS[figure][0] for figure in _DROPPED if figure in shown), "finished"],
    )


_DROPPED = ("val_loss", "val_accuracy", "test_accuracy", "val_psnr")


def _cells(
    row: ResultRow, differing: Sequence[str], shown: Sequence[str]
) -> "tuple[str | Text, ...]":
    values = dict(row.values) if isinstance(row.values, tuple) else {}
    first = [values[name] for name in differing] or ["as given"]
    done = f"{row.finished}/{len(row.results)}"
    return (*first, done, *(_figure(row.spread(each), _HEADINGS[each][1]) for each in shown))


def _figure(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "–"
    mean = f"{spread.mean:.{digits}f}"
    return mean if spread.deviation is None else f"{mean} ± {spread.deviation:.{digits}f}"


def as_json(
    outcomes: Sequence[Outcome], parameters: Sequence[Parameter], group: str, runs_dir: Path
) -> dict[str, Any]:
    """All of it for scripts."""
    return {
        "group": group,
        "runs_dir": str(runs_dir),
        "parameters": {each.name: [*map(as_value, each.values)] for each in parameters},
        "runs": [
            {
                "parameters": _values(each.combination.values),
                "run": each.run.name if each.run else None,
                "state": result.state,
                "command": each.combination.command,
                **{figure: getattr(result, figure) for figure in FIGURES},
            }
            for each, result in outcomes
        ],
        "rows": [
            {
                "parameters": _values(row.values),
                "runs": len(row.results),
                "finished": row.finished,
                **{figure: _spread(row.spread(figure)) for figure in FIGURES},
            }
            for row in result_rows(outcomes, parameters)
        ],
    }


def _values(values: Any) -> dict[str, Any]:
    return {name: as_value(value) for name, value in values}


def _spread(spread: Spread | None) -> dict[str, float | None] | None:
    if spread is None:
        return None
    return {"mean": spread.mean, "deviation": spread.deviation, "count": spread.count}
