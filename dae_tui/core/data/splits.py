"""Which images of a folder are for training, for validation and for the test.

Images of one scene, of one page or of one field of view are alike, so they stay together.
"""

import re
from collections.abc import Sequence
from pathlib import Path

EVERY = 10
TRAINING, VALIDATION, TEST = PARTS = ("training", "validation", "test")
# The channel, plane or time of one field of view, as microscopes name their files: fov001-c2.
_MEMBER = re.compile(r"[-_. ](?:c|ch|z|t)\d{1,4}$", re.IGNORECASE)


def split(
    names: Sequence[Path], counts: Sequence[int], in_test: Sequence[bool] | None = None
) -> list[str]:
    """The part of each image: training, validation or test.

    Every tenth scene, in the order of names, is for the test, and every tenth of the others for
    validation; of fewer than ten scenes every tenth image.

    Args:
        names: the files, below their folder, in order.
        counts: the number of images in each.
        in_test: which files are for the test, where that is known.
    """
    scenes = [scene_of(name) for name in names]
    number_of = {scene: number for number, scene in enumerate(dict.fromkeys(scenes))}
    files = [file for file, count in enumerate(counts) for _ in range(count)]
    numbers = list(range(len(files)))
    if len(number_of) >= EVERY:
        numbers = [number_of[scenes[file]] for file in files]
    if in_test is None:
        tested = [number % EVERY == EVERY - 1 for number in numbers]
    else:
        tested = [in_test[file] for file in files]
    others = list(
        dict.fromkeys(number for number, test in zip(numbers, tested, strict=True) if not test)
    )
    validation = set(others[EVERY // 2 :: EVERY] or others[-1:])
    return [
        TEST if test else VALIDATION if number in validation else TRAINING
        for number, test in zip(numbers, tested, strict=True)
    ]


def scene_of(name: Path) -> str:
    """What the files of one scene have in common in their names: all but channel, plane or time."""
    stem = name.with_suffix("").as_posix()
    while (shorter := _MEMBER.sub("", stem)) != stem:
        stem = shorter
    return stem
