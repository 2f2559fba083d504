"""Leaving the terminal as it was found, also when a signal ends the dashboard."""

import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# The alternate screen, cursor, mouse, focus, paste and line wrap, as Textual sets them.
RESTORED = (
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[?2048l"
    b"\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
)
# A terminal that reads nothing keeps the app from ending by itself.
PATIENCE_SECONDS = 2.0


@contextmanager
def leaving_on_signals(leave: Callable[[int], None]) -> Iterator[None]:
    """While entered, SIGTERM, SIGHUP and SIGINT call `leave` with the exit code, once.

    If the process is still there two seconds later, the terminal is restored as far as it reads,
    and the process ends. Not asyncio's handlers: those wait for a loop that can be stuck writing
    to a stopped terminal.
    """
    attributes = None
    with suppress(termios.error, OSError, ValueError):
        attributes = termios.tcgetattr(sys.__stdin__ or 0)

    def receive(number: int, frame: FrameType | None) -> None:
        code = 128 + number
        timer = threading.Timer(PATIENCE_SECONDS, _give_up, (code, attributes))
        timer.daemon = True
        timer.start()
        leave(code)

    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    found = {number: signal.signal(number, receive) for number in signals}
    try:
        yield
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)


def _give_up(code: int, attributes: "list[int | list[bytes | int]] | None") -> None:
    with suppress(termios.error, OSError, ValueError):
        if attributes is not None:
            termios.tcsetattr(0, termios.TCSANOW, attributes)
    with suppress(OSError):
        os.set_blocking(2, False)
        os.write(2, RESTORED)
    os._exit(code)
