"""The fields of the form of a new training, and the config that they describe. No Textual."""

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dae_tui.errors import DaeError, UsageError
from dae_tui.find_weights import find_weights
from dae_tui.models.registry import NETWORKS, TRAINED
from dae_tui.runs.folder.layout import new_run_name
from dae_tui.runs.places import runs_dir_option
from dae_tui.spec.loss_spec import rename_classifier
from dae_tui.spec.model_cards import published
from dae_tui.spec.training_config import (
    ALONE,
    DATA_SETS,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    SUPERVISIONS,
    TrainingConfig,
    command_line,
    default_config,
    find_supervision,
    parse_widths,
)
from dae_tui.system.regular_files import is_file, is_folder

# The fields of the two columns by their names in the config (but for `widths` and `name`).
LEFT = {
    "network": "network",
    "data": "data",
    "supervision": "supervision",
    "noise": "noise",
    "clip": "clip",
    "patch": "crops",
    "augment": "augment",
    "epochs": "epochs",
    "batch_size": "batch size",
    "lr": "learning rate",
}
RIGHT = {
    "optimizer": "optimizer",
    "schedule": "schedule",
    "loss": "loss",
    "shift": "shift",
    "widths": "widths",
    "seed": "seed",
    "precision": "precision",
    "device": "device",
    "classifier": "classifier",
    "name": "name",
}
LABELS = LEFT | RIGHT
CHOICES = {
    "network": TRAINED,
    "supervision": ("auto", *SUPERVISIONS),
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
}
NUMBERS: dict[str, type[int] | type[float]] = {
    "epochs": int,
    "batch_size": int,
    "lr": float,
    "patch": int,
    "shift": int,
    "seed": int,
}
# An empty field means the default for the network and the data.
PLACEHOLDERS = {
    "widths": "the network's own",
    "classifier": "the published one",
    "name": "data and network",
}
# What a checkbox does.
CHECKED = {"clip": "to [0, 1]", "augment": "flip and turn"}
# Stands in the field of the noise where the images are noisy already.
NO_NOISE = {"pairs": "none needed: pairs", "noise2noise": "none needed: takes"} | dict.fromkeys(
    ALONE, "none needed: noisy images"
)
# What can be learnt from a single file: one noisy image, or a stack.
FROM_A_FILE = ALONE
DEVICES = ("auto", "cpu", "cuda", "mps")
Values = Mapping[str, str | bool]


class FieldError(UsageError):
    """Some fields have impossible values; the message is that of the first."""

    def __init__(self, faults: Mapping[str, DaeError]) -> None:
        first = next(iter(faults.values()))
        super().__init__(first.message, first.hint)
        self.fields = tuple(faults)
        self.faults = dict(faults)
        """What is wrong with each field."""


def defaults(network: str, data: str, supervision: str = "auto") -> dict[str, str | bool]:
    """The values of an untouched form; the name of the data may be half typed.

    The noise is empty where none is needed: see `no_noise`.
    """
    path = data_path(data)
    none_needed = no_noise(network, data, supervision)
    try:
        config = default_config(network, path, supervision=supervision)
    except UsageError:  # It does not exist, or nothing of that kind can be learnt from it.
        config = default_config(network, path if path in DATA_SETS else "mnist")
    values: dict[str, str | bool] = {
        key: value if isinstance(value, bool) else str(value)
        for key, value in config.as_json().items()
        if key in LABELS
    }
    values |= {"data": data, "supervision": supervision, "widths": "", "name": ""}
    return values | ({"noise": ""} if none_needed else {})


def no_noise(network: str, data: str, supervision: str = "auto") -> str:
    """Why no noise need be added to the images; empty where it must."""
    path = data_path(data)
    if NETWORKS[network].task != "denoise" or path in DATA_SETS or not path:
        return ""
    return NO_NOISE.get(find_supervision(path, asked=supervision), "")


def data_path(typed: str) -> str:
    """A data set by its name, else an absolute path, as another process reads it; may be empty."""
    if not typed or typed in DATA_SETS:
        return typed
    # Not Path: its expanduser raises for an unknown user, and its resolve follows links.
    return os.path.abspath(os.path.expanduser(typed))  # noqa: PTH100, PTH111


def read_form(values: Values, runs_dir: Path) -> tuple[TrainingConfig, str]:
    """The config that a form describes, and the name of the run, empty for its label.

    Raises FieldError. Every field is checked on its own, with defaults in all others, so that
    every fault is found and not only the first.
    """
    network, data = str(values["network"]), str(values["data"]).strip()
    supervision = str(values["supervision"])
    faults: dict[str, DaeError] = {}
    if data not in DATA_SETS:
        data = data_path(data)
        if not (is_folder(data) or (supervision in FROM_A_FILE and is_file(data))):
            typed = str(values["data"]).strip()
            faults["data"] = UsageError(
                f"there is no data set '{typed}'",
                f"use {', '.join(DATA_SETS)} or a folder of images",
            )
            data, supervision = "mnist", "auto"
    try:
        default = default_config(network, data, supervision=supervision)
        default = dataclasses.replace(default, supervision=supervision)
    except DaeError as failure:
        faults["supervision"] = failure
        default = default_config(network, "mnist")
    changes: dict[str, Any] = {}
    for key in LABELS:
        text = values[key]
        if key in ("network", "data", "supervision", "name") or text == "":
            continue
        try:
            change = _change(key, text, runs_dir)
            dataclasses.replace(default, **change)
        except DaeError as failure:
            faults[key] = failure
        else:
            changes |= change
    name = str(values["name"]).strip()
    try:
        new_run_name(name or default.label)
    except UsageError as failure:
        faults["name"] = failure
    if faults:
        raise FieldError(
            dict(sorted(faults.items(), key=lambda fault: list(LABELS).index(fault[0])))
        )
    return dataclasses.replace(default, **changes), name


def _change(key: str, text: str | bool, runs_dir: Path) -> dict[str, Any]:
    """What a field changes in the config. Raises DaeError for what it cannot hold."""
    if isinstance(text, bool):
        return {key: text}
    text = text.strip()
    match key:
        case "loss":
            return {key: rename_classifier(text, lambda name: _from_everywhere(name, runs_dir))}
        case "widths":
            return {"settings": {"widths": parse_widths(text)}}
        case "classifier":
            return {key: _from_everywhere(text, runs_dir)}
        case "device":
            if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", text):
                raise UsageError(
                    f"there is no device '{text}'", "use auto, cpu, cuda, cuda:N or mps"
                )
        case _ if key in NUMBERS:
            try:
                return {key: NUMBERS[key](text)}
            except ValueError as failure:
                kind = "a whole number" if NUMBERS[key] is int else "a number"
                raise UsageError(
                    f"the {LABELS[key]} '{text}' is not {kind}", f"for example {_example(key)}"
                ) from failure
    return {key: text}


def _from_everywhere(weights: str, runs_dir: Path) -> str:
    """Published weights by their name, others by a path. Raises DaeError if there are none."""
    if weights in published():
        return weights
    return str(find_weights(weights, runs_dir).resolve())


def _example(key: str) -> str:
    return str(getattr(default_config("autoencoder"), key))


def shown_command(config: TrainingConfig, name: str, runs_dir: Path) -> str:
    """The command line that starts the same run, in the same folder of runs."""
    words = ["--device", config.device] if config.device != "auto" else []
    words += ["--name", name] if name else []
    words += runs_dir_option(runs_dir)
    return f"{command_line(config)} {shlex.join([*words, '--detach'])}"


def broken_into_lines(command: str, width: int) -> list[str]:
    r"""A command line in lines of at most `width` characters that a shell reads as one.

    All but the last end in a backslash. A word that is longer has a line of its own.
    """
    lines, line = [], ""
    for word in _shell_words(command):
        if line and len(line) + 1 + len(word) > width - 2:
            lines.append(f"{line} \\")
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _shell_words(command: str) -> list[str]:
    """The words as they are written, with their quotes."""
    return [shlex.quote(word) for word in shlex.split(command)]
