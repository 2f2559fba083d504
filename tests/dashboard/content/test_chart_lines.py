"""What a chart can show of runs."""

from typing import Any

import pytest

from dae_tui.dashboard.content.chart_lines import Metric, curve_of, lines_of, metrics_in
from dae_tui.runs.watching.curves import Curves

GIB = 2**30


def devices(step: int, *gpus: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event": "devices", "step": step, "gpus": list(gpus), **more}


def curves_of(*events: dict[str, Any]) -> Curves:
    curves = Curves()
    for event in events:
        curves.add(event)
    return curves


def shown(curves: Curves, metric: Metric) -> dict[str, list[float]]:
    return {each.name: each.line.y.tolist() for each in lines_of(curves, metric)}


def test_each_gpu_has_a_line_and_the_processor_comes_last() -> None:
    every = [{"gpu": n, "use": 10.0 * n, "memory": n * GIB, "power": 100.0 + n} for n in (2, 10)]
    curves = curves_of(devices(5, *every, cpu=30.0), devices(9, *every, cpu=40.0))
    assert metrics_in([curves]) == [Metric.LOSS, Metric.USE, Metric.MEMORY, Metric.POWER]
    use = {"GPU 2": [20.0, 20.0], "GPU 10": [100.0, 100.0], "CPU": [30.0, 40.0]}
    assert list(shown(curves, Metric.USE).items()) == list(use.items())
    assert shown(curves, Metric.MEMORY) == {"GPU 2": [2.0, 2.0], "GPU 10": [10.0, 10.0]}
    assert shown(curves, Metric.POWER) == {"GPU 2": [102.0, 102.0], "GPU 10": [110.0, 110.0]}


def test_beside_other_runs_the_mean_of_the_gpus_is_shown() -> None:
    both = [{"gpu": 0, "use": 90.0, "memory": GIB}, {"gpu": 1, "use": 50.0, "memory": 3 * GIB}]
    curves = curves_of(devices(5, *both, cpu=30.0))
    assert curve_of(curves, Metric.USE).values() == [70.0]
    assert curve_of(curves, Metric.MEMORY).values() == [2.0]
    assert curve_of(curves_of(devices(5, cpu=30.0)), Metric.USE).values() == [30.0]
    assert not len(curve_of(Curves(), Metric.POWER))


def test_a_training_on_the_processor_has_its_use_alone() -> None:
    curves = curves_of({"event": "devices", "step": 5, "cpu": 88.5})
    assert metrics_in([curves]) == [Metric.LOSS, Metric.USE]
    assert shown(curves, Metric.USE) == {"CPU": [88.5]}


def test_steps_that_are_repeated_replace_those_of_the_devices_too() -> None:
    gpu = {"gpu": 0, "use": 90.0}
    before = [devices(step, gpu, cpu=10.0) for step in (5, 9)]
    curves = curves_of(*before, {"event": "started", "step": 6})
    assert shown(curves, Metric.USE) == {"GPU 0": [90.0], "CPU": [10.0]}


@pytest.mark.parametrize(
    "gpus",
    [7, "many", None, [5], [{"gpu": True, "use": 5.0}], [{"gpu": -1, "use": 5.0}], [{"use": 5.0}]],
)
def test_a_broken_line_is_left_out(gpus: object) -> None:
    event = {"event": "devices", "step": 5, "cpu": "half", "gpus": gpus}
    assert not curves_of(event).devices
