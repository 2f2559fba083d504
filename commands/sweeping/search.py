"""`dae sweep --search optuna`: each trial's values follow from what came of those before.

What was tried is kept as text in the folder of the group; what came of it is in the runs.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dae_tui.commands.sweeping.combinations import (
    SEED,
    Combination,
    Parameter,
    check_name,
    combine,
    parse_parameters,
)
from dae_tui.commands.sweeping.plan import Planned
from dae_tui.commands.sweeping.report import by_psnr, outcomes_of, result_rows
from dae_tui.errors import DaeError, RunError, UsageError
from dae_tui.runs.folder.layout import read_json, write_json

TRIALS = "trials.json"
# Ranges whose ends are so many times apart are searched on a logarithmic scale.
FAR = 10
# So often values that were tried already are asked for again before the search ends.
PATIENCE = 50
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


@dataclass(frozen=True)
class Space:
    """The values that an option can have: some, or all from `low` to `high`."""

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    """Whether it has whole numbers alone, as its ends are."""

    @property
    def ends(self) -> tuple[str, ...]:
        """Values that show whether all of them can be."""
        return self.values or (self.text(self.low), self.text(self.high))

    @property
    def log(self) -> bool:
        """Whether it is searched on a logarithmic scale."""
        return self.low > 0 and self.high / self.low >= FAR

    def text(self, value: Any) -> str:
        """A value as it is typed, with four digits."""
        if isinstance(value, str):
            return value
        return str(int(value)) if self.whole else f"{value:.4g}"


Trial = tuple[tuple[str, str], ...]


def check_optuna() -> None:
    """Raise DaeError, which names the command to install it, if optuna is not there."""
    if find_spec("optuna") is None:
        raise DaeError(
            "--search needs the package optuna, which is not installed",
            "pip install 'dae-tui[optuna]'",
        )


def parse_spaces(texts: Sequence[str]) -> list[Space]:
    """The spaces of `--set lr=1e-4..1e-2` and `--set optimizer=adam,sgd`. Raises UsageError."""
    spaces = []
    for text in texts:
        name, _, values = text.partition("=")
        name = name.strip().removeprefix("--").replace("_", "-")
        found = _RANGE.fullmatch(values.strip())
        if name == SEED:
            raise UsageError("a seed is not searched for", "name some with --seed 0..2")
        if found is None:
            (parameter,) = parse_parameters([text], None)
            spaces.append(Space(parameter.name, parameter.values))
            continue
        check_name(name)
        low, high = float(found[1]), float(found[2])
        if not low < high < math.inf:
            raise UsageError(f"the range {text} is not from low to high", "exchange its ends")
        whole = all(re.fullmatch(r"[-+]?\d+", end) for end in found.groups())
        spaces.append(Space(name, (), low, high, whole))
    names = [space.name for space in spaces]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"{twice[0]} has values twice", "write them into one --set")
    return spaces


def check_spaces(
    spaces: Sequence[Space], seeds: Parameter | None, command: Sequence[str], runs_dir: Path
) -> Path:
    """Have `dae train` check the ends of every space; the folder of runs, as it sees it."""
    first = [Parameter(space.name, space.ends[:1]) for space in spaces]
    found = None
    for place, space in enumerate(spaces):
        for end in space.ends:
            tried = [*first]
            tried[place] = Parameter(space.name, (end,))
            found = combine([*tried, *([seeds] if seeds else [])], command, runs_dir)
    assert found is not None
    return found[0].rehearsed.runs_dir.resolve()


class Search:
    """Proposes trials. What was tried before in the group counts."""

    def __init__(self, spaces: Sequence[Space], folder: Path) -> None:
        """Raises UsageError if the group was searched over other options."""
        self._spaces, self._path = spaces, folder / TRIALS
        stored = (read_json(self._path) or {}).get("trials")
        self.trials: list[Trial] = []
        names = [space.name for space in spaces]
        for each in stored if isinstance(stored, list) else []:
            if not isinstance(each, dict) or [*each] != names:
                raise UsageError(
                    f"the group was searched over other options than {', '.join(names)}",
                    "choose another --group, or the same --set in the same order",
                )
            self.trials.append(tuple((name, str(value)) for name, value in each.items()))

    def propose(self, count: int, values: Mapping[Trial, float]) -> list[Trial]:
        """New trials, at most `count`, which are kept; none where all that can be was tried.

        `values` has what is to become small of those that were tried.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)  # It tells of each study.
        sampler = optuna.samplers.TPESampler(seed=len(self.trials), constant_liar=True)
        study = optuna.create_study(direction="minimize", sampler=sampler)
        spaces = {space.name: _distribution(space) for space in self._spaces}
        for trial, value in values.items():
            typed = dict(zip(spaces, map(_typed, self._spaces, trial), strict=True))
            try:
                known = optuna.trial.create_trial(params=typed, distributions=spaces, value=value)
            except ValueError:  # Outside of the space that is searched now.
                continue
            study.add_trial(known)
        new: list[Trial] = []
        for _ in range(PATIENCE):
            if len(new) == count:
                break
            asked = study.ask(spaces).params
            trial = tuple((each.name, each.text(asked[each.name])) for each in self._spaces)
            if trial not in (*self.trials, *new):
                new.append(trial)
        self.trials += new
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"trials": [dict(trial) for trial in self.trials]})
        except OSError as failure:
            raise RunError(f"{self._path} cannot be written: {failure.strerror}") from failure
        return new

    def combinations(
        self, seeds: Parameter | None, command: Sequence[str], runs_dir: Path
    ) -> list[Combination]:
        """The trainings of every trial so far."""
        every: list[Combination] = []
        for trial in self.trials:
            fixed = [Parameter(name, (value,)) for name, value in trial]
            every += combine([*fixed, *([seeds] if seeds else [])], command, runs_dir)
        return every

    def parameters(self, seeds: Parameter | None) -> list[Parameter]:
        """What was tried of each option, for the table."""
        found = [
            Parameter(space.name, tuple(dict.fromkeys(trial[place][1] for trial in self.trials)))
            for place, space in enumerate(self._spaces)
        ]
        return [*found, *([seeds] if seeds else [])]


def values_of(planned: Sequence[Planned], parameters: Sequence[Parameter]) -> dict[Trial, float]:
    """What is to become small of each trial that has figures: the loss, or −PSNR."""
    figure, sign = ("val_psnr", -1) if by_psnr(parameters) else ("best_val_loss", 1)
    found: dict[Trial, float] = {}
    for row in result_rows(outcomes_of(planned), parameters):
        spread = row.spread(figure)
        if spread is not None and math.isfinite(spread.mean) and isinstance(row.values, tuple):
            found[row.values] = sign * spread.mean
    return found


def _distribution(space: Space) -> Any:
    import optuna

    if space.values:
        return optuna.distributions.CategoricalDistribution(space.values)
    if space.whole:
        return optuna.distributions.IntDistribution(int(space.low), int(space.high), space.log)
    return optuna.distributions.FloatDistribution(space.low, space.high, space.log)


def _typed(space: Space, value: tuple[str, str]) -> Any:
    """A value as Optuna has it."""
    text = value[1]
    return text if space.values else int(text) if space.whole else float(text)
