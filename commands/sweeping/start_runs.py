"""Running the trainings of a sweep, and telling of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dae_tui.commands.output.streams import say
from dae_tui.commands.sweeping.combinations import Combination
from dae_tui.commands.sweeping.plan import FAILED, RESUMED, Planned
from dae_tui.errors import RunError
from dae_tui.runs.folder.liveness import HeldLock
from dae_tui.runs.stop_signals import Signals
from dae_tui.runs.sweeps.run_jobs import Ended, Stopping, run_jobs
from dae_tui.system.cores import usable_cores

# In the folder of runs: what keeps two processes from running one group.
LOCKS = ".sweeps"
_BEGINS = {RESUMED: "resumed", FAILED: "failed before, tried again:"}


def run_planned(
    planned: Sequence[Planned],
    jobs: int,
    signals: Signals,
    quiet: bool,
    *,
    only_new: bool = False,
    count: int | None = None,
) -> None:
    """Train what is left to train, or `only_new` what was never begun, and tell of it.

    `count` is how many there will be, where more than those planned are to come.
    """

    def tell(words: str) -> None:
        if not quiet:
            say(words)

    left = [each.job for each in planned if each.job and not (only_new and each.run)]
    at_once = max(1, min(jobs, len(left)))
    environments = _environments(at_once, [each.combination for each in planned])
    for event in run_jobs(left, at_once, environments, signals.stop):
        if isinstance(event, Stopping):
            tell(f"stopping {event.count}, state is being saved; Ctrl-C again leaves at once")
            continue
        number = event.job.number
        each = planned[number - 1]
        about = f"{number} of {count or len(planned)}  {each.combination.words}"
        if isinstance(event, Ended):
            tell(f"{about}  {_ending(event)}")
        elif event.found:
            tell(f"{about}  waiting for {event.run.name}: another process trains it")
        else:
            tell(f"{about}  {_BEGINS.get(each.about, 'started')} {event.run.name}")


def _ending(event: Ended) -> str:
    words = f"{event.state}: {event.reason}" if event.reason else str(event.state)
    return f"{words}; {event.hint}" if event.hint else words


def _environments(at_once: int, combinations: Sequence[Combination]) -> list[Mapping[str, str]]:
    """The variables of each place: a GPU of its own, and its share of the processor."""
    if at_once == 1:
        return [{}]
    share: dict[str, str] = {}
    if "OMP_NUM_THREADS" not in os.environ:  # Else all would wait for each other's threads.
        share = {"OMP_NUM_THREADS": str(max(1, usable_cores() // at_once))}
    if any(each.rehearsed.config.device != "auto" for each in combinations):
        return [share]
    from dae_tui.devices.monitor import Monitor

    monitor = Monitor()
    gpus = [gpu.uuid for gpu in monitor.read().gpus if gpu.uuid]
    monitor.close()
    if len(gpus) < 2:
        return [share]
    # By their identity: CUDA may count them in another order than NVML.
    return [{**share, "CUDA_VISIBLE_DEVICES": uuid} for uuid in gpus]


def folder_of(runs_dir: Path, group: str) -> Path:
    """Where a sweep keeps what is not of a run."""
    return runs_dir / LOCKS / f"group-{group}"  # A group may be named `..`.


@contextmanager
def alone(runs_dir: Path, group: str) -> Iterator[None]:
    """Be the only process that runs this group. Raises RunError if another one does."""
    folder = folder_of(runs_dir, group)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = HeldLock(folder)
    except OSError as failure:
        raise RunError(
            f"{runs_dir} cannot be written: {failure.strerror}",
            "choose another folder with --runs-dir or DAE_RUNS",
        ) from failure
    try:
        if not lock.take():
            raise RunError(
                f"another process runs the group {group}",
                "wait for it, or choose another --group",
            )
        yield
    finally:
        lock.close()
