"""The processor cores that this process may use."""

import os


def usable_cores() -> int:
    """How many there are, at least 1: fewer than the machine's under taskset or in a container."""
    if hasattr(os, "sched_getaffinity"):  # Not on macOS and Windows.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
