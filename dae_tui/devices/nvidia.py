"""NVIDIA GPUs through NVML. Every query can fail on its own, and then gives the reason."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dae_tui.devices.gpu_processes import described
from dae_tui.devices.machine import Gpu
from dae_tui.devices.reading import Reading
from dae_tui.devices.visible import choose, ends_at

# Opening NVML can take seconds if a GPU is lost or no driver keeps it awake.
RETRY_SECONDS = 5.0
# By the names of pynvml's error classes, NVMLError_….
REASONS = {
    "LibraryNotFound": "no NVIDIA driver",
    "DriverNotLoaded": "NVIDIA driver not loaded",
    "LibRmVersionMismatch": "NVIDIA driver and library differ in version; reboot",
    "NoPermission": "no permission",
    "GpuNotFound": "no NVIDIA GPU found",
    "NotFound": "no such GPU",
    "GpuIsLost": "GPU lost",
    "ResetRequired": "GPU needs a reset",
    "Uninitialized": "NVML closed",
    "NotSupported": "N/A on this GPU",
    "FunctionNotFound": "unknown to this driver",
}
# After these errors a GPU is not queried until NVML is opened again.
LOST = ("GpuIsLost", "ResetRequired", "Uninitialized", "DriverNotLoaded")
MIG_REASON = "N/A in MIG mode"


@dataclass
class _Device:
    """A GPU as found when NVML was opened; `lost` says why it cannot be queried any more."""

    handle: Any
    name: str
    uuid: str
    mig: bool = False
    lost: str = ""


class NvidiaGpus:
    """The GPUs that CUDA sees in this process, queried again and again.

    NVML counts by PCI bus; so does CUDA with CUDA_DEVICE_ORDER=PCI_BUS_ID, while its default,
    FASTEST_FIRST, may count differently where a machine mixes models.
    """

    def __init__(self, environment: Mapping[str, str], nvml: Any = None) -> None:
        self._environment = environment
        self._nvml = nvml
        self._devices: list[_Device] = []
        self._identities: dict[int, tuple[str, str]] = {}
        self._answered: set[str] = set()
        """The UUIDs of those that have given figures."""
        self._lost_since: dict[str, float] = {}
        self._reason = ""
        self._is_open = False
        self._tried = float("-inf")

    def read(self, *, processes: bool = False) -> tuple[tuple[Gpu, ...], str]:
        """The visible GPUs, and why there are no (more). Opens NVML first if that is due."""
        intact = self._is_open and not any(device.lost for device in self._devices)
        if not intact and time.monotonic() - self._tried >= RETRY_SECONDS:
            self._open()
            self._tried = time.monotonic()
        gpus = tuple(
            self._read_gpu(index, device, processes) for index, device in enumerate(self._devices)
        )
        return gpus, self._reason

    def close(self) -> None:
        """Close NVML; the next `read` opens it again."""
        if self._is_open:
            with suppress(*self._failures()):
                self._nvml.nvmlShutdown()
        self._is_open, self._devices, self._tried = False, [], float("-inf")

    def _open(self) -> None:
        self.close()
        if self._nvml is None:
            try:
                import pynvml
            except ImportError:
                self._reason = "the Python package nvidia-ml-py is missing"
                return
            self._nvml = pynvml
        try:
            self._nvml.nvmlInit()
            self._is_open = True
            found, hidden = self._find()
        except self._failures() as failure:
            self._reason = _reason(failure)
            return
        listed = self._environment.get("CUDA_VISIBLE_DEVICES")
        chosen, self._reason = choose(listed, [device.uuid for device in found])
        if not found:
            self._reason = hidden or REASONS["GpuNotFound"]
        elif listed is None:
            self._reason = hidden
        for choice in chosen:
            try:
                device = found[choice] if isinstance(choice, int) else self._mig_instance(choice)
            except self._failures() as failure:
                self._reason = ends_at(str(choice), _reason(failure))
                return
            self._devices.append(device)

    def _find(self) -> tuple[list[_Device], str]:
        """All GPUs by PCI bus, and why some are left out, which CUDA leaves out too."""
        nvml, found, forbidden = self._nvml, [], 0
        for position in range(nvml.nvmlDeviceGetCount()):
            # A lost GPU keeps the name that it had before.
            name, uuid = self._identities.get(position, ("NVIDIA GPU", ""))
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(position)
            except nvml.NVMLError_NoPermission:
                forbidden += 1
                continue
            except self._failures() as failure:
                found.append(_Device(None, name, uuid, lost=_reason(failure)))
                continue
            device = _Device(handle, name, uuid)
            device.name = self._ask(device, "Name")[0] or name
            device.uuid = self._ask(device, "UUID")[0] or uuid
            modes = self._ask(device, "MigMode")[0]
            device.mig = bool(modes and modes[0])
            self._identities[position] = device.name, device.uuid
            found.append(device)
        return found, f"no permission for {forbidden} of the GPUs" if forbidden else ""

    def _mig_instance(self, uuid: str) -> _Device:
        device = _Device(self._nvml.nvmlDeviceGetHandleByUUID(uuid), "MIG instance", uuid, mig=True)
        device.name = self._ask(device, "Name")[0] or device.name
        return device

    def _read_gpu(self, index: int, device: _Device, processes: bool) -> Gpu:
        # Version 2 excludes what the driver reserves, like nvidia-smi; old drivers lack it.
        memory, no_memory = self._ask(device, "MemoryInfo", self._nvml.nvmlMemory_v2)
        if memory is None:
            memory, no_memory = self._ask(device, "MemoryInfo")
        rates, no_rates = self._ask(device, "UtilizationRates")
        milliwatts, no_power = self._ask(device, "PowerUsage")
        limit, no_limit = self._ask(device, "EnforcedPowerLimit")
        celsius, no_celsius = self._ask(device, "Temperature", self._nvml.NVML_TEMPERATURE_GPU)
        clock, no_clock = self._ask(device, "ClockInfo", self._nvml.NVML_CLOCK_SM)
        running, none_running = None, ""
        if processes:
            running, none_running = self._ask(device, "ComputeRunningProcesses")
        self._note_loss(device)
        return Gpu(
            index,
            device.name,
            device.uuid,
            utilisation=Reading(rates and rates.gpu, no_rates),
            memory_used=Reading(memory and memory.used, no_memory),
            memory_total=Reading(memory and memory.total, no_memory),
            power=Reading(milliwatts and milliwatts / 1000, no_power),
            power_limit=Reading(limit and limit / 1000, no_limit),
            temperature=Reading(celsius, no_celsius),
            clock=Reading(clock, no_clock),
            processes=described(running or ()),
            process_reason=none_running,
            lost_since=self._lost_since.get(device.uuid),
        )

    def _note_loss(self, device: _Device) -> None:
        """Keep since when a GPU that had answered does not any more."""
        if not device.lost:
            self._answered.add(device.uuid)
            self._lost_since.pop(device.uuid, None)
        elif device.uuid in self._answered:
            self._lost_since.setdefault(device.uuid, time.time())

    def _ask(self, device: _Device, what: str, *arguments: Any) -> tuple[Any, str]:
        """The answer of nvmlDeviceGet…, or None and the reason."""
        if device.lost:
            return None, device.lost
        try:
            return getattr(self._nvml, f"nvmlDeviceGet{what}")(device.handle, *arguments), ""
        except self._failures() as failure:
            reason = _reason(failure)
            if _kind(failure) in LOST:
                device.lost = reason
            elif device.mig and _kind(failure) in ("NotSupported", "InvalidArgument"):
                reason = MIG_REASON
            return None, reason

    def _failures(self) -> tuple[type[Exception], ...]:
        # The last two: a pynvml without the function, a name that is not UTF-8.
        return (self._nvml.NVMLError, AttributeError, ValueError)


def _kind(failure: Exception) -> str:
    return type(failure).__name__.removeprefix("NVMLError_")


def _reason(failure: Exception) -> str:
    return REASONS.get(_kind(failure)) or f"NVML: {str(failure).lower()}"
