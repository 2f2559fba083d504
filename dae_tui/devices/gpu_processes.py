"""Which processes use a GPU: whose they are, and how much of its memory they have."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from dae_tui.devices.reading import Reading

# In a container NVML gives the numbers that processes have outside.
HIDDEN = "not visible from here"
LONGEST_COMMAND = 300


@dataclass(frozen=True)
class GpuProcess:
    """A process on a GPU."""

    pid: int
    memory: Reading
    """Bytes of the GPU's memory."""
    user: str
    """Empty where the process cannot be seen from here, as `command` then."""
    command: str


def described(found: Iterable[Any]) -> tuple[GpuProcess, ...]:
    """What NVML says of processes (`pid`, `usedGpuMemory`), with what the system knows of them."""
    processes: dict[int, GpuProcess] = {}
    for each in found:
        used = each.usedGpuMemory
        memory = Reading(used) if used is not None else Reading(None, "N/A on this GPU")
        processes[each.pid] = GpuProcess(each.pid, memory, *_user_and_command(each.pid))
    return tuple(processes.values())


def _user_and_command(pid: int) -> tuple[str, str]:
    with suppress(psutil.Error, OSError, KeyError, ValueError):
        process = psutil.Process(pid)
        with process.oneshot():
            words = process.cmdline() or [process.name()]
            return process.username(), " ".join(words)[:LONGEST_COMMAND]
    return "", ""
