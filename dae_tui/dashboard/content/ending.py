"""What to say of a run that has ended, or is gone: why, its last error, and how it goes on."""

import re
from collections.abc import Sequence

from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.summary import age
from dae_tui.runs.watching.run_watch import RunView

# How errors begin in a log: ours, those of Python, of the shell and of the kernel.
_ERROR = re.compile(
    r"\berror: |\b[A-Z]\w*(Error|Exception|Interrupt)\b|^Killed|Segmentation fault|out of memory",
    re.IGNORECASE,
)
_DATE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
DELETED = "This run was deleted. What is shown was last seen; nothing can be asked of it."


def ending_of(view: RunView) -> list[tuple[str, str]]:
    """Lines about the end of a run, each with a colour of the theme; none for one that lives."""
    summary = view.summary
    if not view.exists:
        return [(DELETED, "warning")]
    if summary.state.alive or summary.state is State.FINISHED:
        return []
    if view.foreign:
        quiet = f"no event for {age(summary.heartbeat)}" if summary.heartbeat else "no events yet"
        return [(f"{summary.state}: {quiet}. Its files do not say whether it has finished.", "")]
    bad = summary.state in (State.FAILED, State.CRASHED)
    why = f"{summary.state}: {summary.reason}" if summary.reason else str(summary.state)
    lines = [(why, "error" if bad else "warning")]
    error = last_error(view.log) if summary.state is State.CRASHED else ""
    if error and error not in why:
        lines.append((error, "error"))
    return [*lines, (view.elsewhere or how_to_resume(view), "text-muted")]


def last_error(log: Sequence[str]) -> str:
    """The last line of a log that tells of an error, else its last line, without the time."""
    lines = [_DATE.sub("", line).strip() for line in log]
    lines = [line for line in lines if line]
    errors = [line for line in lines if _ERROR.search(line)]
    if errors:
        return f"last error in its log: {errors[-1]}"
    return f"its log ends with: {lines[-1]}" if lines else ""


def how_to_resume(view: RunView) -> str:
    """What the key for resuming would do."""
    if not view.has_config:
        return "It has no readable config.json and cannot be resumed: n starts a new run."
    if view.saved is None:
        return "r starts it again from its first step: it has no checkpoint."
    return f"r resumes it from epoch {view.saved.epoch}, step {view.saved.step:,}."
