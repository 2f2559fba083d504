"""Readings of the machine: GPUs, CPU and memory together."""

import os
import platform
import socket
import time
from collections.abc import Mapping
from typing import Any

from dae_tui.devices.machine import Gpu, Machine
from dae_tui.devices.memory import memory
from dae_tui.devices.nvidia import NvidiaGpus
from dae_tui.devices.processor import Processor
from dae_tui.system.control_group import find_limit

APPLE_REASON = "Apple GPU: macOS gives no readings without root"


class Monitor:
    """Reads the machine again and again.

    NVML is opened at the first reading, and opened again if it or a GPU was lost.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, nvml: Any = None) -> None:
        apple = (platform.system(), platform.machine()) == ("Darwin", "arm64")
        self._nvidia = None if apple else NvidiaGpus(environment, nvml)
        self._processor = Processor()
        self._limited = find_limit()
        self._host = socket.gethostname()

    def read(self, *, processes: bool = False) -> Machine:
        """One reading; never raises. CPU utilisation is over the time since the last one.

        With `processes` also those on each GPU, which takes some milliseconds.
        """
        gpus: tuple[Gpu, ...] = ()
        reason = APPLE_REASON
        if self._nvidia is not None:
            gpus, reason = self._nvidia.read(processes=processes)
        used, total = memory(self._limited)
        return Machine(
            time.time(),
            self._host,
            gpus,
            reason,
            self._processor.name,
            self._processor.count,
            self._processor.utilisation(),
            used,
            total,
        )

    def close(self) -> None:
        """Close NVML."""
        if self._nvidia is not None:
            self._nvidia.close()
