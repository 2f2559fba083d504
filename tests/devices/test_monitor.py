"""One look at the whole machine."""

import json
import platform
import subprocess
import sys
import time

import pynvml
import pytest
from fake_nvml import GIB, FakeGpu, FakeNvml

from dae_tui.devices.monitor import APPLE_REASON, Monitor


def test_a_look_has_host_time_processor_and_memory() -> None:
    monitor = Monitor({}, FakeNvml(FakeGpu()))
    time.sleep(0.1)
    before = time.time()
    machine = monitor.read()
    monitor.close()
    assert before <= machine.time <= time.time()
    assert machine.host == platform.node()
    assert machine.cpu_utilisation.value is not None
    assert 0 <= machine.cpu_utilisation.value <= 100
    assert machine.memory_used.value is not None
    assert machine.memory_total.value is not None
    assert 0 < machine.memory_used.value < machine.memory_total.value
    assert [gpu.power.value for gpu in machine.gpus] == [612.4]


def test_json_has_null_and_the_reason() -> None:
    gpu = FakeGpu(failures={"PowerUsage": pynvml.NVMLError_NotSupported})
    shown = json.loads(json.dumps(Monitor({}, FakeNvml(gpu)).read().as_json()))
    assert shown["gpu_reason"] == ""
    (first,) = shown["gpus"]
    assert first == {
        "index": 0,
        "name": "NVIDIA H200",
        "uuid": "GPU-00000000-aaaa",
        "utilisation": 87,
        "memory_used": 12 * GIB,
        "memory_total": 139 * GIB,
        "power": None,
        "power_limit": 700.0,
        "temperature": 54,
        "clock": 1980,
        "processes": [],
        "process_reason": "",
        "lost_since": None,
        "reasons": {"power": "N/A on this GPU"},
    }
    assert set(shown["reasons"]) <= {"cpu_utilisation"}


def test_apple_gpus_are_named_and_nvml_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(FakeGpu())
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleOutput("Apple M2\n"))
    monitor = Monitor({}, nvml)
    machine = monitor.read()
    monitor.close()
    assert (machine.gpus, machine.gpu_reason) == ((), APPLE_REASON)
    assert machine.cpu_name == "Apple M2"
    assert machine.memory_total.value
    assert nvml.opened == 0


class SimpleOutput:
    """What a finished process has printed."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout


def test_looks_are_quick() -> None:
    monitor = Monitor({}, FakeNvml(FakeGpu()))
    monitor.read()
    started = time.perf_counter()
    for _ in range(10):
        monitor.read()
    assert (time.perf_counter() - started) / 10 < 0.05  # Measured: below 1 ms.


def test_looking_loads_neither_torch_nor_what_draws() -> None:
    program = (
        "import sys; from dae_tui.devices.monitor import Monitor; Monitor().read(); "
        "print([name for name in ('torch', 'textual', 'rich', 'numpy', 'dae_tui.core', "
        "'dae_tui.runs') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
