"""The control group (version 2) of Linux that limits the memory of this process, as containers do.

Its files may vanish at any time: the functions that read them raise OSError or ValueError then.
"""

from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def find_limit(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The group with the lowest memory.max among ours and its parents; None without a limit."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            if line.startswith("0::"):
                group = root / line.removeprefix("0::").strip("/")
                above = [folder for folder in group.parents if folder.is_relative_to(root)]
                limits: dict[Path, int] = {}
                for folder in (group, *above):
                    with suppress(OSError, ValueError):  # ValueError: "max" is no limit.
                        limits[folder] = limit_of(folder)
                return min(limits, key=lambda folder: limits[folder]) if limits else None
    return None


def limit_of(group: Path) -> int:
    """The limit in bytes. Raises OSError, or ValueError for none."""
    return int((group / "memory.max").read_text())


def used_by(group: Path) -> int:
    """The bytes in use, without the file cache that the kernel would free first.

    Raises OSError or ValueError.
    """
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    current = int((group / "memory.current").read_text())
    return max(0, current - int(stat.get("inactive_file", 0)))
