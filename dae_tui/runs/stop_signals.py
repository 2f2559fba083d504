"""Signals that stop a training: SIGTERM and SIGINT ask it to save and end, SIGHUP is ignored."""

import os
import signal
import sys
from contextlib import suppress
from threading import Event
from types import FrameType, TracebackType
from typing import Any

from dae_tui.errors import ExitCode

# A live display has hidden the cursor, and has no time to show it again.
SHOW_CURSOR = b"\x1b[?25h\n"
LEFT_AT_ONCE = b"error: ended at once; what came after the last checkpoint is lost\n"


def exit_code_of(received: int) -> ExitCode:
    """The exit code of a process that a signal stopped."""
    return ExitCode.INTERRUPTED if received == signal.SIGINT else ExitCode.TERMINATED


class Signals:
    """Turns SIGTERM and SIGINT into a request to stop, and ignores SIGHUP, while it is entered.

    The first signal sets `stop`; a second SIGINT ends the process at once. On exit the former
    handlers are restored.
    """

    def __init__(self, last_words: bytes = LEFT_AT_ONCE) -> None:
        """`last_words` are printed where the second SIGINT ends the process."""
        self._last_words = last_words
        self.stop = Event()
        self.received: int | None = None
        self._interrupted = False
        self._found: dict[int, Any] = {}

    def stopping(self) -> bool:
        """Whether a signal came, and not only a request to stop through the run's folder."""
        return self.received is not None

    def __enter__(self) -> "Signals":
        self._found = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._receive),
            signal.SIGINT: signal.signal(signal.SIGINT, self._receive),
            signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._found.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._interrupted:
            with suppress(OSError):
                os.write(2, (SHOW_CURSOR if sys.stderr.isatty() else b"") + self._last_words)
            os._exit(ExitCode.INTERRUPTED)
        self._interrupted |= number == signal.SIGINT
        self.received = number
        self.stop.set()
