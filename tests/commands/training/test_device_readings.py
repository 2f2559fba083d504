"""How busy the devices of a training are."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pynvml
import pytest
from fake_nvml import GIB, FakeGpu, FakeNvml

from dae_tui.commands.training.device_readings import DeviceReadings
from dae_tui.commands.training.event_copy import EventCopy
from dae_tui.commands.training.session import _device_readings, _train
from dae_tui.devices.nvidia import NvidiaGpus
from dae_tui.runs.folder.reader import MetricsFollower, Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.spec.events import Event, Finished, Step

QUICK = 0.005


def taken(readings: DeviceReadings, step: int = 7) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while (found := readings.take(step)) is None:
        assert time.monotonic() < deadline
        time.sleep(QUICK)
    return found


def gpus(*each: FakeGpu) -> NvidiaGpus:
    return NvidiaGpus({}, FakeNvml(*each))


def test_the_gpus_of_a_training_are_read_and_no_others() -> None:
    every = [FakeGpu(uuid=f"GPU-{n}", percent=10 * n, used=n * GIB) for n in range(3)]
    with DeviceReadings(range(1, 3), gpus(*every), seconds=QUICK) as readings:
        found = taken(readings)
        assert found["event"] == "devices"
        assert found["step"] == 7
        assert 0 <= found["cpu"] <= 100
        assert found["gpus"] == [
            {"gpu": 1, "use": 10, "memory": GIB, "power": 612.4},
            {"gpu": 2, "use": 20, "memory": 2 * GIB, "power": 612.4},
        ]


def test_gpus_are_known_by_what_they_are_where_cuda_counts_otherwise() -> None:
    slow, fast = FakeGpu(uuid="GPU-a", percent=1), FakeGpu(uuid="GPU-b", percent=90)
    # CUDA's first GPU is the fastest one, NVML's that of the lowest bus.
    with DeviceReadings([0], gpus(slow, fast), uuids=["GPU-b"], seconds=QUICK) as readings:
        assert [gpu["use"] for gpu in taken(readings)["gpus"]] == [90]
        assert taken(readings)["gpus"][0]["gpu"] == 1
    with DeviceReadings([0], gpus(slow, fast), uuids=["MIG-c"], seconds=QUICK) as readings:
        assert [gpu["use"] for gpu in taken(readings)["gpus"]] == [1]


def test_what_a_gpu_does_not_give_is_left_out() -> None:
    silent = FakeGpu(failures={"*": pynvml.NVMLError_NotSupported})
    partly = FakeGpu(uuid="GPU-1", failures={"UtilizationRates": pynvml.NVMLError_NotSupported})
    with DeviceReadings([0, 1], gpus(silent, partly), seconds=QUICK) as readings:
        assert taken(readings)["gpus"] == [{"gpu": 1, "memory": 12 * GIB, "power": 612.4}]


def test_of_a_training_on_the_processor_its_use_alone_is_read() -> None:
    with DeviceReadings([], seconds=QUICK) as readings:
        assert taken(readings).keys() == {"event", "step", "cpu"}


def test_a_training_does_not_wait_for_a_driver_that_hangs() -> None:
    released = threading.Event()
    nvml = FakeNvml(FakeGpu())
    nvml.nvmlInit = released.wait  # type: ignore[method-assign,assignment]
    began = time.monotonic()
    with DeviceReadings([0], NvidiaGpus({}, nvml), seconds=QUICK) as readings:
        time.sleep(10 * QUICK)
        assert readings.take(1) is None
    assert time.monotonic() - began < 5
    released.set()


def test_readings_are_recorded_at_the_step_of_the_training(tmp_path: Path) -> None:
    readings = SimpleNamespace(take=lambda step: {"event": "devices", "step": step, "cpu": 50.0})
    events: list[Event] = [
        Step(epoch=1, step=3, loss=0.1, lr=0.1, images_per_second=9.0, seconds=1.0),
        Finished(epoch=1, step=4, seconds=1.0, images_per_second=9.0, complete=True),
    ]
    with RunWriter(tmp_path / "20260131-235959-a-3f2a") as writer:
        signals = MagicMock()
        signals.stop.is_set.return_value = False
        copy = EventCopy(None, writer)
        given = cast("DeviceReadings", readings)
        _train(iter(events), writer, MagicMock(), signals, copy, given)
        recorded = MetricsFollower(Run(writer.folder)).read()
    found = [(each["step"], each["cpu"]) for each in recorded if each["event"] == "devices"]
    assert found == [(3, 50.0), (4, 50.0)]


@pytest.mark.parametrize(
    ("device", "together", "indices"),
    [("cpu", 1, []), ("cuda:2", 1, [2]), ("cuda", 1, [0]), ("cuda:0", 4, [0, 1, 2, 3])],
)
def test_the_gpus_are_those_of_the_processes_of_this_machine(
    device: str, together: int, indices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(
        "torch.cuda.get_device_properties", lambda index: SimpleNamespace(uuid=f"0-{index}")
    )
    if together > 1:
        for name, value in (("RANK", 0), ("WORLD_SIZE", 8), ("LOCAL_WORLD_SIZE", together)):
            monkeypatch.setenv(name, str(value))
    experiment: Any = SimpleNamespace(device=torch.device(device))
    readings = _device_readings(experiment)
    assert [*readings._indices] == indices
    assert readings._uuids == [f"GPU-0-{index}" for index in indices] or not indices
