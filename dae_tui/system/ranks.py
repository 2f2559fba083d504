"""The rank of this process among several, from the environment of `torchrun`. No torch."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """The place of a process among those that train together."""

    rank: int = 0
    size: int = 1
    local: int = 0
    """The rank on its own machine, which is also the number of its GPU."""


def ranks() -> Ranks:
    """From `RANK`, `WORLD_SIZE` and `LOCAL_RANK`; a single process if they are not set."""
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_RANK", "0"))
    except (KeyError, ValueError):
        return Ranks()
    return Ranks(rank, size, local) if 0 <= rank < size and local >= 0 else Ranks()
