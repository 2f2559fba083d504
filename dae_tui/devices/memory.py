"""Memory of the machine, or of the container if that has less."""

from contextlib import suppress
from pathlib import Path

import psutil

from dae_tui.devices.processor import FAILURES
from dae_tui.devices.reading import Reading
from dae_tui.system.control_group import limit_of, used_by


def memory(limited: Path | None) -> tuple[Reading, Reading]:
    """Bytes used and bytes in all; `limited` is the control group from `find_limit`.

    Used is the total less what programs could still get.
    """
    try:
        machine = psutil.virtual_memory()
    except FAILURES as failure:
        nothing = Reading(None, f"no memory figures: {failure}")
        return nothing, nothing
    if limited is not None:
        # The limit or the group may be gone by now.
        with suppress(OSError, ValueError):
            limit = limit_of(limited)
            if limit < machine.total:
                return Reading(used_by(limited)), Reading(limit)
    return Reading(machine.total - machine.available), Reading(machine.total)
