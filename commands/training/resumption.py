"""What a resumed run is trained with: its own config, and where its images are now."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.training_config import DATA_SETS, TrainingConfig, command_line, flag
from dae_tui.system.printable import shortened
from dae_tui.system.regular_files import is_file, is_folder

# What may change when a run is resumed; everything else decides the weights.
RESUMABLE = ("epochs", "data_dir", "device", "classifier", "compile")
# Folders, which may have moved: a checksum tells whether the images are the same.
PLACES = ("data", "noisy")


def resumed(run: Run, changed: Mapping[str, Any]) -> tuple[TrainingConfig, str]:
    """The run's own config, with more epochs or what another machine needs, and its command.

    Args:
        run: to go on with.
        changed: what was typed, by the fields of the config.

    Raises RunError for a run without a config, UsageError for what cannot change.
    """
    stored = run.config()
    if not stored:
        raise RunError(f"the run {run.name} has no readable config.json", "start a new training")
    moved = {key for key in PLACES if _may_move(stored.get(key), changed.get(key))}
    fixed = [
        key
        for key in changed
        if key not in (*RESUMABLE, *moved) and changed[key] != stored.get(key)
    ]
    if fixed:
        raise UsageError(
            f"a resumed run keeps its {', '.join(sorted(fixed))}",
            f"only {', '.join(map(flag, RESUMABLE))} can change, and --data where a folder has "
            "moved; or start a new training",
        )
    here = stored | _found_beside(run, stored, changed)
    here |= {key: changed[key] for key in (*RESUMABLE, *moved) if key in changed}
    config = TrainingConfig.from_json(here)
    reached = run.status().get("epoch", 0)
    if config.epochs < reached:
        raise UsageError(
            f"the run {run.name} is in epoch {reached}, beyond {config.epochs}",
            f"train longer with --epochs {2 * reached}",
        )
    if run.state() is State.FINISHED and config.epochs <= stored["epochs"]:
        raise UsageError(
            f"the run {run.name} has finished its {config.epochs} epochs",
            f"train longer with --epochs {2 * config.epochs}",
        )
    began = dataclasses.replace(config, epochs=stored["epochs"])
    command = run.meta().get("command") or command_line(began)
    if config.epochs != stored["epochs"]:
        command += f" && dae train --resume latest --epochs {config.epochs}"
    return config, command


def as_options(changed: Mapping[str, Any]) -> list[str]:
    """The options of `dae train` that change a config so."""
    options = dict(changed)
    if "noisy" in options:
        options["clean"] = options.pop("data")
    return [part for key, value in options.items() for part in (flag(key), str(value))]


def _may_move(stored: Any, typed: Any) -> bool:
    """Whether both are folders, and not data sets by name."""
    return all(isinstance(each, str) and each and each not in DATA_SETS for each in (stored, typed))


def _found_beside(
    run: Run, stored: Mapping[str, Any], changed: Mapping[str, Any]
) -> dict[str, str]:
    """The folders that are gone, but lie beside the run as they did before it was moved.

    Raises UsageError for those that are nowhere.
    """
    before, found = run.recorded_folder(), {}
    for key in PLACES:
        place = stored.get(key)
        if not isinstance(place, str) or not place or place in DATA_SETS or key in changed:
            continue
        if is_folder(place) or is_file(place):
            continue
        if before is None:
            raise _gone(run, place)
        beside = os.path.normpath(run.folder.resolve() / os.path.relpath(place, before))
        if not Path(beside).exists():
            raise _gone(run, place)
        found[key] = beside
    return found


def _gone(run: Run, place: str) -> UsageError:
    return UsageError(
        f"the images of the run {run.name} are gone: there is no folder {shortened(place)}",
        "say where they are now with --data FOLDER",
    )
