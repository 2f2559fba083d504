"""From Enter to the result: of whole commands, of a first training step, of the dashboard."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from select import select

import numpy as np
from PIL import Image

from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.errors import DaeError

PATIENCE = 600.0
_TORCH = "import torch"
# Commands that import torch before they have their result.
_NEED = ("dae denoise one.png", "dae train --preset fast", "dae train: first figures")
# -P: folders `models` or `commands` in the working directory must not be imported.
PYTHON = [sys.executable, "-P"]
DAE = [*PYTHON, "-m", "dae_tui"]
TERMINAL = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}


@dataclass(frozen=True)
class Startup:
    """Seconds from the start of a command to the awaited output."""

    what: str
    seconds: Spread
    beside_torch: Spread | None = None
    """The same less the seconds of `import torch` in the same round; None without torch."""


def measure_startup(rounds: int, data: str, data_dir: Path) -> Generator[str, None, list[Startup]]:
    """Start each command `rounds` times, in turns, after a warm-up; yields its progress.

    `data` is what `dae train --preset fast` learns from, in `data_dir`.
    """
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        first = ["train", "--data", "digits", "--json", "--runs-dir", folder]
        whole = ["train", "--preset", "fast", "--data", data, "--data-dir", str(data_dir)]
        whole += ["--runs-dir", str(Path(folder, "whole"))]
        noisy, denoised = _noisy_picture(Path(folder)), Path(folder, "denoised.png")
        for number in range(rounds + 1):
            yield f"starting commands, round {number}/{rounds}" if number else "starting commands"
            denoised.unlink(missing_ok=True)
            seconds = {
                _TORCH: _until_it_ends([*PYTHON, "-c", "import torch"]),
                "dae --help": _until_it_ends([*DAE, "--help"]),
                "dae denoise one.png": _until_it_ends(
                    [*DAE, "denoise", str(noisy), "-o", str(denoised)]
                ),
                "dae train --preset fast": _until_it_ends([*DAE, *whole]),
                "dae train: first figures": _until_a_step([*DAE, *first]),
                "dae dashboard: first picture": until_shown(
                    [*DAE, "dashboard", "--runs-dir", folder], b"alive"
                ),
            }
            shutil.rmtree(Path(folder, "whole"))
            if number:
                for what, taken in seconds.items():
                    found.setdefault(what, []).append(taken)
    return [
        Startup(what, spread(seconds), _beside(seconds, found[_TORCH]) if what in _NEED else None)
        for what, seconds in found.items()
    ]


def _beside(seconds: list[float], torch: list[float]) -> Spread:
    return spread([whole - part for whole, part in zip(seconds, torch, strict=True)])


def _noisy_picture(folder: Path) -> Path:
    """A grey picture of 256×256 pixels, smooth waves with white noise of 25 of 255."""
    across = np.linspace(0, 12, 256)
    waves = 127 + 60 * np.sin(across) + 60 * np.cos(across[:, None])
    noisy = waves + np.random.default_rng(0).normal(0, 25, (256, 256))
    path = folder / "one.png"
    Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(path)
    return path


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
