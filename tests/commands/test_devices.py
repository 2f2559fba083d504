"""`dae devices`: a table, JSON, and looking again until told to stop."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pynvml
import pytest
from command_line import Dae
from fake_nvml import FakeGpu, FakeNvml

from dae_tui.commands.devices import _missing, _readings
from dae_tui.devices import monitor

COMMAND = [sys.executable, "-m", "dae_tui", "devices"]
Plug = Callable[..., FakeNvml]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Give this machine the GPUs."""

    def with_gpus(*gpus: FakeGpu) -> FakeNvml:
        nvml = FakeNvml(*gpus)
        monkeypatch.setattr(monitor, "Monitor", partial(monitor.Monitor, {}, nvml))
        return nvml

    return with_gpus


def test_the_table_has_every_figure(dae: Dae, plug: Plug) -> None:
    nvml = plug(FakeGpu(), FakeGpu(name="NVIDIA L4", celsius=31))
    outcome = dae("devices")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[2].split() == ["0", "NVIDIA", "H200", "87", "12.0/139.0", "612/700", "54", "1980"]
    assert lines[3].split() == ["1", "NVIDIA", "L4", "87", "12.0/139.0", "612/700", "31", "1980"]
    assert lines[4].startswith("CPU  ")
    assert " % " in lines[4]
    assert lines[5].startswith("RAM  ")
    assert lines[5].endswith(" GiB")
    assert nvml.closed == 1


def test_missing_figures_say_why_below_the_table(dae: Dae, plug: Plug) -> None:
    na, lost = pynvml.NVMLError_NotSupported, pynvml.NVMLError_GpuIsLost
    plug(FakeGpu(failures={"PowerUsage": na, "Temperature": na}), FakeGpu(failures={"*": lost}))
    out = dae("devices").out
    assert "–/700" in out
    assert "\nGPU 0  power, temperature: N/A on this GPU\n" in out
    assert "\nGPU 1  GPU lost\n" in out


def test_a_gpu_that_was_lost_while_it_was_watched_says_since_when(
    plug: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dae_tui.commands.devices.FIRST_SECONDS", 0.0)
    gpu = FakeGpu()
    plug(FakeGpu(), gpu)
    readings = _readings(0.0)
    next(readings)
    gpu.failures["*"] = pynvml.NVMLError_GpuIsLost
    lost = next(readings).gpus[1]
    assert re.fullmatch(r"GPU lost since [\d:]{8}", _missing(lost))


def test_what_a_driver_says_steers_no_terminal(dae: Dae, plug: Plug) -> None:
    plug(FakeGpu(name="H\x1b[31m\n9"))
    assert r" 0  H\x1b[31m\n9 " in dae("devices").out


def test_no_gpu_is_a_line_with_the_reason(dae: Dae, plug: Plug) -> None:
    plug().init_failure = pynvml.NVMLError_DriverNotLoaded
    outcome = dae("devices")
    assert outcome.code == 0
    assert outcome.out.startswith("GPU  NVIDIA driver not loaded\nCPU  ")


def test_json_is_one_object(dae: Dae, plug: Plug) -> None:
    plug(FakeGpu())
    shown = json.loads(dae("devices", "--json").out)
    assert shown["gpus"][0]["utilisation"] == 87
    assert 0 <= shown["cpu_utilisation"] <= 100
    assert {"host", "time", "memory_used", "memory_total", "gpu_reason"} <= set(shown)


def test_eighty_columns_hold_a_long_name_whole(
    dae: Dae, plug: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")  # No styles, which would count as columns here.
    monkeypatch.setenv("COLUMNS", "80")
    plug(FakeGpu(name="NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"))
    lines = dae("devices").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "612/700" in lines[2]
    assert "Edition" in "\n".join(lines)


@pytest.mark.parametrize("interval", ["0.05", "0", "-1", "nan", "inf"])
def test_an_interval_has_bounds(dae: Dae, interval: str) -> None:
    outcome = dae("devices", "--interval", interval)
    assert outcome.code == 2
    assert "0.1 to 86400" in outcome.err


def test_watching_prints_an_object_per_line_until_interrupted() -> None:
    command = [*COMMAND, "--watch", "--json", "--interval", "0.1"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that are started in the background ignore it, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        looks = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert process.stderr.read() == ""
    first, second, third = (look["time"] for look in looks)
    assert 0.1 <= second - first < 5
    assert 0.1 <= third - second < 5


def test_a_reader_that_has_had_enough_ends_the_watch() -> None:
    for more in ([], ["--json"]):
        with subprocess.Popen(
            [*COMMAND, "--watch", "--interval", "0.1", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"DAE_DEBUG": "1"},
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=10) == 0
            assert process.stderr.read() == b""
