"""One of two processes that train together, for `test_distributed`; prints what it met, as JSON."""

import json
import sys
from pathlib import Path

import torch

from dae_tui.core.training.distributed import Group, LostProcessError, joined
from dae_tui.core.training.experiment import prepare
from dae_tui.errors import DaeError, DivergedError
from dae_tui.spec.training_config import TrainingConfig

CPU = torch.device("cpu")


def meet_on_other_images(group: Group) -> str:
    try:
        group.meet(f"images {group.rank}", CPU)
    except DaeError as failure:
        return failure.message
    return "nothing"


def masks_of_dropout(group: Group, data_dir: Path) -> list[bool]:
    """What dropout is about to drop in the first step."""
    config = TrainingConfig(
        "classifier",
        {"widths": [4]},
        "digits",
        noise="none",
        loss="cross-entropy",
        data_dir=str(data_dir),
    )
    prepare(config, None, "").train(group=group)
    return (torch.rand(64) < 0.5).tolist()


def end(group: Group) -> None:
    """Rank 0 fails between two steps; the other process waits for it in vain."""
    if group.is_rank_0:
        raise DivergedError("the training diverged")
    group.any(False)


if __name__ == "__main__":
    met: dict[str, object] = {}
    try:
        with joined() as group:
            met["images"] = meet_on_other_images(group)
            met["dropout"] = masks_of_dropout(group, Path(sys.argv[1]))
            end(group)
    except (DivergedError, LostProcessError) as failure:
        met["end"] = type(failure).__name__
    print(json.dumps(met))
