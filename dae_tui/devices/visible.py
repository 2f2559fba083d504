"""CUDA_VISIBLE_DEVICES, interpreted as CUDA does."""

import re
from collections.abc import Sequence


def choose(listed: str | None, uuids: Sequence[str]) -> tuple[list[int | str], str]:
    """The visible GPUs in CUDA's order, and why there are no more.

    `listed` is the variable; None if it is unset, which makes all visible. A GPU is given as its
    position in `uuids`, a MIG instance as its UUID. Entries after one that CUDA cannot resolve are
    invisible; a GPU named twice hides all.
    """
    if listed is None:
        return list(range(len(uuids))), ""
    if listed.strip() in ("", "-1"):
        return [], "CUDA_VISIBLE_DEVICES hides all GPUs"
    chosen: list[int | str] = []
    for entry in listed.split(","):
        found = _find(entry.strip(), uuids)
        if found is None:
            return chosen, ends_at(entry.strip())
        if found in chosen:
            return [], f"CUDA_VISIBLE_DEVICES names {entry.strip()} twice, which hides all GPUs"
        chosen.append(found)
    return chosen, ""


def ends_at(entry: str, why: str = "no such GPU") -> str:
    """The reason why nothing from this entry on is visible."""
    return f"CUDA_VISIBLE_DEVICES ends at '{entry}': {why}"


def _find(entry: str, uuids: Sequence[str]) -> int | str | None:
    if entry.startswith("MIG-"):
        return entry
    if entry.startswith("GPU-"):
        matches = [index for index, uuid in enumerate(uuids) if uuid.startswith(entry)]
        return matches[0] if len(matches) == 1 else None
    # CUDA takes the digits an entry begins with, as strtoul does.
    number = re.match(r"\+?\d+", entry)
    return int(number[0]) if number and int(number[0]) < len(uuids) else None
