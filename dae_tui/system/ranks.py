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
    here: int = 1
    """How many of the processes are on its machine."""


def ranks() -> Ranks:
    """From the variables that torchrun sets; a single process if `RANK` or `WORLD_SIZE` is not."""
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_RANK", "0"))
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    except (KeyError, ValueError):
        return Ranks()
    return Ranks(rank, size, local, here) if 0 <= rank < size and local >= 0 else Ranks()
