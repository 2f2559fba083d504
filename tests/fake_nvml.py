"""A stand-in for the module pynvml: GPUs as a test wants them, with pynvml's own errors."""

# ruff: noqa: N802  The names are NVML's.

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

import pynvml

GIB = 2**30
Answer = TypeVar("Answer")


@dataclass
class FakeGpu:
    """One GPU; `failures` are raised by the query of that name, those at "*" by all."""

    name: str = "NVIDIA H200"
    uuid: str = "GPU-00000000-aaaa"
    percent: int = 87
    used: int = 12 * GIB
    total: int = 139 * GIB
    milliwatts: int = 612_400
    limit: int = 700_000
    celsius: int = 54
    megahertz: int = 1980
    processes: tuple[tuple[int, int | None], ...] = ()
    """Number and bytes of each process."""
    mig: bool = False
    failures: dict[str, type[Exception]] = field(default_factory=dict)


class FakeNvml:
    """`pynvml` with the given GPUs by bus order and MIG instances by UUID."""

    NVMLError = pynvml.NVMLError
    NVMLError_NoPermission = pynvml.NVMLError_NoPermission
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU
    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM
    nvmlMemory_v2 = pynvml.nvmlMemory_v2  # noqa: N815

    def __init__(self, *gpus: FakeGpu, instances: Sequence[FakeGpu] = ()) -> None:
        self.gpus = list(gpus)
        self.instances = instances
        self.init_failure: type[Exception] | None = None
        self.opened = 0
        self.closed = 0
        self.has_memory_v2 = True

    def nvmlInit(self) -> None:
        self.opened += 1
        if self.init_failure:
            raise self.init_failure

    def nvmlShutdown(self) -> None:
        self.closed += 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        return self._answer(self.gpus[index], "Handle", self.gpus[index])

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:
        for gpu in _with_uuid(uuid, self.instances):
            return self._answer(gpu, "Handle", gpu)
        raise pynvml.NVMLError_NotFound

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:
        return self._answer(gpu, "Name", gpu.name)

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return self._answer(gpu, "UUID", gpu.uuid)

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:
        assert kind == self.NVML_CLOCK_SM
        return self._answer(gpu, "ClockInfo", gpu.megahertz)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[Any]:
        found = [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in gpu.processes]
        return self._answer(gpu, "ComputeRunningProcesses", found)

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        return self._answer(gpu, "MigMode", [int(gpu.mig), 0])

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> Any:
        return self._answer(gpu, "UtilizationRates", SimpleNamespace(gpu=gpu.percent, memory=3))

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, version: int | None = None) -> Any:
        if version is not None and not self.has_memory_v2:
            raise pynvml.NVMLError_FunctionNotFound
        reserved = GIB if version is None else 0  # Version 1 counts it as used.
        info = SimpleNamespace(used=gpu.used + reserved, total=gpu.total)
        return self._answer(gpu, "MemoryInfo", info)

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "PowerUsage", gpu.milliwatts)

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "EnforcedPowerLimit", gpu.limit)

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> int:
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return self._answer(gpu, "Temperature", gpu.celsius)

    @staticmethod
    def _answer(gpu: FakeGpu, query: str, value: Answer) -> Answer:
        failure = gpu.failures.get("*") or gpu.failures.get(query)
        if failure:
            raise failure
        return value


def _with_uuid(uuid: str, gpus: Iterable[FakeGpu]) -> list[FakeGpu]:
    return [gpu for gpu in gpus if gpu.uuid == uuid]
