"""Which images are for training, validation and test: scenes, pages and fields stay together."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from dae_tui.core.data.splits import PARTS, TEST, TRAINING, VALIDATION, scene_of, split


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def photographs(count: int) -> list[Path]:
    return paths(*(f"IMG_{number:04}.png" for number in range(count)))


def fields(count: int, channels: int = 3) -> list[Path]:
    """Files of fields of view, one for each channel."""
    return paths(
        *(
            f"fov{number:03}-c{channel}.tif"
            for number in range(count)
            for channel in range(channels)
        )
    )


def where(parts: Sequence[str], part: str) -> list[int]:
    """The numbers of the images of a part."""
    return [number for number, found in enumerate(parts) if found == part]


def parts_by_scene(names: Sequence[Path], parts: Sequence[str]) -> dict[str, set[str]]:
    """The parts in which a scene has images; each name stands for one image."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, part in zip(names, parts, strict=True):
        found[name.stem.split("-")[0]].add(part)
    return dict(found)


def test_every_tenth_scene_is_for_the_test_and_every_tenth_of_the_others_for_validation() -> None:
    parts = split(photographs(30), [1] * 30)
    assert where(parts, TEST) == [9, 19, 29]
    # Of 27 others the sixth, the sixteenth and the twenty-sixth.
    assert where(parts, VALIDATION) == [5, 16, 27]
    assert len(where(parts, TRAINING)) == 24


@pytest.mark.parametrize("count", range(10, 40))
def test_from_ten_scenes_on_every_part_has_images(count: int) -> None:
    for names in (photographs(count), fields(count)):
        assert set(split(names, [1] * len(names))) == set(PARTS)


def test_all_channels_of_a_field_are_in_one_part() -> None:
    names = fields(20)
    parts = split(names, [1] * len(names))
    found = parts_by_scene(names, parts)
    assert len(found) == 20
    assert all(len(each) == 1 for each in found.values())
    assert [name for name, each in found.items() if each == {TEST}] == ["fov009", "fov019"]
    assert [name for name, each in found.items() if each == {VALIDATION}] == ["fov005", "fov016"]


def test_a_field_stays_together_if_its_files_are_not_one_after_the_other() -> None:
    names = sorted(fields(12), key=lambda name: name.stem[::-1])  # By channel, then by field.
    found = parts_by_scene(names, split(names, [1] * len(names)))
    assert all(len(each) == 1 for each in found.values())
    assert set.union(*found.values()) == set(PARTS)


def test_all_pages_of_a_file_are_in_one_part() -> None:
    parts = split(photographs(10), [3] * 10)
    assert where(parts, TEST) == [27, 28, 29]
    assert where(parts, VALIDATION) == [15, 16, 17]


def test_files_may_have_different_numbers_of_pages() -> None:
    counts = [1, 4, 2, 1, 1, 3, 1, 1, 1, 2]
    parts = split(photographs(10), counts)
    assert len(parts) == sum(counts)
    assert where(parts, TEST) == [15, 16]
    assert where(parts, VALIDATION) == [9, 10, 11]


def test_fewer_than_ten_scenes_are_split_by_image() -> None:
    assert where(split(paths("stack.tif"), [25]), TEST) == [9, 19]
    parts = split(fields(9), [1] * 27)
    assert where(parts, TEST) == [9, 19]
    assert where(parts, VALIDATION) == [5, 16]


def test_fewer_than_ten_images_leave_none_for_the_test() -> None:
    assert split(photographs(9), [1] * 9).count(TEST) == 0
    assert split(photographs(1), [1]) == [VALIDATION]
    assert split([], []) == []


# Files that are known to be for the test


def test_files_for_the_test_that_are_given_are_the_test() -> None:
    names = [Path("test", name) for name in photographs(12)]
    names += [Path("train", name) for name in photographs(30)]
    parts = split(names, [1] * 42, [name.parts[0] == "test" for name in names])
    assert where(parts, TEST) == list(range(12))
    assert where(parts, VALIDATION) == [12 + 5, 12 + 15, 12 + 25]
    assert len(where(parts, TRAINING)) == 27


def test_fields_that_are_given_for_training_stay_together() -> None:
    names = [Path("test", name) for name in fields(2)]
    names += [Path("train", name) for name in fields(30)]
    parts = split(names, [1] * len(names), [name.parts[0] == "test" for name in names])
    assert where(parts, TEST) == list(range(6))
    found = parts_by_scene(names[6:], parts[6:])
    assert [name for name, each in found.items() if each == {VALIDATION}] == [
        "fov005",
        "fov015",
        "fov025",
    ]
    assert all(len(each) == 1 for each in found.values())


def test_one_file_for_training_beside_many_for_the_test_is_split_by_image() -> None:
    """The scenes of the test do not count: validation would take the only one for training."""
    names = [Path("test", name) for name in photographs(20)] + paths("train/stack.tif")
    parts = split(names, [1] * 20 + [20], [True] * 20 + [False])
    assert where(parts, TEST) == list(range(20))
    assert where(parts, VALIDATION) == [20 + 5, 20 + 15]
    assert len(where(parts, TRAINING)) == 18


# Names


@pytest.mark.parametrize(
    "name",
    [
        "fov001.tif",
        "fov001-c0.tif",
        "fov001_c12.tif",
        "fov001-C2.tif",
        "fov001 ch00.tif",
        "fov001.ch1.png",
        "fov001_z0001.tif",
        "fov001-t03.tif",
        "fov001_t003_z02_c1.tif",
        "fov001_c1z02t003.tif",
        "fov001-c1.ome.tif",
    ],
)
def test_the_scene_is_the_name_without_channel_plane_and_time(name: str) -> None:
    assert scene_of(Path("cells") / name) == "cells/fov001"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("IMG_0001.png", "IMG_0002.png"),
        ("image-1.tif", "image-2.tif"),
        ("fov001-c0.tif", "fov002-c0.tif"),
        ("c1.png", "c2.png"),
        ("scan1.png", "scan2.png"),
        ("track_c10001.png", "track_c10002.png"),
        ("print_p1.png", "print_p2.png"),
        ("a/fov001-c0.tif", "b/fov001-c0.tif"),
        ("well-c1/001.tif", "well-c2/001.tif"),
    ],
)
def test_names_that_differ_otherwise_are_different_scenes(first: str, second: str) -> None:
    assert scene_of(Path(first)) != scene_of(Path(second))
