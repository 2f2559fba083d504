"""What one look at the machine finds, as plain data."""

from dataclasses import dataclass, fields
from typing import Any

from dae_tui.devices.reading import Reading


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG instance of one."""

    index: int  # As CUDA in this process counts: 0 is the first visible one.
    name: str
    uuid: str
    utilisation: Reading  # Percent of the time in which any kernel ran.
    memory_used: Reading  # Bytes, of all processes.
    memory_total: Reading  # Bytes.
    power: Reading  # Watts.
    power_limit: Reading  # Watts.
    temperature: Reading  # °C.


@dataclass(frozen=True)
class Machine:
    """One look at the machine."""

    time: float  # Seconds since the epoch.
    host: str
    gpus: tuple[Gpu, ...]
    gpu_reason: str  # Why there are no (more) GPUs, else empty.
    cpu_name: str
    cpu_count: int  # Cores this process may use.
    cpu_utilisation: Reading  # Percent of those cores since the last look.
    memory_used: Reading  # Bytes; of the container where that has a limit.
    memory_total: Reading  # Bytes; likewise.

    def as_json(self) -> dict[str, Any]:
        """Readings as value or null; "reasons" names each missing one, per GPU and for the rest."""
        return _as_json(self)


def _as_json(look: Machine | Gpu) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for field in fields(look):
        value = getattr(look, field.name)
        if isinstance(value, Reading):
            shown[field.name] = value.value
            if value.value is None:
                reasons[field.name] = value.reason
        elif isinstance(value, tuple):
            shown[field.name] = [_as_json(gpu) for gpu in value]
        else:
            shown[field.name] = value
    return shown | {"reasons": reasons}
