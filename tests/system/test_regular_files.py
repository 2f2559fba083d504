"""Files that anybody may have put there: what is no regular file, or too large, is said at once."""

import os
import socket
from pathlib import Path

import pytest

from dae_tui.system.regular_files import is_folder, open_regular, read_regular


def test_a_file_up_to_its_limit_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")

    assert read_regular(file, 5) == b"12345"


def test_a_file_beyond_its_limit_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)

    with pytest.raises(OSError, match="is larger than 4 MiB") as refusal:
        read_regular(file, 4 << 20)

    assert refusal.value.filename == str(file)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR])
def test_a_pipe_that_nobody_else_has_open_makes_nobody_wait(tmp_path: Path, flags: int) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="is a pipe, not a regular file"):
        open_regular(pipe, flags)


def test_a_device_a_folder_and_a_socket_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is a device"):
        read_regular("/dev/zero", 10)
    with pytest.raises(OSError, match="is a folder"):
        read_regular(tmp_path, 10)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="is a socket"):
            read_regular(tmp_path / "socket", 10)


def test_what_is_refused_leaves_no_open_descriptor(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        with pytest.raises(OSError, match="pipe"):
            open_regular(tmp_path / "pipe")

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_missing_file_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "missing", 10)


def test_a_file_that_does_not_tell_its_size_is_read_up_to_the_limit() -> None:
    assert b"Pid:" in read_regular("/proc/self/status", 1 << 20)
    with pytest.raises(OSError, match="is larger than 10 bytes"):
        read_regular("/proc/self/status", 10)


def test_what_cannot_be_known_is_no_folder(tmp_path: Path) -> None:
    assert is_folder(tmp_path)
    assert not is_folder(tmp_path / "missing")
    assert not is_folder(tmp_path / ("n" * 300))
    assert not is_folder("with\0nul")
