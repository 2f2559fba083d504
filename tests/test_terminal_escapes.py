"""Words of others on a real terminal: none of them clears a screen, names a window or fakes a line.

A folder of runs, weights, tables and images of which every word is hostile is shown by every
command in a pseudo-terminal, and everything that the terminal gets is looked through.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Dae
from PIL import Image
from safetensors.numpy import save_file

from dae_tui.runs.benchmarks import BENCHMARKS
from dae_tui.runs.folder.layout import (
    BEST_WEIGHTS,
    CONFIG,
    CONTROL,
    LOG,
    META,
    METRICS,
    SAMPLES,
    STATUS,
    write_json,
)
from dae_tui.spec.model_cards import METADATA_KEY

# The title of a window, a colour that there is not, another from C1, text turned around, a line.
EVIL = "\x1b]0;EVIL\x07\x1b[666m\x9b31m\u202e\r\nFAKED"
NAME = f"20260101-000000-{EVIL}-aaaa"
PATIENCE = 30.0
# Runs commands one after another, each behind a line with its number: torch is loaded once.
RUN_EACH = """
import json, sys
from dae_tui.commands.app import run
for number, arguments in enumerate(json.loads(sys.argv[1])):
    print(f"command {number}", flush=True)
    run(arguments)
"""


@contextmanager
def terminal(arguments: list[str], folder: Path, size: tuple[int, int]) -> Iterator["Terminal"]:
    """A process in a terminal of its own, of so many lines and columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    of_tests = ("COLUMNS", "LINES", "NO_COLOR")
    environment = {key: value for key, value in os.environ.items() if key not in of_tests}
    wanted = {"DAE_RUNS": "runs", "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | wanted,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


class Terminal:
    """What a terminal has got, and the keys that are pressed there."""

    def __init__(self, process: "subprocess.Popen[bytes]", ours: int) -> None:
        self.got = b""
        self._process, self._ours = process, ours

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read_until(self, words: str, after: int) -> None:
        """Read on until it has got the words, after so many bytes, and all that comes with them."""
        deadline = time.monotonic() + PATIENCE
        while words.encode() not in self.got[after:]:
            assert time.monotonic() < deadline, f"waited for {words}: {self.got[after:]!r}"
            assert self._read(0.1), f"ended before {words}: {self.got[after:]!r}"
        while select.select([self._ours], [], [], 0.05)[0]:
            self._read(0)

    def read_to_the_end(self) -> int:
        """Read all; the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(1.0):
            assert time.monotonic() < deadline, self.got[-2000:]
        return self._process.wait(PATIENCE)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return self._process.poll() is None
        try:
            read = os.read(self._ours, 1 << 16)
        except OSError:  # EIO: the other side has ended.
            return False
        self.got += read
        return bool(read)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`runs` with two runs and two tables, weights, and images in classes."""
    folder = tmp_path
    make_weights(folder / f"w{EVIL}.safetensors")
    failed = {"state": "failed", "reason": f"because {EVIL}", "precision": EVIL, "epoch": EVIL}
    make_run(folder / "runs" / NAME, failed)
    make_weights(folder / "runs" / NAME / BEST_WEIGHTS)
    make_run(folder / "runs" / f"20260102-000000-other{EVIL}-bbbb", {"state": EVIL, "step": EVIL})
    for number in range(2):
        name = f"2026010{number}-000000-t{EVIL}-000{number}.json"
        (folder / "runs" / BENCHMARKS).mkdir(exist_ok=True)
        write_json(folder / "runs" / BENCHMARKS / name, table())
    for kind in "ab":
        images = folder / f"images{EVIL}" / f"class {kind}{EVIL}"
        images.mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng(number).integers(0, 256, (28, 28), np.uint8)
            Image.fromarray(pixels).save(images / f"{number}{EVIL}.png")
    (folder / f"broken{EVIL}.png").write_bytes(b"\x1b]0;EVIL\x07" * 9)
    return folder


def make_run(folder: Path, status: dict[str, Any]) -> None:
    (folder / SAMPLES).mkdir(parents=True)
    write_json(folder / STATUS, {"host": EVIL, "heartbeat": time.time(), **status})
    config = dict.fromkeys(("network", "data", "noise", "device", "classifier"), EVIL)
    write_json(folder / CONFIG, {**config, "epochs": 9, "settings": {EVIL: EVIL}})
    write_json(folder / META, dict.fromkeys(("command", "device", "git", "classifier"), EVIL))
    write_json(folder / CONTROL, {"request": EVIL})
    events = [{"event": EVIL, EVIL: EVIL}, {"event": "step", "step": 1, "loss": 0.1, "epoch": EVIL}]
    (folder / METRICS).write_text("".join(json.dumps(event) + "\n" for event in events))
    said = EVIL.replace("\r\n", "")  # Each line of a log is one.
    (folder / LOG).write_text(f"2026-01-31 23:59:59 said {said}\n")


def make_weights(path: Path) -> None:
    """Weights of which the metadata, but for the name of the network, are words of others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = ("data", "noise", "normalisation", "command", "seed", "clip", "channels")
    figures = {"protocol": {"images": 1, "data": EVIL, "seed": EVIL}, "rows": [row("noisy")]}
    metadata = {
        **dict.fromkeys(words, f"[link](http://evil) {EVIL}"),
        "network": "autoencoder",
        "settings": {EVIL: EVIL},
        "versions": {EVIL: EVIL},
        "parameters": 1,
        "training_images": 1,
        "figures": figures,
    }
    save_file({"x": np.zeros(1)}, path, {METADATA_KEY: json.dumps(metadata)})


def row(view: str) -> dict[str, Any]:
    figures = dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high", "psnr", "ssim"), 1.5)
    classes = {"per_class": [1.0, 2.0], "confusion": [[1, 2], [3, 4]]}
    return {"view": view, "method": EVIL, "noise": EVIL, "setting": EVIL, **figures, **classes}


def table() -> dict[str, Any]:
    conditions = dict.fromkeys(("data", "noise", "classifier", "ssim", "test", "device"), EVIL)
    other = row("denoised") | {"method": f"other {EVIL}", "accuracy": 1.0}
    rows = [row(EVIL), row("noisy"), row("denoised"), other]
    return {"protocol": {**conditions, "precision": EVIL, "images": 9, "seed": 0}, "rows": rows}


def assert_harmless(got: bytes) -> None:
    """Sequences of ours alone, of colours, cursor, modes and pointer; no line of others."""
    text = got.decode()
    assert "\x1b[666m" not in text
    rest = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\]22;\w+\x07", "", text)
    lines = re.split(r"[\r\n]+", rest)
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if line.strip().startswith("FAKED")] == []


SHORT = ["--widths", "4,8", "--epochs", "1", "--batch-size", "4", "--device", "cpu"]
COMMANDS = [
    ["runs", "list"],
    ["runs", "show", "aaaa"],
    ["runs", "show", "bbbb"],
    ["runs", "show", f"no{EVIL}"],
    ["runs", "path", "aaaa"],
    ["runs", "stop", "aaaa"],
    ["runs", "pause", "aaaa"],
    ["runs", "resume", "aaaa"],
    ["weights", "show", f"w{EVIL}.safetensors"],
    ["weights", "show", "aaaa"],
    ["weights", "export", "aaaa", f"x{EVIL}.safetensors"],
    ["weights", "show", f"broken{EVIL}.png"],
    ["benchmark", "show", "--per-class"],
    ["benchmark", "show", "--csv"],
    ["benchmark", "show", "--markdown"],
    ["benchmark", "show", "--latex"],
    ["benchmark", "show", "--html"],
    ["benchmark", "show", f"no{EVIL}"],
    ["benchmark", "compare", "0000", "0001"],
    ["dashboard", f"no{EVIL}"],
    ["train", "--resume", "aaaa"],
    ["train", "--data", f"images{EVIL}", *SHORT],
    ["denoise", f"broken{EVIL}.png", "-o", "out"],
    ["denoise", f"images{EVIL}", "-r", "-o", f"out{EVIL}", "--weights", "latest", "-v"],
]


@pytest.mark.slow
def test_no_command_lets_words_steer_the_terminal(folder: Path) -> None:
    with terminal(["-c", RUN_EACH, json.dumps(COMMANDS)], folder, (50, 150)) as shown:
        assert shown.read_to_the_end() == 0
    parts = re.split(rb"(?m)^command \d+\r?$", shown.got)[1:]
    for arguments, got in zip(COMMANDS, parts, strict=True):
        assert b"EVIL" in got, (arguments, got)
        assert b"fault of dae" not in got, (arguments, got)
        assert_harmless(got)


def test_json_keeps_every_word(dae: Dae, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAE_RUNS", str(folder / "runs"))
    shown = json.loads(dae("runs", "show", "aaaa", "--json").out)
    assert shown["status"]["reason"] == f"because {EVIL}"
    assert shown["run"] == str(folder / "runs" / NAME)
    weights = json.loads(dae("weights", "show", folder / f"w{EVIL}.safetensors", "--json").out)
    assert (weights["name"], weights["versions"]) == (f"w{EVIL}", {EVIL: EVIL})


def test_the_dashboard_lets_no_words_steer_the_terminal(folder: Path) -> None:
    with terminal(["-m", "dae_tui", "dashboard", "--refresh", "0.2"], folder, (40, 200)) as shown:
        for keys, words in (
            ("", "2 runs"),
            ("x", "for good, weights"),
            ("n", "2 runs"),
            ("\x1b[B\r", "because"),
            ("l", "said"),
            ("?", "Keys of"),
            ("?", "because"),
            ("3", "benchmark rows"),
        ):
            before = len(shown.got)
            shown.press(keys)
            shown.read_until(words, before)
        shown.press("q")
        assert shown.read_to_the_end() == 0
    assert shown.got.count(b"EVIL") > 10
    assert_harmless(shown.got)
