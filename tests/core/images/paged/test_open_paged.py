"""Which files go through page by page: large ones of some kinds."""

import os
from pathlib import Path

import numpy as np
import pytest

from dae_tui.core.images.paged import open_paged as module
from dae_tui.core.images.paged import paged_file
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.core.images.paged.paged_file import group_of, size_on_disk
from dae_tui.errors import DataError


def test_only_large_files_of_these_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((10, 20, 30), "u2"))
    (tmp_path / "b.png").write_bytes(b"\x89PNG" + bytes(5000))
    (tmp_path / "c.txt").write_bytes(bytes(5000))
    assert open_paged(tmp_path / "b.png", "b", 0) is None
    assert open_paged(tmp_path / "c.txt", "c", 0) is None
    assert open_paged(tmp_path, "a folder", 0) is None
    assert open_paged(tmp_path / "none", "none", 0) is None
    file = open_paged(path, "a", 0)
    assert file is not None
    file.close()
    monkeypatch.setattr(paged_file, "PAGED_FROM", 12_000)
    assert open_paged(path, "a", 0) is None


def test_small_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((10, 20, 30), "u2"))
    monkeypatch.setattr(paged_file, "PAGED_FROM", 1 << 28)

    def opened(*_: object) -> None:
        pytest.fail("it was opened")

    monkeypatch.setattr(module, "open_regular", opened)
    assert open_paged(path, "a", 0) is None


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((10, 20, 30), "u2"))
    monkeypatch.setattr(module, "open_regular", lambda _: os.open(tmp_path / "gone", os.O_RDONLY))
    with pytest.raises(DataError, match="a cannot be read: no such file"):
        open_paged(path, "a", 0)


def test_sizes(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"123")
    (tmp_path / "a" / "d").write_bytes(b"4567")
    assert size_on_disk(tmp_path / "a") == 7
    assert size_on_disk(tmp_path / "a" / "d") == 4
    assert size_on_disk(tmp_path / "none") == 0
    assert group_of(28, 28, 9216) == paged_file.GROUP_PIXELS // 784
    assert group_of(96, 96, 9216) == 1
