"""One reading of the whole machine, as plain data."""

import time
from dataclasses import dataclass, fields
from typing import Any

from dae_tui.devices.gpu_processes import GpuProcess
from dae_tui.devices.reading import Reading

NOT_READ = Reading(None, "not read")


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG instance of one."""

    index: int  # As CUDA counts in this process: 0 is the first visible one.
    name: str
    uuid: str
    utilisation: Reading  # Percent of the time in which any kernel ran.
    memory_used: Reading  # Bytes, of all processes.
    memory_total: Reading  # Bytes.
    power: Reading  # Watts.
    power_limit: Reading  # Watts.
    temperature: Reading  # °C.
    clock: Reading = NOT_READ  # MHz of the multiprocessors.
    processes: tuple[GpuProcess, ...] = ()  # Those that use it, where they were asked for.
    process_reason: str = ""  # Why there are no processes, where NVML does not say which.
    lost_since: float | None = None  # Seconds since 1970; None unless it answered before.

    @property
    def silence(self) -> str:
        """Why it gives neither use nor memory, and since when; empty where it gives any."""
        missing = (self.utilisation, self.memory_used)
        reasons = {reading.reason for reading in missing}
        if any(reading.value is not None for reading in missing) or len(reasons) > 1:
            return ""
        reason = reasons.pop()
        if self.lost_since is None:
            return reason
        lost = time.localtime(self.lost_since)
        today = lost[:3] == time.localtime()[:3]
        return f"{reason} since {time.strftime('%H:%M:%S' if today else '%Y-%m-%d %H:%M', lost)}"


@dataclass(frozen=True)
class Machine:
    """One reading of the machine."""

    time: float  # Seconds since the epoch.
    host: str
    gpus: tuple[Gpu, ...]
    gpu_reason: str  # Why there are no (more) GPUs, else empty.
    cpu_name: str
    cpu_count: int  # Cores this process may use.
    cpu_utilisation: Reading  # Percent of those cores since the last reading.
    memory_used: Reading  # Bytes; of the container if that has a limit.
    memory_total: Reading  # Bytes; likewise.

    def as_json(self) -> dict[str, Any]:
        """Readings as value or null; "reasons" explains the missing ones, per GPU and beside."""
        return _as_json(self)


def _as_json(machine: Machine | Gpu | GpuProcess) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for field in fields(machine):
        value = getattr(machine, field.name)
        if isinstance(value, Reading):
            shown[field.name] = value.value
            if value.value is None:
                reasons[field.name] = value.reason
        elif isinstance(value, tuple):
            shown[field.name] = [_as_json(each) for each in value]
        else:
            shown[field.name] = value
    return shown | {"reasons": reasons}
