"""GPUs through NVML, and every reason why one or one of its figures is missing."""

import os
import sys
import time

import psutil
import pynvml
import pytest
from fake_nvml import GIB, FakeGpu, FakeNvml

from dae_tui.devices import nvidia
from dae_tui.devices.nvidia import NvidiaGpus
from dae_tui.devices.reading import Reading

NA = "N/A on this GPU"


def three() -> list[FakeGpu]:
    return [FakeGpu(uuid=f"GPU-{index}000-aaaa", celsius=50 + index) for index in range(3)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in its only element, to be set."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_every_figure_in_its_unit() -> None:
    ((gpu,), reason) = NvidiaGpus({}, FakeNvml(FakeGpu())).read()
    assert reason == ""
    assert (gpu.index, gpu.name, gpu.uuid) == (0, "NVIDIA H200", "GPU-00000000-aaaa")
    assert gpu.utilisation == Reading(87)
    assert gpu.memory_used == Reading(12 * GIB)
    assert gpu.memory_total == Reading(139 * GIB)
    assert gpu.power == Reading(612.4)
    assert gpu.power_limit == Reading(700.0)
    assert gpu.temperature == Reading(54)
    assert gpu.clock == Reading(1980)
    assert gpu.processes == ()


def test_processes_are_read_where_they_are_asked_for() -> None:
    nvml = FakeNvml(FakeGpu(processes=((os.getpid(), 3 * GIB), (2**22 + 1, None))))
    (gpu,), _ = NvidiaGpus({}, nvml).read(processes=True)
    mine, hidden = gpu.processes
    assert (mine.pid, mine.memory) == (os.getpid(), Reading(3 * GIB))
    assert mine.user == psutil.Process().username()
    assert "python" in mine.command
    assert (hidden.user, hidden.command, hidden.memory) == ("", "", Reading(None, NA))


def test_processes_that_may_not_be_seen_have_a_reason() -> None:
    failures = {"ComputeRunningProcesses": pynvml.NVMLError_NoPermission}
    (gpu,), _ = NvidiaGpus({}, FakeNvml(FakeGpu(failures=failures))).read(processes=True)
    assert (gpu.processes, gpu.process_reason) == ((), "no permission")


def test_an_idle_gpu_has_zeros_not_gaps() -> None:
    ((gpu,), _) = NvidiaGpus({}, FakeNvml(FakeGpu(percent=0, milliwatts=0, used=0))).read()
    assert [gpu.utilisation.value, gpu.power.value, gpu.memory_used.value] == [0, 0, 0]


def test_an_old_driver_counts_memory_the_old_way() -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.has_memory_v2 = False
    ((gpu,), _) = NvidiaGpus({}, nvml).read()
    assert gpu.memory_used == Reading(13 * GIB)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (pynvml.NVMLError_LibraryNotFound, "no NVIDIA driver"),
        (pynvml.NVMLError_DriverNotLoaded, "NVIDIA driver not loaded"),
        (
            pynvml.NVMLError_LibRmVersionMismatch,
            "NVIDIA driver and library differ in version; reboot",
        ),
        (pynvml.NVMLError_NoPermission, "no permission"),
        (pynvml.NVMLError_GpuNotFound, "no NVIDIA GPU found"),
        (pynvml.NVMLError_Unknown, "NVML: unknown error"),
    ],
)
def test_nvml_that_does_not_open_says_why(failure: type[Exception], reason: str) -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.init_failure = failure
    assert NvidiaGpus({}, nvml).read() == ((), reason)


def test_no_gpu_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NvidiaGpus({}, FakeNvml()).read() == ((), "no NVIDIA GPU found")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert NvidiaGpus({}).read() == ((), "the Python package nvidia-ml-py is missing")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("UtilizationRates", {"utilisation"}),
        ("MemoryInfo", {"memory_used", "memory_total"}),
        ("PowerUsage", {"power"}),
        ("EnforcedPowerLimit", {"power_limit"}),
        ("Temperature", {"temperature"}),
    ],
)
def test_each_query_fails_on_its_own(query: str, fields: set[str]) -> None:
    gpu = FakeGpu(failures={query: pynvml.NVMLError_NotSupported})
    ((shown,), reason) = NvidiaGpus({}, FakeNvml(gpu)).read()
    readings = {key: value for key, value in vars(shown).items() if isinstance(value, Reading)}
    assert {key for key, value in readings.items() if value.value is None} == fields
    assert {readings[field].reason for field in fields} == {NA}
    assert reason == ""


def test_other_reasons_of_a_figure() -> None:
    for failure, reason in (
        (pynvml.NVMLError_NoPermission, "no permission"),
        (pynvml.NVMLError_FunctionNotFound, "unknown to this driver"),
        (pynvml.NVMLError_Timeout, "NVML: timeout"),
        (AttributeError, "NVML: "),
    ):
        nvml = FakeNvml(FakeGpu(failures={"PowerUsage": failure}))
        ((gpu,), _) = NvidiaGpus({}, nvml).read()
        assert gpu.power == Reading(None, reason)
        assert gpu.temperature == Reading(54)


def test_a_name_that_cannot_be_read_costs_only_the_name() -> None:
    failures = {"Name": pynvml.NVMLError_Unknown, "UUID": pynvml.NVMLError_NotSupported}
    ((gpu,), _) = NvidiaGpus({}, FakeNvml(FakeGpu(failures=failures))).read()
    assert (gpu.name, gpu.uuid, gpu.utilisation) == ("NVIDIA GPU", "", Reading(87))


def test_a_lost_gpu_is_shown_beside_the_others_and_comes_back(clock: list[float]) -> None:
    gpus = three()
    nvml = FakeNvml(*gpus)
    monitor = NvidiaGpus({}, nvml)
    assert [gpu.temperature.value for gpu in monitor.read()[0]] == [50, 51, 52]
    clock[0] += nvidia.RETRY_SECONDS
    gpus[1].failures["*"] = pynvml.NVMLError_GpuIsLost
    for _ in range(2):  # As found by a query, then as found by opening NVML again.
        shown, reason = monitor.read()
        assert [gpu.temperature.value for gpu in shown] == [50, None, 52]
        assert {shown[1].temperature, shown[1].memory_used} == {Reading(None, "GPU lost")}
        assert (shown[1].index, shown[1].name, shown[1].uuid) == (
            1,
            "NVIDIA H200",
            "GPU-1000-aaaa",
        )
        assert reason == ""
        clock[0] += 1
    gpus[1].failures.clear()
    assert monitor.read()[0][1].temperature.value is None  # Too early to try again.
    assert nvml.opened == 2
    clock[0] += nvidia.RETRY_SECONDS
    assert [gpu.temperature.value for gpu in monitor.read()[0]] == [50, 51, 52]
    assert (nvml.opened, nvml.closed) == (3, 2)
    clock[0] += 100
    monitor.read()
    assert nvml.opened == 3  # What works stays open.


def test_since_when_a_gpu_is_lost_is_known_if_it_answered_before(clock: list[float]) -> None:
    gpus = three()
    gpus[2].failures["*"] = pynvml.NVMLError_GpuIsLost
    monitor = NvidiaGpus({}, FakeNvml(*gpus))
    assert [gpu.lost_since for gpu in monitor.read()[0]] == [None, None, None]
    gpus[1].failures["*"] = pynvml.NVMLError_GpuIsLost
    before = time.time()
    _, first, never = monitor.read()[0]
    assert first.lost_since is not None
    assert before <= first.lost_since <= time.time()
    assert first.silence.startswith("GPU lost since ")
    assert never.silence == "GPU lost"
    clock[0] += nvidia.RETRY_SECONDS
    assert monitor.read()[0][1].lost_since == first.lost_since  # Over opening NVML again.
    gpus[1].failures.clear()
    clock[0] += nvidia.RETRY_SECONDS
    back = monitor.read()[0][1]
    assert (back.lost_since, back.silence) == (None, "")


def test_a_lost_gpu_is_not_asked_for_every_figure(clock: list[float]) -> None:
    gpu = FakeGpu()
    monitor = NvidiaGpus({}, FakeNvml(gpu))
    monitor.read()
    gpu.failures["UtilizationRates"] = pynvml.NVMLError_GpuIsLost
    ((shown,), _) = monitor.read()
    assert shown.utilisation == shown.temperature == Reading(None, "GPU lost")


def test_a_driver_that_is_loaded_later_is_found(clock: list[float]) -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.init_failure = pynvml.NVMLError_DriverNotLoaded
    monitor = NvidiaGpus({}, nvml)
    assert monitor.read()[1] == "NVIDIA driver not loaded"
    nvml.init_failure = None
    assert monitor.read()[0] == ()
    clock[0] += nvidia.RETRY_SECONDS
    assert len(monitor.read()[0]) == 1


def test_gpus_without_permission_are_not_counted_as_cuda_does_not() -> None:
    gpus = three()
    gpus[0].failures["Handle"] = pynvml.NVMLError_NoPermission
    shown, reason = NvidiaGpus({}, FakeNvml(*gpus)).read()
    assert [(gpu.index, gpu.uuid) for gpu in shown] == [(0, "GPU-1000-aaaa"), (1, "GPU-2000-aaaa")]
    assert reason == "no permission for 1 of the GPUs"


def test_visible_devices_choose_and_order() -> None:
    nvml = FakeNvml(*three())
    shown, reason = NvidiaGpus({"CUDA_VISIBLE_DEVICES": "2,GPU-0"}, nvml).read()
    assert [(gpu.index, gpu.temperature.value) for gpu in shown] == [(0, 52), (1, 50)]
    assert reason == ""
    shown, reason = NvidiaGpus({"CUDA_VISIBLE_DEVICES": "1,5,0"}, nvml).read()
    assert [gpu.temperature.value for gpu in shown] == [51]
    assert reason == "CUDA_VISIBLE_DEVICES ends at '5': no such GPU"
    hidden = ((), "CUDA_VISIBLE_DEVICES hides all GPUs")
    assert NvidiaGpus({"CUDA_VISIBLE_DEVICES": ""}, nvml).read() == hidden


def test_a_gpu_in_mig_mode_has_no_utilisation() -> None:
    gpu = FakeGpu(mig=True, failures={"UtilizationRates": pynvml.NVMLError_NotSupported})
    ((shown,), _) = NvidiaGpus({}, FakeNvml(gpu)).read()
    assert shown.utilisation == Reading(None, "N/A in MIG mode")
    assert shown.temperature == Reading(54)


def test_mig_instances_have_memory_of_their_own() -> None:
    refused = dict.fromkeys(
        ("UtilizationRates", "PowerUsage", "EnforcedPowerLimit"), pynvml.NVMLError_NotSupported
    ) | {"Temperature": pynvml.NVMLError_InvalidArgument}
    instance = FakeGpu(
        "NVIDIA H200 MIG 1g.18gb", "MIG-77", used=2 * GIB, total=16 * GIB, failures=refused
    )
    nvml = FakeNvml(FakeGpu(mig=True), instances=[instance])
    environment = {"CUDA_VISIBLE_DEVICES": "MIG-77,MIG-88,0"}
    ((shown,), reason) = NvidiaGpus(environment, nvml).read()
    assert (shown.index, shown.name) == (0, "NVIDIA H200 MIG 1g.18gb")
    assert (shown.memory_used, shown.memory_total) == (Reading(2 * GIB), Reading(16 * GIB))
    assert {shown.utilisation, shown.power, shown.power_limit, shown.temperature} == {
        Reading(None, "N/A in MIG mode")
    }
    assert reason == "CUDA_VISIBLE_DEVICES ends at 'MIG-88': no such GPU"


def test_closing_lets_nvml_go_and_looking_opens_it_again() -> None:
    nvml = FakeNvml(FakeGpu())
    monitor = NvidiaGpus({}, nvml)
    monitor.close()
    assert nvml.closed == 0
    monitor.read()
    monitor.close()
    monitor.close()
    assert nvml.closed == 1
    assert len(monitor.read()[0]) == 1
