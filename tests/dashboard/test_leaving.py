"""The real process on a real terminal: how it begins, and every way of leaving it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Dae

from dae_tui.commands.dashboard import check_terminal
from dae_tui.errors import UsageError
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.writer import RunWriter

PATIENCE = 30.0
LEAVE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


def test_a_dumb_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(UsageError, match="TERM=dumb"):
        check_terminal()
    monkeypatch.setenv("TERM", "screen-256color")
    check_terminal()


class Terminal:
    """A pseudo terminal with a `dae dashboard` in it."""

    def __init__(self, *arguments: str, program: str = "") -> None:
        self.said = b""
        self.code: int | None = None
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._slave = slave
        self.before = termios.tcgetattr(slave)
        command = ["-c", program] if program else ["-m", "dae_tui", "dashboard"]
        environment = os.environ | {"TERM": "screen-256color", "LANG": "C.UTF-8"}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [sys.executable, *command, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads
        )

    def read(self, seconds: float = 0.05) -> None:
        """Take what the terminal was sent."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if select.select([self._master], [], [], 0.02)[0]:
                self.said += os.read(self._master, 65536)

    def wait_for(self, words: bytes) -> None:
        self.wait(lambda: words in self.said, f"{words!r}")

    def wait(self, done: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"waited for {what}; it said {self.said[-2000:]!r}"
            self.read()

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def leaves(self) -> int:
        """Wait for the end of the process; its exit code."""
        self.wait(lambda: self.process.poll() is not None, "the end")
        self.read(0.1)
        return self.process.returncode

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self._master >= 0:
            self.hang_up()

    def is_sane(self) -> bool:
        """Whether screen, cursor and the line discipline are as they were."""
        end = self.said.rpartition(LEAVE_SCREEN)
        return (
            bool(end[1])
            and SHOW_CURSOR in end[2]
            and (termios.tcgetattr(self._slave)[:4] == self.before[:4])
        )


@pytest.fixture
def runs_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder with one run that is alive."""
    folder = tmp_path / "runs"
    with RunWriter(folder / "20260131-235959-digits-3f2a") as writer:
        writer.describe({"network": "autoencoder", "data": "digits", "epochs": 9}, {})
        writer.status(State.RUNNING, epoch=3)
        yield folder


@pytest.fixture
def terminal(runs_dir: Path) -> Iterator[Terminal]:
    """The dashboard on a terminal, with the run open."""
    started = Terminal("--runs-dir", str(runs_dir), "latest")
    started.wait_for(b"epoch 3/9")
    yield started
    started.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_leaves_the_terminal_as_it_was(
    terminal: Terminal, number: signal.Signals, code: int
) -> None:
    terminal.process.send_signal(number)
    assert terminal.leaves() == code
    assert terminal.is_sane()


def test_q_leaves_with_success(terminal: Terminal) -> None:
    terminal.type(b"q")
    assert terminal.leaves() == 0
    assert terminal.is_sane()


def test_a_terminal_that_hangs_up_ends_it(terminal: Terminal) -> None:
    terminal.hang_up()
    assert terminal.process.wait(PATIENCE) != 0


def test_a_terminal_that_does_not_read_cannot_hold_it(terminal: Terminal) -> None:
    terminal.type(b"?")  # Something to draw,
    for _ in range(200):
        terminal.type(b"t")  # and so much more that the terminal is full.
    time.sleep(1.0)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.process.wait(PATIENCE) == 143
    assert termios.tcgetattr(terminal._slave)[:4] == terminal.before[:4]


def test_a_fault_is_one_line_after_the_terminal_is_restored(runs_dir: Path) -> None:
    program = (
        "import sys; from dae_tui.dashboard.screens.run import RunScreen;"
        "RunScreen.show = lambda self, seen: 1 / 0;"
        "from dae_tui.commands.app import run; sys.exit(run(sys.argv[1:]))"
    )
    terminal = Terminal("dashboard", "--runs-dir", str(runs_dir), "latest", program=program)
    assert terminal.leaves() == 1
    assert terminal.is_sane()
    after = terminal.said.rpartition(LEAVE_SCREEN)[2]
    assert b"error: unexpected ZeroDivisionError" in after
    assert b"Traceback" not in after
    terminal.close()


@pytest.mark.parametrize(
    ("terminals", "words"),
    [
        ((), "the dashboard needs a terminal"),
        (("stdin", "stdout"), "stderr must be a terminal"),
        (("stdout", "stderr"), "the dashboard needs a terminal"),
    ],
)
def test_off_a_terminal_it_says_what_to_use(
    dae: Dae, monkeypatch: pytest.MonkeyPatch, terminals: tuple[str, ...], words: str
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda known=name in terminals: known)
    done = dae("dashboard")
    assert done.code == 2
    assert words in done.err
    assert "dae runs list --json" in done.err


def test_a_wrong_name_is_told_before_that_there_is_no_terminal(dae: Dae, runs_dir: Path) -> None:
    done = dae("dashboard", "nothing", "--runs-dir", runs_dir)
    assert done.code == 3
    assert "nothing" in done.err
    assert "terminal" not in done.err


def test_no_torch_until_the_playground_opens(runs_dir: Path) -> None:
    program = (
        "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules));"
        "from dae_tui.commands.app import run; sys.exit(run(sys.argv[1:]))"
    )
    terminal = Terminal("dashboard", "--runs-dir", str(runs_dir), "latest", program=program)
    terminal.wait_for(b"epoch 3/9")
    terminal.type(b"3")
    terminal.read(0.5)
    terminal.type(b"1")
    terminal.read(0.5)
    terminal.type(b"q")
    assert terminal.leaves() == 0
    assert terminal.said.rstrip().endswith(b"False")
    terminal.close()
