"""Noisy takes of scenes, and noisy images alone: what is the target of what, and the parts."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.core.data.paired.pairs import Pairs
from dae_tui.core.data.paired.takes import read_noisy, read_takes
from dae_tui.core.data.splits import PARTS, TEST, TRAINING, VALIDATION
from dae_tui.errors import DataError


def flat(value: float, *shape: int) -> NDArray[np.uint8]:
    return np.full(shape or (8, 9), value, np.uint8)


def save(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, image)


def values(pairs: Pairs, part: str | None = None) -> list[tuple[int, int]]:
    """Of each pair a value of the noisy image and of its target."""
    return [
        (int(pair.noisy.values[0, 0, 0]), int(pair.clean.values[0, 0, 0]))
        for pair in pairs.pairs
        if part in (None, pair.part)
    ]


def test_equal_names_in_two_folders_are_targets_of_each_other(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / "a" / f"{number:02}.npy", flat(number))
        save(tmp_path / "b" / f"{number:02}.npy", flat(100 + number))
    pairs = read_takes(tmp_path, "a-b")
    both = [(100 + number, number) for number in range(12)]
    assert sorted(values(pairs)) == sorted([*both, *((b, a) for a, b in both)])
    assert values(pairs, TEST) == [(109, 9), (9, 109)]
    assert pairs.name == str(tmp_path)


def test_pages_of_a_file_are_takes_in_turn(tmp_path: Path) -> None:
    stack = np.stack([flat(number) for number in range(20)])
    save(tmp_path / "scene.npy", stack)
    pairs = read_takes(tmp_path / "scene.npy", "pages")
    assert values(pairs) == [(number, (number + 1) % 20) for number in range(20)]
    assert {len(values(pairs, part)) for part in (VALIDATION, TEST)} == {2}


def test_scenes_stay_together(tmp_path: Path) -> None:
    for scene in range(11):
        for take in range(3):
            save(tmp_path / f"{scene:02}" / f"{take}.npy", flat(10 * scene + take))
    pairs = read_takes(tmp_path, "folders")
    assert values(pairs, TEST) == [(90, 91), (91, 92), (92, 90)]
    scenes = [{given // 10 for given, _ in values(pairs, part)} for part in PARTS]
    assert sum(map(len, scenes)) == 11


@pytest.mark.parametrize("takes", ["pages", "folders"])
def test_a_single_take_and_takes_of_different_sizes_are_errors(takes: str, tmp_path: Path) -> None:
    save(tmp_path / "1" / "a.npy", flat(1))
    with pytest.raises(DataError, match="there is only one take of 1"):
        read_takes(tmp_path, takes)
    if takes == "folders":
        save(tmp_path / "1" / "b.npy", flat(1, 8, 10))
        with pytest.raises(DataError, match="the takes of 1 differ in size or colour"):
            read_takes(tmp_path, takes)


def test_noisy_images_alone_are_their_own_targets(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.npy", flat(number))
    pairs = read_noisy(tmp_path)
    assert values(pairs) == [(number, number) for number in range(20)]
    assert values(pairs, TEST) == [(9, 9), (19, 19)]
    other = read_noisy(tmp_path / "03.npy")
    assert other.checksum != pairs.checksum


def test_few_noisy_images_are_used_in_every_part(tmp_path: Path) -> None:
    save(tmp_path / "1.npy", np.stack([flat(1), flat(2)]))
    pairs = read_noisy(tmp_path / "1.npy")
    assert [values(pairs, part) for part in (TRAINING, VALIDATION, TEST)] == [[(1, 1), (2, 2)]] * 3


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no images"):
        read_noisy(tmp_path)
