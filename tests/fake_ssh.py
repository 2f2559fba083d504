"""A program `ssh` for tests, which runs commands on this machine, late, badly or not at all."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_PROGRAM = """#!/bin/sh
printf '%s\\n' "$@" >> {folder}/arguments
echo "Welcome to the machine"
echo "@@dae-guessed ."
for last; do :; done
. {folder}/mode
"""
WORKS = 'exec sh -c "$last"'
REFUSES = 'echo "ssh: connect to host gpu1 port 22: Connection refused" >&2; exit 255'
HANGS = "exec sleep 600"
CHATTERS = "exec yes"
PATIENCE = 20.0


class FakeSsh:
    """Stands in for ssh: `does` says what the next call does, `arguments` what all were given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._folder = folder
        self.does(WORKS)
        program = folder / "ssh"
        program.write_text(_PROGRAM.format(folder=folder))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def does(self, commands: str) -> None:
        """Commands of a shell, in which `$last` is what ssh would run on the host."""
        (self._folder / "new").write_text(commands + "\n")
        (self._folder / "new").replace(self._folder / "mode")

    def dies_after(self, count: int) -> None:
        """Let the connection end after so many bytes of answers."""
        self.does(f'sh -c "$last" | {{ dd bs=1 count={count}; kill $$; }}')

    @property
    def arguments(self) -> list[str]:
        return (self._folder / "arguments").read_text().splitlines()


def until(done: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
