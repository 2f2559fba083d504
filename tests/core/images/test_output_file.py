"""Outputs are written whole or not at all, and what fails is told in a line."""

import errno
from pathlib import Path

import heic_files
import numpy as np
import pytest

from dae_tui.core.images import formats
from dae_tui.core.images.image_file import ImageFile
from dae_tui.core.images.output_file import (
    check_output,
    encoded,
    has_output,
    not_processed,
    not_written,
    write_output,
)
from dae_tui.errors import DataError
from dae_tui.spec.denoising import Job


def job(folder: Path, kind: str | None = None, *, replace: bool = False) -> Job:
    return Job(folder / "in.npy", folder / "out", "in.npy", kind, replace, inside=folder)


@pytest.fixture
def file(tmp_path: Path) -> ImageFile:
    np.save(tmp_path / "in.npy", np.arange(64, dtype=np.uint8).reshape(8, 8))
    return formats.read_file(tmp_path / "in.npy", "in.npy")


@pytest.mark.parametrize("kind", [None, "npy", "png"])
def test_the_format_is_that_of_the_input_or_the_one_asked_for(
    file: ImageFile, tmp_path: Path, kind: str | None
) -> None:
    content = encoded(file, file.stacks, job(tmp_path, kind))
    assert content.startswith(b"\x89PNG" if kind == "png" else b"\x93NUMPY")


def test_what_becomes_another_kind_has_its_name(tmp_path: Path) -> None:
    file = formats.read(heic_files.COLOUR, "in.jpg")
    for name in ("a.tif", "a"):
        check_output(file, Job(tmp_path / "in.jpg", tmp_path / name, "in.jpg"))
    check_output(file, Job(None, None, "standard input"))
    check_output(file, Job(tmp_path / "in.jpg", tmp_path / "a.jpg", "in.jpg", "jpeg"))
    with pytest.raises(DataError, match=r"in\.jpg is a heif file, and becomes") as failure:
        encoded(file, file.stacks, Job(tmp_path / "in.jpg", tmp_path / "a.jpg", "in.jpg"))
    assert "--format" in failure.value.hint


def test_a_file_that_another_process_wrote_stays(tmp_path: Path) -> None:
    assert write_output(b"first", job(tmp_path))
    assert has_output(job(tmp_path))
    assert not write_output(b"second", job(tmp_path))
    assert (tmp_path / "out").read_bytes() == b"first"
    assert write_output(b"third", job(tmp_path, replace=True))
    assert (tmp_path / "out").read_bytes() == b"third"


def test_nothing_is_written_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "other").write_text("kept")
    (inside / "out").symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match="leads out of"):
        write_output(b"lost", job(inside, replace=True))
    assert (tmp_path / "other").read_text() == "kept"


def test_failures_are_told_by_what_helps(tmp_path: Path) -> None:
    full = not_written(OSError(errno.ENOSPC, "No space left on device"), job(tmp_path))
    assert full.message.endswith("out cannot be written: no space left on device")
    assert full.hint == "make room there, or choose another -o"
    assert not_written(OSError(errno.EACCES, "Denied"), job(tmp_path)).hint == "choose another -o"
    memory = not_processed(MemoryError(), job(tmp_path), "denoised", "smaller")
    assert memory.message == "in.npy cannot be denoised: there is not enough memory"
    assert memory.hint == "smaller"
    ours = DataError("as it is")
    assert not_processed(ours, job(tmp_path), "denoised") is ours
