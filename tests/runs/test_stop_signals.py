"""The signals of a training: which ask it to stop, and which it ignores."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from dae_tui.runs.stop_signals import Signals, exit_code_of

Spawn = Callable[..., "subprocess.Popen[str]"]
DEADLINE_SECONDS = 20.0
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# Says the number of each signal once it has been handled, and goes on.
TELLS_ITS_SIGNALS = """
import os, signal
from dae_tui.runs.stop_signals import Signals

reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
with Signals():
    print("ready", flush=True)
    while True:
        print(os.read(reading, 1)[0], flush=True)
"""


def next_line(process: "subprocess.Popen[str]") -> str:
    """The next line a process prints; empty when it has ended."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], DEADLINE_SECONDS)[0], "it says nothing"
    return process.stdout.readline().strip()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_asks_to_stop_and_decides_the_exit_code(number: signal.Signals, code: int) -> None:
    with Signals() as signals:
        assert not signals.stop.is_set()

        os.kill(os.getpid(), number)

        assert signals.stop.wait(DEADLINE_SECONDS)
        assert signals.received == number
        assert exit_code_of(signals.received) == code


def test_without_a_signal_nothing_stops() -> None:
    with Signals() as signals:
        pass

    assert signals.received is None
    assert not signals.stopping()


def test_the_terminal_may_go_away() -> None:
    with Signals() as signals:
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

        os.kill(os.getpid(), signal.SIGHUP)

        assert signals.received is None
        assert not signals.stop.is_set()


@pytest.fixture
def no_nohup() -> Iterator[None]:
    """SIGHUP as a terminal has it, also where the tests run under nohup."""
    found = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, found)


@pytest.mark.usefixtures("no_nohup")
def test_the_handlers_that_were_found_are_put_back() -> None:
    found = [signal.getsignal(number) for number in HANDLED]

    with Signals():
        inside = [signal.getsignal(number) for number in HANDLED]

    assert all(before != now for before, now in zip(found, inside, strict=True))
    assert [signal.getsignal(number) for number in HANDLED] == found


def test_the_handlers_are_put_back_after_an_error() -> None:
    found = [signal.getsignal(number) for number in HANDLED]

    with pytest.raises(ZeroDivisionError), Signals():
        raise ZeroDivisionError

    assert [signal.getsignal(number) for number in HANDLED] == found


def test_a_second_interrupt_ends_the_process_at_once(spawn: Spawn) -> None:
    process = spawn(TELLS_ITS_SIGNALS)
    assert next_line(process) == "ready"
    process.send_signal(signal.SIGINT)
    assert next_line(process) == "2"

    process.send_signal(signal.SIGINT)

    assert process.wait(DEADLINE_SECONDS) == 130


def test_a_second_interrupt_counts_even_with_a_termination_between(spawn: Spawn) -> None:
    process = spawn(TELLS_ITS_SIGNALS)
    assert next_line(process) == "ready"
    process.send_signal(signal.SIGINT)
    assert next_line(process) == "2"
    process.send_signal(signal.SIGTERM)
    assert next_line(process) == "15"

    process.send_signal(signal.SIGINT)

    assert next_line(process) == ""
    assert process.wait(DEADLINE_SECONDS) == 130


def test_an_interrupt_after_a_termination_is_only_the_first(spawn: Spawn) -> None:
    process = spawn(TELLS_ITS_SIGNALS)
    assert next_line(process) == "ready"
    process.send_signal(signal.SIGTERM)
    assert next_line(process) == "15"

    process.send_signal(signal.SIGINT)

    assert next_line(process) == "2"
    assert process.poll() is None
