"""The garbage collector during imports, and the quick end of a process."""

import gc
import subprocess
import sys

import pytest

from dae_tui.system.interpreter import collector_paused

END = """
import atexit, os, sys, threading, time
from dae_tui.system.interpreter import QuickEnd
end = QuickEnd()
atexit.register(print, "exit function")
def late():
    time.sleep(0.2)
    print("thread")
threading.Thread(target=late).start()
class Last:
    def __del__(self, write=os.write):
        write(1, b"taken apart")
kept = Last()
print("buffered", end="|")
end.expect(7)
sys.exit(7)
"""


def ended(debug: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", END],
        check=False,
        capture_output=True,
        text=True,
        env={"DAE_DEBUG": debug},
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_quick_end_waits_for_threads_and_exit_functions_and_prints_all() -> None:
    assert ended("0") == (7, "buffered|thread\nexit function\n")


def test_with_dae_debug_the_interpreter_ends_as_usual() -> None:
    assert ended("1") == (7, "buffered|thread\nexit function\ntaken apart")


def test_the_collector_rests_until_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)  # It would last for all other tests.
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), collector_paused():
        raise ImportError
    assert gc.isenabled()
    monkeypatch.setitem(sys.modules, "torch", gc)
    with collector_paused():
        assert gc.isenabled()
