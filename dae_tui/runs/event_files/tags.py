"""What tags of scalars mean: `val_loss`, `Loss/val` and `eval/loss` are one measure of one stage.

Writers name them freely; these are the names that Lightning, Keras, Hugging Face and most
trainings by hand use.
"""

import re
from collections.abc import Iterable

_STAGE_OF = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
}
STAGES = tuple(_STAGE_OF)
# How often something is reported.
_RATE_WORDS = ("epoch", "step", "batch")
LOSS = "loss"
_ACCURACY = ("accuracy", "acc", "top1", "acc1")
_RATE = ("learning rate", "lr")


def measure_of(tag: str) -> str:
    """What a tag measures, without its stage: `loss` of `train/loss_step`."""
    words = [word for word in re.split(r"[/_\-. ]+", tag.lower()) if word]
    kept = [word for word in words if word not in _STAGE_OF]
    measure = [word for word in kept if word not in _RATE_WORDS] or kept or words
    return " ".join(dict.fromkeys(measure)) or tag


def stage_of(tag: str) -> str:
    """`train`, `val` or `test`; empty where a tag does not say it."""
    words = re.split(r"[/_\-. ]+", tag.lower())
    return next((_STAGE_OF[word] for word in words if word in _STAGE_OF), "")


def is_loss(measure: str) -> bool:
    """Whether a measure is a loss of some kind."""
    return LOSS in measure.split()


def measures(tags: Iterable[str]) -> dict[str, list[str]]:
    """The tags by what they measure, in one chart each: losses first, the epoch last."""
    found: dict[str, list[str]] = {}
    for tag in tags:
        found.setdefault(measure_of(tag), []).append(tag)
    order = sorted(found, key=lambda name: (name == "epoch", name != LOSS, not is_loss(name)))
    stages = ["", "train", "val", "test"]
    return {
        name: sorted(found[name], key=lambda tag: stages.index(stage_of(tag))) for name in order
    }


def _is(measure: str, kind: str) -> bool:
    """Whether a measure is of a kind; see `find_tag`."""
    if kind == "accuracy":
        return measure in _ACCURACY
    if kind == "rate":
        return measure.startswith(_RATE)
    return is_loss(measure) if kind == "loss" else measure == kind


def find_tag(tags: Iterable[str], kind: str, stages: tuple[str, ...]) -> str | None:
    """The tag of a kind of measure (`loss`, `accuracy`, `rate`, `epoch`) and one of the stages.

    Stages that stand first are preferred.
    """
    known = [tag for tag in tags if _is(measure_of(tag), kind)]
    # `loss` itself before others such as `box loss`.
    known.sort(key=lambda tag: measure_of(tag) != LOSS)
    for stage in stages:
        for tag in known:
            if stage_of(tag) == stage:
                return tag
    return None
