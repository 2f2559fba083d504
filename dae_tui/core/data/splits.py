"""Which images of a folder are for training, for validation and for the test.

Images of one scene, of one page or of one field of view are alike, so they stay together.
"""

import re
from collections.abc import Sequence
from pathlib import Path

EVERY = 10
TRAINING, VALIDATION, TEST = PARTS = ("training", "validation", "test")
# The channel, plane or time of one field of view, as microscopes name their files: fov001-c2,
# fov001_c1t02, fov001-z3.ome.tif.
_MEMBER = re.compile(r"[-_. ](?:(?:c|ch|z|t)\d{1,4})+$|\.ome$", re.IGNORECASE)


def split(
    names: Sequence[Path], counts: Sequence[int], in_test: Sequence[bool] | None = None
) -> list[str]:
    """The part of each image: training, validation or test.

    Every tenth scene, in the order of names, is for the test, and every tenth of the others for
    validation; of fewer than ten scenes every tenth image.

    Args:
        names: the files, below their folder, in order.
        counts: the number of images in each.
        in_test: which files are for the test, where that is known; the scenes of the others are
            then split into training and validation.
    """
    known = [False] * len(names) if in_test is None else in_test
    scenes = [scene_of(name) for name in names]
    files = [file for file, count in enumerate(counts) for _ in range(count)]
    by_scene = len({scenes[file] for file in files if not known[file]}) >= EVERY
    # What stays together: the images of a scene, or each image alone.
    groups: list[str | int] = [
        scenes[file] if by_scene else image for image, file in enumerate(files)
    ]
    others = list(
        dict.fromkeys(group for group, file in zip(groups, files, strict=True) if not known[file])
    )
    test = set() if in_test is not None else set(others[EVERY - 1 :: EVERY])
    others = [group for group in others if group not in test]
    validation = set(others[EVERY // 2 :: EVERY] or others[-1:])
    return [
        TEST if known[file] or group in test else VALIDATION if group in validation else TRAINING
        for group, file in zip(groups, files, strict=True)
    ]


def scene_of(name: Path) -> str:
    """What the files of one scene have in common in their names: all but channel, plane or time."""
    stem = name.with_suffix("").as_posix()
    while (shorter := _MEMBER.sub("", stem)) != stem:
        stem = shorter
    return stem
