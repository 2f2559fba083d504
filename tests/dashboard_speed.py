"""Measures the dashboard in a pseudo-terminal, as a terminal sees it; no test.

    python tests/dashboard_speed.py [RUN]

prints, at 80x24: the time from a key to the first byte of its answer on each screen (median, and
the processor time that a key takes), the time from the start to the first row of a list of 300
runs, beside that of `import textual.app` alone, and, with the folder of a live RUN, what it sends
each second and how busy it is.
"""

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from statistics import median

import psutil
from dashboard_example import example_runs

RUNS = 300
KEYS = 15
STARTS = 5
LIVE_SECONDS = 20
QUIET = 0.4


class Terminal:
    """A dashboard in a pseudo-terminal."""

    def __init__(self, runs_dir: Path, *arguments: str, size: tuple[int, int] = (80, 24)) -> None:
        self.began = time.perf_counter()
        self.process, self._file = pty.fork()
        if self.process == 0:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": ""}
            command = [sys.executable, "-m", "dae_tui", "dashboard", "--runs-dir", str(runs_dir)]
            os.execv(sys.executable, [*command, *arguments])
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._used = psutil.Process(self.process)

    def read(self, seconds: float) -> bytes:
        """What is written until it is quiet for so long."""
        found = b""
        while select.select([self._file], [], [], seconds)[0]:
            try:
                found += os.read(self._file, 1 << 16)
            except OSError:  # It has ended.
                break
        return found

    def read_for(self, seconds: float) -> bytes:
        """What is written in so many seconds."""
        found, until = b"", time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._file], [], [], left)[0]:
                found += os.read(self._file, 1 << 16)
        return found

    def until(self, words: bytes, seconds: float = 60) -> float:
        """Seconds since the start until something is written."""
        found, until = b"", time.perf_counter() + seconds
        while words not in found and time.perf_counter() < until:
            if select.select([self._file], [], [], 1)[0]:
                found += os.read(self._file, 1 << 16)
        return time.perf_counter() - self.began

    def press(self, key: str) -> float:
        """Seconds from a key to the first byte of its answer."""
        began = time.perf_counter()
        os.write(self._file, key.encode())
        select.select([self._file], [], [], 5)
        return time.perf_counter() - began

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        times = self._used.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        os.write(self._file, b"\x11")  # Ctrl+Q, which quits the form too.
        self.read(0.5)
        self._used.terminate()
        os.waitpid(self.process, 0)
        os.close(self._file)


def measure_keys(runs_dir: Path) -> None:
    """Time from key to screen; the list does not look at the disk meanwhile."""
    screens = [
        ("Runs", "", "jk"),
        ("Run", "\r", "jk"),
        ("Run, chart", "", "()"),
        ("Compare", "3", "jk"),
        ("Machine, to and fro", "4", "34"),
        ("Runs, to and fro", "1", "41"),
        ("New run", "n", "\t\t"),
        ("Playground", "2", "\x1b[C\x1b[D"),
    ]
    terminal = Terminal(runs_dir, "--refresh", "60")
    terminal.until(b"mnist")
    terminal.read_for(6)
    for name, opened_by, keys in screens:
        if opened_by:
            terminal.press(opened_by)
            terminal.read_for(20 if name == "Playground" else 2)
        pair = [keys[: len(keys) // 2], keys[len(keys) // 2 :]]
        before, waits = terminal.cpu(), []
        for number in range(KEYS):
            waits.append(terminal.press(pair[number % 2]))
            terminal.read(QUIET)
        used = (terminal.cpu() - before) / KEYS
        print(f"{name:19} key to screen {1000 * median(waits):4.0f} ms, {1000 * used:3.0f} ms CPU")
        if name == "Runs, to and fro":
            terminal.press("1")
            terminal.read_for(1)
        if name == "New run":
            terminal.press("\x1b")
            terminal.read_for(1)
    terminal.close()


def measure_start(runs_dir: Path) -> None:
    waits, used, imports = [], [], []
    for _ in range(STARTS):
        imports.append(_import_seconds("textual.app"))
        terminal = Terminal(runs_dir)
        waits.append(terminal.until(b"mnist-"))
        used.append(terminal.cpu())
        terminal.close()
    print(
        f"start to the first rows of {RUNS} runs: {median(waits):.2f} s, {median(used):.2f} s CPU; "
        f"Python and its import of textual.app alone: {median(imports):.2f} s CPU"
    )


def _import_seconds(module: str) -> float:
    """Processor time of a Python that only imports a module."""
    before = os.times()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    after = os.times()
    return after[2] + after[3] - before[2] - before[3]


def measure_live(run: Path, size: tuple[int, int]) -> None:
    terminal = Terminal(run.parent, run.name, size=size)
    terminal.until(b"epoch")
    terminal.read_for(4)
    before = terminal.cpu()
    sent = len(terminal.read_for(LIVE_SECONDS)) / LIVE_SECONDS
    busy = (terminal.cpu() - before) / LIVE_SECONDS
    print(f"live run at {size[0]}x{size[1]}: {sent / 1000:.1f} kB/s, {100 * busy:.1f} % of a core")
    terminal.close()


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # An installed package has its bytecode.
    with tempfile.TemporaryDirectory() as folder, example_runs(Path(folder) / "few") as few:
        many = Path(folder) / "many"
        many.mkdir()
        source = few / "20260130-101500-mnist-dense-77c1"
        for number in range(RUNS):
            shutil.copytree(source, many / f"20260130-{number:06d}-mnist-dense-{number:04x}")
        load = os.getloadavg()[0]
        print(f"load {load:.1f} on {os.cpu_count()} processors")
        measure_start(many)
        measure_keys(many)
    if len(sys.argv) > 1:
        for size in ((80, 24), (200, 60)):
            measure_live(Path(sys.argv[1]), size)


if __name__ == "__main__":
    main()
