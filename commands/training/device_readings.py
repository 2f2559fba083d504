"""How busy the devices of a training are, read beside it and recorded with its metrics."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from threading import Event as Flag
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from dae_tui.devices.machine import Gpu
from dae_tui.devices.nvidia import NvidiaGpus
from dae_tui.devices.processor import Processor
from dae_tui.devices.reading import Reading

# A mean of some readings is recorded: a GPU is idle for a moment between two epochs.
READ_SECONDS = 1.0
READINGS = 5
# A thread that waits for the driver is not waited for at the end.
PATIENCE_SECONDS = 0.5


class DeviceReadings:
    """Reads the processor and some GPUs in a thread; no step of the training waits for it.

    Use as a context manager; the thread ends with it.
    """

    def __init__(
        self,
        indices: Sequence[int],
        gpus: NvidiaGpus | None = None,
        *,
        uuids: Sequence[str] = (),
        seconds: float = READ_SECONDS,
    ) -> None:
        """Read nothing yet.

        Args:
            indices: the numbers of the GPUs, as CUDA counts them here; none on a processor alone.
            gpus: reads the GPUs; not needed without indices.
            uuids: what tells these GPUs from others; their numbers do where none of them is known.
            seconds: between two readings.
        """
        self._indices, self._uuids = indices, uuids
        self._gpus = gpus if indices else None
        self._seconds = seconds
        self._processor = Processor()
        self._guard = Lock()
        self._newest: dict[str, Any] | None = None
        self._over = Flag()
        self._thread = Thread(target=self._read, name="device readings", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(PATIENCE_SECONDS)

    def take(self, step: int) -> dict[str, Any] | None:
        """The newest means as an event of the metrics, once; None where there is nothing new."""
        with self._guard:
            newest, self._newest = self._newest, None
        return None if newest is None else {"event": "devices", "step": step, **newest}

    def _read(self) -> None:
        processor: list[Reading] = []
        gpus: list[Gpu] = []
        count = 0
        while not self._over.wait(self._seconds):
            processor.append(self._processor.utilisation())
            if self._gpus is not None:
                gpus += self._used(self._gpus.read()[0])
            count += 1
            if count % READINGS == 0:
                means = _means(processor, gpus)
                with self._guard:
                    self._newest = means or None
                processor, gpus = [], []
        if self._gpus is not None:
            self._gpus.close()

    def _used(self, gpus: Sequence[Gpu]) -> list[Gpu]:
        """Those of the training: by default CUDA counts the fastest first, NVML by their bus."""
        found = [gpu for gpu in gpus if gpu.uuid in self._uuids]
        return found or [gpu for gpu in gpus if gpu.index in self._indices]


def _means(processor: Sequence[Reading], gpus: Sequence[Gpu]) -> dict[str, Any]:
    """What the metrics get: `cpu` in percent; of each GPU what it gives."""
    found: dict[str, Any] = {}
    cpu = _mean(processor)
    if cpu is not None:
        found["cpu"] = round(cpu, 1)
    every = []
    for index in sorted({gpu.index for gpu in gpus}):
        readings = [gpu for gpu in gpus if gpu.index == index]
        figures = {
            "use": _mean(gpu.utilisation for gpu in readings),
            "memory": _mean(gpu.memory_used for gpu in readings),
            "power": _mean(gpu.power for gpu in readings),
        }
        known = {name: round(value, 1) for name, value in figures.items() if value is not None}
        if known:
            every.append({"gpu": index, **known})
    return found | ({"gpus": every} if every else {})


def _mean(readings: Iterable[Reading]) -> float | None:
    """Of the readings that have a value."""
    values = [reading.value for reading in readings if reading.value is not None]
    return fmean(values) if values else None
