"""Startup times: of the help, the first training step and the dashboard."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from select import select

from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.errors import DaeError

PATIENCE = 120.0
# -P: folders `models` or `commands` in the working directory must not be imported.
PYTHON = [sys.executable, "-P"]
DAE = [*PYTHON, "-m", "dae_tui"]
TERMINAL = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}


@dataclass(frozen=True)
class Startup:
    """Seconds from the start of a command to the awaited output."""

    what: str
    seconds: Spread


def measure_startup(rounds: int) -> Generator[str, None, list[Startup]]:
    """Start each command `rounds` times, in turns, after a warm-up; yields its progress."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        first = ["train", "--data", "digits", "--json", "--runs-dir", folder]
        for number in range(rounds + 1):
            yield f"starting commands, round {number}/{rounds}" if number else "starting commands"
            seconds = {
                "import torch": _until_it_ends([*PYTHON, "-c", "import torch"]),
                "dae --help": _until_it_ends([*DAE, "--help"]),
                "dae train: first figures": _until_a_step([*DAE, *first]),
                "dae dashboard: first picture": until_shown(
                    [*DAE, "dashboard", "--runs-dir", folder], b"alive"
                ),
            }
            if number:
                for what, taken in seconds.items():
                    found.setdefault(what, []).append(taken)
    return [Startup(what, spread(seconds)) for what, seconds in found.items()]


def _until_it_ends(command: list[str]) -> float:
    began = time.perf_counter()
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as failure:
        raise _failed(command, "it took too long") from failure
    if done.returncode:
        raise _failed(command, done.stderr.decode(errors="replace").strip())
    return time.perf_counter() - began


def _until_a_step(command: list[str]) -> float:
    """Seconds until `dae train --json` reports its first 0.25 s of steps; then it is killed."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as training:
        assert training.stdout is not None
        try:
            for line in training.stdout:
                if json.loads(line)["event"] == "step":
                    return time.perf_counter() - began
        finally:
            training.kill()
    raise _failed(command, "it ended before its first step")


def until_shown(command: list[str], word: bytes) -> float:
    """Seconds until a program in a new terminal has drawn `word`; then it is killed."""
    began = time.perf_counter()
    ours, its = os.openpty()
    seen = b""
    with (
        os.fdopen(ours, "rb", buffering=0) as screen,
        subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=TERMINAL) as program,
    ):
        os.close(its)
        try:
            while word not in seen:
                left = began + PATIENCE - time.perf_counter()
                if left <= 0 or not select([screen], [], [], left)[0]:
                    raise _failed(command, "it took too long")
                read = os.read(ours, 65536)
                if not read:
                    raise OSError("end of output")
                seen += read
        except OSError as failure:  # The terminal is gone with the program.
            raise _failed(command, seen.decode(errors="replace")) from failure
        finally:
            program.kill()
    return time.perf_counter() - began


def _failed(command: list[str], said: str) -> DaeError:
    return DaeError(f"cannot time {' '.join(command[-3:])}: {said}", "run it by hand")
