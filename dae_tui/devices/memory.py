"""Memory of the machine, or of the container if that has less."""

from contextlib import suppress
from pathlib import Path

import psutil

from dae_tui.devices.processor import FAILURES
from dae_tui.devices.reading import Reading

CGROUPS = Path("/sys/fs/cgroup")


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
            limit = int((limited / "memory.max").read_text())
            if limit < machine.total:
                return Reading(_used(limited)), Reading(limit)
    return Reading(machine.total - machine.available), Reading(machine.total)


def find_limit(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The control group (version 2) with the lowest memory.max among ours and its parents."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            if line.startswith("0::"):
                group = root / line.removeprefix("0::").strip("/")
                above = [folder for folder in group.parents if folder.is_relative_to(root)]
                limits = {folder: _limit(folder) for folder in (group, *above)}
                known = {folder: limit for folder, limit in limits.items() if limit is not None}
                return min(known, key=lambda folder: known[folder]) if known else None
    return None


def _limit(folder: Path) -> int | None:
    with suppress(OSError, ValueError):  # ValueError: "max" is no limit.
        return int((folder / "memory.max").read_text())
    return None


def _used(folder: Path) -> int:
    """The memory of the group without the file cache that the kernel would free first."""
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    current = int((folder / "memory.current").read_text())
    return max(0, current - int(stat.get("inactive_file", 0)))
