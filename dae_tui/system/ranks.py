"""Which of several processes this one is, as `torchrun` tells each in its environment. No torch."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """One process among those that were started together."""

    rank: int = 0
    size: int = 1
    local: int = 0
    """Its number on its own machine: which of the GPUs there is its."""


def ranks() -> Ranks:
    """What `RANK`, `WORLD_SIZE` and `LOCAL_RANK` say; alone where they are not set."""
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_RANK", "0"))
    except (KeyError, ValueError):
        return Ranks()
    return Ranks(rank, size, local) if 0 <= rank < size and local >= 0 else Ranks()
