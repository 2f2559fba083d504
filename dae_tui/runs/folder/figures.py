"""The figures of a run by the names under which other programs get them, step by step."""

from collections.abc import Iterator, Mapping
from typing import Any

from dae_tui.runs.folder.reader import MetricsFollower, Run
from dae_tui.runs.folder.summary import number

# What events hold, by its name outside: `val_loss` of ours is a curve beside that of the training.
_NAMES = {
    "step": {
        "loss": "loss/train",
        "lr": "learning_rate",
        "images_per_second": "images_per_second",
        "epoch": "epoch",
    },
    "validation": {
        "val_loss": "loss/val",
        "val_psnr": "psnr/val",
        "val_accuracy": "accuracy/val",
    },
}
NAMES = tuple(name for names in _NAMES.values() for name in names.values())


def figures_of(event: Mapping[str, Any]) -> dict[str, float]:
    """The figures of an event of the metrics by name; empty for events without any."""
    if event.get("event") == "devices":
        return _device_figures(event)
    names = _NAMES.get(str(event.get("event")), {})
    known = {name: number(event.get(key)) for key, name in names.items()}
    return {name: value for name, value in known.items() if value is not None}


def _device_figures(event: Mapping[str, Any]) -> dict[str, float]:
    """How busy the processor and each GPU were; memory in GiB."""
    found = {"cpu_percent": number(event.get("cpu"))}
    gpus = event.get("gpus")
    for gpu in gpus if isinstance(gpus, list) else ():
        if isinstance(gpu, Mapping) and type(gpu.get("gpu")) is int:
            index, memory = gpu["gpu"], number(gpu.get("memory"))
            found[f"gpu_percent/{index}"] = number(gpu.get("use"))
            found[f"gpu_memory_gib/{index}"] = None if memory is None else memory / 2**30
            found[f"gpu_watts/{index}"] = number(gpu.get("power"))
    return {name: value for name, value in found.items() if value is not None}


def valid_events(run: Run) -> Iterator[dict[str, Any]]:
    """The events of a run that hold: without the steps that it repeated when it was resumed."""
    follower, events = MetricsFollower(run), list[dict[str, Any]]()
    before = -1
    while follower.offset != before:
        before = follower.offset
        for event in follower.read():
            step = number(event.get("step"))
            if event.get("event") == "started" and step is not None:
                while events and (number(events[-1].get("step")) or 0) > step:
                    events.pop()
            events.append(event)
    yield from events
