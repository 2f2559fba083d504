"""The files in a run's folder, and how they are replaced.

<date>-<time>-<name>-<4hex>/
config.json     what was asked for
meta.json       which run this is; versions, git, argv, device
status.json     process, host, state, step, heartbeat: replaced whole, every second while it trains
lock            held (flock) while the training lives
metrics.jsonl   one JSON object per line, only ever appended to
train.log       the messages of the training
control.json    the request of another process: pause, resume or stop
tags.json       words and a note of a person, group, archived: where there are any
checkpoints/{last,best}/weights.safetensors, checkpoints/last/state.safetensors
samples/<step>.npz
"""

import json
import math
import os
import re
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from dae_tui.errors import UsageError
from dae_tui.system.atomic import write_whole
from dae_tui.system.regular_files import read_regular

CONFIG = "config.json"
META = "meta.json"
STATUS = "status.json"
LOCK = "lock"
METRICS = "metrics.jsonl"
LOG = "train.log"
CONTROL = "control.json"
TAGS = "tags.json"
SAMPLES = "samples"
BEST_WEIGHTS = Path("checkpoints", "best", "weights.safetensors")
LAST_STATE = Path("checkpoints", "last", "state.safetensors")
METRICS_VERSION = 1
# The most bytes of one JSON file of a run; ours take a few thousand.
MOST_JSON = 4 << 20
# The longest name that file systems take, less the rest of a run's name.
LONGEST_LABEL = 200
HEARTBEAT_SECONDS = 1.0


class State(StrEnum):
    """What a run is doing.

    `crashed` is never written: a reader finds the lock free. Nor is `silent`: the event files of
    another program's training have not grown for a while, and do not say why.
    """

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"
    SILENT = "silent"

    @property
    def alive(self) -> bool:
        return self in (State.STARTING, State.RUNNING, State.PAUSED, State.EVALUATING)


class Request(StrEnum):
    """What another process can ask of a training, in `control.json`."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


def new_run_name(label: str) -> str:
    """A unique name that sorts by time: 20260131-235959-LABEL-3f2a.

    Raises UsageError for a label with other characters than letters, digits and `_.+-`, which are
    safe in a shell and on a terminal.
    """
    if (
        re.fullmatch(r"[\w.+-]+", label) is None
        or label.startswith((".", "-"))
        or len(label.encode()) > LONGEST_LABEL
    ):
        raise UsageError(
            f"a run cannot be named {label[:LONGEST_LABEL]!r}",
            f"use letters, digits, and - or _ between them, {LONGEST_LABEL} bytes at most",
        )
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{label}-{os.urandom(2).hex()}"


def dump_json(value: Mapping[str, Any], indent: int | None = None) -> str:
    """`value` as JSON that every reader accepts: numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_whole(path, (dump_json(value, indent=2) + "\n").encode())


def read_json(path: Path, most: int = MOST_JSON) -> dict[str, Any] | None:
    """The object in a JSON file of at most `most` bytes; None if there is no such thing."""
    try:
        value = json.loads(read_regular(path, most))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def make_folder(folder: Path) -> None:
    """Create the folder of a new run and its marker. Raises OSError, also if it exists."""
    folder.mkdir(parents=True)
    write_json(folder / META, {"run": folder.name})
    os.close(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))


def heard_of(status: Mapping[str, Any], seconds: float) -> bool:
    """Whether the heartbeat of a status is less than so many seconds old."""
    heartbeat = status.get("heartbeat")
    # Compared, not subtracted: an integer beyond the range of floats would raise.
    return isinstance(heartbeat, int | float) and heartbeat > time.time() - seconds
