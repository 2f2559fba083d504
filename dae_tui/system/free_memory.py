"""How much memory this process can still get."""

from contextlib import suppress

import psutil

from dae_tui.system.control_group import find_limit, limit_of, used_by


def free_memory() -> int:
    """The bytes that are free on the machine, or in the container if those are fewer."""
    free = int(psutil.virtual_memory().available)
    group = find_limit()
    if group is not None:
        with suppress(OSError, ValueError):
            free = min(free, max(0, limit_of(group) - used_by(group)))
    return free
