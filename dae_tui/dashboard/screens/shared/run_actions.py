"""What is asked of runs, one or several, from the list of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from textual import work
from textual.screen import Screen

from dae_tui.dashboard.context import Failed, context_of
from dae_tui.errors import DaeError
from dae_tui.runs.detached_training import detach
from dae_tui.runs.folder.deletion import delete_run, deleted_words
from dae_tui.runs.folder.layout import Request
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import change_tags, set_archived
from dae_tui.system.printable import printable


class RunActions(Screen[None]):
    """Acts on runs in a thread: a network file system can be slow."""

    def look_soon_from_thread(self) -> None:
        """Have the screen read the disk again."""
        raise NotImplementedError

    def ask(self, run: Run, request: Request) -> None:
        """Ask a training to pause, go on or stop."""

        def act(each: Run) -> str:
            each.ask(request)
            return f"asked to {request}: {each.name}"

        self._act([run], act)

    def resume(self, run: Run) -> None:
        """Resume a run that has ended, in a process of its own."""

        def act(each: Run) -> str:
            each.check_writable("resumed", "train", "--resume", each.name)
            detach(each, None, [])
            return f"resumed {each.name}"

        if not run.read_only:
            self.notify("starting…", timeout=2)
        self._act([run], act)

    def delete(self, runs: Sequence[Run]) -> None:
        """Delete runs, one after the other."""
        if not runs:
            return
        places = context_of(self).places

        def act(run: Run) -> str:
            run.check_writable("deleted", "runs", "delete", run.name)
            kept: list[Path] = delete_run(run, places.folder_of(run))
            return deleted_words(run, kept) if kept else f"deleted {run.name}"

        self._act(runs, act)

    def tag(self, runs: Sequence[Run], add: Sequence[str], remove: Sequence[str]) -> None:
        """Give runs some tags, and take others from them."""

        def act(run: Run) -> str:
            words = change_tags(run, add, remove).words
            return f"{run.name}: {' '.join(words) or 'no tags'}"

        self._act(runs, act)

    def archive(self, runs: Sequence[Run], archived: bool) -> None:
        """Have lists leave runs out, or show them again."""

        def act(run: Run) -> str:
            set_archived(run, archived)
            if archived:
                return f"archived {run.name}; / is:archived shows it"
            return f"{run.name} is in the list again"

        self._act(runs, act)

    @work(thread=True)
    def _act(self, runs: Sequence[Run], act: Callable[[Run], str]) -> None:
        """Do something with each run, and tell of it; an error stops none of the others."""
        done = []
        for run in runs:
            try:
                done.append(act(run))
            except DaeError as failure:
                self.post_message(Failed(failure))
        if done:
            words = done[0] if len(done) == 1 else f"{done[0]}\nand {len(done) - 1} more"
            self.notify(
                "\n".join(map(printable, words.split("\n"))),
                timeout=10 if "stay in" in words else 3,
                markup=False,
            )
        self.look_soon_from_thread()
