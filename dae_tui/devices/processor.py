"""How busy the processor is, without waiting."""

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from dae_tui.devices.reading import Reading

# What reading /proc, or its counterpart on other systems, can raise.
FAILURES = (psutil.Error, OSError, RuntimeError, ValueError, NotImplementedError)


class Processor:
    """Measures load since it was made, and since the last reading.

    Not psutil.cpu_percent: it keeps the last reading per thread and gives 0 % in a new one, and a
    dashboard reads from changing threads.
    """

    def __init__(self) -> None:
        self.name = _name()
        self._cores = _cores()
        self.count = len(self._cores) or os.cpu_count() or 1
        self._last: tuple[float, float] | None = None
        with suppress(*FAILURES):
            self._last = self._times()
        self._first, self._first_own = self._last, _own_seconds()

    def utilisation(self) -> Reading:
        """Percent of the cores that this process may use, since the last reading."""
        try:
            times = self._times()
        except FAILURES as failure:
            return Reading(None, f"no CPU times: {failure}")
        if self._last is None:
            self._last = times
            return Reading(None, "first reading")
        busy, total = (now - then for now, then in zip(times, self._last, strict=True))
        if total <= 0:
            return Reading(None, "first reading")
        self._last = times
        return Reading(min(max(100 * busy / total, 0.0), 100.0))

    def taken_by_others(self) -> float | None:
        """How many cores other processes have used since this was made; None if unknown."""
        if self._first is None:
            return None
        try:
            times = self._times()
        except FAILURES:
            return None
        busy, total = (now - then for now, then in zip(times, self._first, strict=True))
        own = _own_seconds() - self._first_own
        return max(0.0, self.count * (busy - own) / total) if total > 0 else None

    def _times(self) -> tuple[float, float]:
        """Seconds spent busy and seconds in all, over all cores."""
        times = psutil.cpu_times(percpu=True)
        # A container may renumber its cores; then it may use all of them.
        if self._cores and max(self._cores) < len(times):
            times = [times[core] for core in self._cores]
        total = idle = 0.0
        for core in times:
            # The time of guests is also counted in user and nice.
            total += sum(core) - getattr(core, "guest", 0) - getattr(core, "guest_nice", 0)
            idle += core.idle + getattr(core, "iowait", 0)
        return total - idle, total


def _own_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _cores() -> list[int]:
    """The cores that this process may use; empty if the system does not say."""
    with suppress(AttributeError, *FAILURES):
        return psutil.Process().cpu_affinity() or []
    return []


def _name() -> str:
    with suppress(OSError):
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(
                command, capture_output=True, text=True, check=False
            ).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return " ".join(value.split())
    return platform.processor() or platform.machine()
