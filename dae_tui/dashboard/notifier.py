"""Tells of runs through a command, a web address or the terminal's bell.

In a thread of its own, and whatever screen is shown.
"""

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from dae_tui.errors import DaeError, UsageError
from dae_tui.runs.folder.layout import dump_json

if TYPE_CHECKING:
    pass

BELL = "bell"
STALLED_MINUTES = 10.0
COMMAND_SECONDS, REQUEST_SECONDS = 30.0, 10.0
# Nobody who quits waits longer for a command that hangs.
CLOSING_SECONDS = 1.5
# After each failure in a row the next try waits twice as long.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 300.0


class UndeliveredError(Exception):
    """A notification did not arrive; the message says why."""


def check_targets(targets: Sequence[str]) -> None:
    """Refuse what is neither a web address nor a command that exists. Raises UsageError."""
    for target in targets:
        if target == BELL or _is_address(target):
            continue
        try:
            words = shlex.split(target)
        except ValueError as failure:
            raise UsageError(f"cannot read the command {target!r}: {failure}") from failure
        if not words or shutil.which(words[0]) is None:
            raise UsageError(
                f"there is no command '{words[0] if words else ''}' to notify with",
                f"name a command, an address such as http://host/path, or {BELL}",
            )


class Notifier:
    """Looks at the runs and delivers what happens to every target, until it is closed."""

    def __init__(
        self,
        runs_dir: Path,
        targets: Sequence[str],
        stalled_seconds: float,
        *,
        seconds: float,
        bell: Callable[[], None],
        tell: Callable[[DaeError], None],
        wait_seconds: float = FIRST_WAIT_SECONDS,
    ) -> None:
        """Take the folder, and begin.

        Args:
            runs_dir: the folder of runs.
            targets: commands, which get the event as JSON on stdin; addresses, to which it is
                posted; or `bell`.
            stalled_seconds: after so long without a step a run is said to be stalled.
            seconds: how often to look.
            bell: rings.
            tell: shows an error.
            wait_seconds: how long to wait after the first failure.
        """
        from dae_tui.runs.watching.run_events import RunEvents  # Few dashboards notify.

        self._events: RunEvents = RunEvents(runs_dir, stalled_seconds)
        self._targets = targets
        self._seconds = seconds
        self._bell, self._tell = bell, tell
        self._wait_seconds = wait_seconds
        self._closed = Event()
        self._thread = Thread(target=self._run, daemon=True, name="notifier")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End, after the delivery that is going on if it is quick. The rest is delivered later."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING_SECONDS)
        self._events.close()

    def _run(self) -> None:
        """Look, and deliver what is pending; after a failure not before a while has passed."""
        failures, next_try = 0, 0.0
        while not self._closed.is_set():
            try:
                self._events.look()
                if self._events.pending and time.monotonic() >= next_try:
                    delivered = self._deliver_all(first=failures == 0)
                    failures = 0 if delivered else failures + 1
                    wait = min(self._wait_seconds * 2 ** min(failures, 30), LONGEST_WAIT_SECONDS)
                    next_try = 0.0 if delivered else time.monotonic() + wait
            except DaeError as failure:
                self._tell(failure)
                return
            self._closed.wait(self._seconds)

    def _deliver_all(self, *, first: bool) -> bool:
        """Deliver what is pending, oldest first; whether everything has arrived.

        The first failure in a row is shown.
        """
        for event in list(self._events.pending):
            if self._closed.is_set():
                return False
            try:
                self._deliver(event)
            except UndeliveredError as failure:
                if first:
                    words = f"not told yet that {event.get('run')} has {event['event']}"
                    self._tell(DaeError(words, f"{failure}; it is tried again"))
                return False
        return True

    def _deliver(self, event: dict[str, Any]) -> None:
        """Deliver an event to each target that has not got it. Raises UndeliveredError."""
        left = [target for target in event.get("left", self._targets) if target in self._targets]
        shown = {key: value for key, value in event.items() if key != "left"}
        for target in list(left):
            self._send(target, shown)
            left.remove(target)
            event["left"] = left
            self._events.save()
        self._events.told(event)

    def _send(self, target: str, event: Mapping[str, Any]) -> None:
        if target == BELL:
            self._bell()
        elif _is_address(target):
            post(target, event)
        else:
            run_command(target, event)


def post(address: str, event: Mapping[str, Any]) -> None:
    """Post an event as JSON. Raises UndeliveredError for anything but an answer of success."""
    # Imported here: dae dashboard --help needs neither.
    import urllib.error
    import urllib.request

    request = urllib.request.Request(
        address, dump_json(event).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS):
            pass
    except urllib.error.HTTPError as failure:
        with failure:  # It is the answer, and holds the connection.
            raise UndeliveredError(f"{address}: {failure}") from failure
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "reason", failure)
        raise UndeliveredError(f"{address}: {reason}") from failure


def run_command(command: str, event: Mapping[str, Any]) -> None:
    """Run a command with an event as JSON on stdin. Raises UndeliveredError where it fails."""
    try:
        done = subprocess.run(
            shlex.split(command),
            input=(json.dumps(event) + "\n").encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise UndeliveredError(f"{command}: {failure}") from failure
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise UndeliveredError(f"{command} ended with code {done.returncode}: {said}")


def _is_address(target: str) -> bool:
    return target.startswith(("http://", "https://"))
