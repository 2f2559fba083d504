"""What a sweep has to do: trainings that are new, to be resumed or tried again, or finished."""

from collections.abc import Sequence
from dataclasses import dataclass

from dae_tui.commands.sweeping.combinations import Combination
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.sweeps.members import find_same, members_of
from dae_tui.runs.sweeps.run_jobs import Job
from dae_tui.spec.training_config import TrainingConfig

NEW, DONE, RESUMED, ALIVE = "new", "finished already", "to resume", "being trained"
FAILED = "to try again after it failed"
# What is said of a training, by the state in which its run is found.
_WORDS = {
    State.FINISHED: DONE,
    State.STOPPED: RESUMED,
    State.CRASHED: RESUMED,
    State.FAILED: FAILED,
}


@dataclass(frozen=True)
class Planned:
    """A training of a sweep, and what is to be done for it."""

    combination: Combination
    run: Run | None
    """None for one that is new."""
    about: str
    """new, finished already, …"""
    job: Job | None
    """None for one that has finished."""


def plan(combinations: Sequence[Combination], group: str) -> list[Planned]:
    """What is left to do in a group."""
    usual = TrainingConfig().as_json()
    swept = {name.replace("-", "_") for name, _ in combinations[0].values}
    runs_dir = combinations[0].rehearsed.runs_dir.resolve()
    members = members_of(runs_dir, group)
    found = []
    for number, each in enumerate(combinations, 1):
        config, options = each.rehearsed.config.as_json(), each.rehearsed.options
        run = find_same(config, members, usual, swept)
        state = None if run is None else run.state()
        about = NEW if state is None else _WORDS.get(state, ALIVE)
        job = Job(number, group, config, each.rehearsed.label, runs_dir, run, options)
        found.append(Planned(each, run, about, None if state is State.FINISHED else job))
    return found


def summary_of(planned: Sequence[Planned]) -> str:
    """How many trainings there are, and what is to be done with them."""
    abouts = [each.about for each in planned]
    counts = [f"{abouts.count(about)} {about}" for about in dict.fromkeys(abouts) if about != NEW]
    count = f"{len(planned)} training{'s' * (len(planned) != 1)}"
    return f"{count} ({', '.join(counts)})" if counts else count
