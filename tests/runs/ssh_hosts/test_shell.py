"""The shell of a host: the answers to each request."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dae_tui.runs.ssh_hosts import shell

Ask = Callable[[bytes], bytes]
SHELLS = [name for name in ("sh", "dash", "bash") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def ask(request: pytest.FixtureRequest, there: Path) -> Ask:
    def answer(line: bytes) -> bytes:
        said = shell.program("@@m") + line
        done = subprocess.run([request.param], input=said, capture_output=True, check=True)
        assert done.stderr == b""
        return done.stdout.removeprefix(b"\n@@m .\n")

    return answer


def test_every_shell_lists_packs_and_cuts(ask: Ask, there: Path) -> None:
    (run,) = [path.name for path in there.iterdir()]
    listed = ask(shell.look(str(there), recent=False)).decode().splitlines()
    assert listed[0].startswith("@@m T ") and listed[-1] == "@@m ."
    assert {line.rsplit("/", 1)[1] for line in listed[1:-1]} == {
        "config.json",
        "status.json",
        "metrics.jsonl",
        "train.log",
    }
    assert ask(shell.part(str(there), f"{run}/train.log", 2, 6)) == b"@@m B 6\nrst\nla\n@@m .\n"
    # More than there is: zeros.
    assert ask(shell.part(str(there), f"{run}/train.log", 9, 4)) == b"@@m B 4\nt\n\0\0\n@@m .\n"
    assert ask(shell.part(str(there), f"{run}/none", 0, 4)) == b"@@m B 0\n\n@@m .\n"
    assert b"./" + run.encode() + b"/samples/00000008.npz" in ask(shell.newest(str(there), run))
    assert b"first\nlast\n" in ask(shell.small(str(there), [f"{run}/train.log"]))
    assert b"@@m E there is no folder /none" in ask(shell.look("/none", recent=False))


def test_what_has_not_changed_of_late_is_not_listed_again(ask: Ask, there: Path) -> None:
    for path in there.glob("*/*"):
        os.utime(path, (1e9, 1e9))
    listed = ask(shell.look(str(there), recent=True)).splitlines()
    assert len(listed) == 2
