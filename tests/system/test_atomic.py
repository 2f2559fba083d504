"""Files that are replaced are the old or the new, whole, whatever happens in between."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dae_tui.system.atomic import remove_leftovers, write_new, write_whole, written_beside

KILLED_WHILE_WRITING = """
import os, sys
from pathlib import Path
from dae_tui.system.atomic import write_whole

os.fsync = lambda file: os.kill(os.getpid(), 9)
write_whole(Path(sys.argv[1]), b"new")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds `old`, alone in its folder."""
    file = tmp_path / "status.json"
    file.write_bytes(b"old")
    return file


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the writing of every file fail at its end."""

    def fsync(file: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_new_file_holds_the_content_and_stands_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "new.bin", b"\x00content\xff")

    assert (tmp_path / "new.bin").read_bytes() == b"\x00content\xff"
    assert names(tmp_path) == ["new.bin"]


@pytest.mark.parametrize("content", [b"", b"x", b"longer than before"])
def test_an_old_file_is_replaced_whole(path: Path, content: bytes) -> None:
    write_whole(path, content)

    assert path.read_bytes() == content
    assert names(path.parent) == ["status.json"]


def test_who_has_the_old_file_open_reads_it_to_its_end(path: Path) -> None:
    with path.open("rb") as reader:
        write_whole(path, b"new")

        assert reader.read() == b"old"


def test_the_content_is_on_disk_before_it_takes_the_name(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    seen = []

    def fsync(file: int) -> None:
        seen.append((path.read_bytes(), os.fstat(file).st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, b"newer")

    assert seen == [(b"old", 5)]
    assert path.read_bytes() == b"newer"


def test_a_full_disk_leaves_the_old_content_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    fail_with(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))

    with pytest.raises(OSError, match="No space left") as failure:
        write_whole(path, b"new")

    assert failure.value.errno == errno.ENOSPC
    assert failure.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["status.json"]


def test_an_interruption_leaves_the_old_content_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")

    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["status.json"]


def test_a_process_killed_while_it_writes_leaves_the_old_content(path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_folder_in_the_place_of_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "status.json" / "inside").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "status.json", b"new")

    assert names(tmp_path) == ["status.json"]
    assert names(tmp_path / "status.json") == ["inside"]


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "status.json", b"new")

    assert names(tmp_path) == []


def test_one_of_many_files_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    write_new(tmp_path / "new.bin", b"content")
    assert (tmp_path / "new.bin").read_bytes() == b"content"
    assert names(tmp_path) == ["new.bin"]


def test_an_existing_file_is_replaced_only_when_asked(path: Path) -> None:
    with pytest.raises(FileExistsError) as raised:
        write_new(path, b"new")
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"old"
    write_new(path, b"new", replace=True)
    assert path.read_bytes() == b"new"
    assert names(path.parent) == [path.name]


KILLED_WHILE_NAMING = """
import os, sys
from pathlib import Path
from dae_tui.system.atomic import write_new

os.link = lambda *arguments, **options: os.kill(os.getpid(), 9)
write_new(Path(sys.argv[1]), b"new" * 100_000)
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_killed_before_it_is_whole_it_leaves_nothing(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_NAMING, str(tmp_path / "new.bin")], check=False
    )
    assert finished.returncode == -signal.SIGKILL
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_with_the_name_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(file: int, content: bytes) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError) as raised:
        write_new(tmp_path / "new.bin", b"content")
    assert (raised.value.errno, raised.value.filename) == (code, str(tmp_path / "new.bin"))
    assert names(tmp_path) == []


def test_where_files_without_a_name_are_not_known_it_is_written_beside(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    write_new(path.with_name("new.bin"), b"content")
    assert path.with_name("new.bin").read_bytes() == b"content"
    write_new(path, b"new", replace=True)
    assert path.read_bytes() == b"new"
    with pytest.raises(FileExistsError):
        write_new(path, b"newer")
    assert names(path.parent) == ["new.bin", path.name]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_new(tmp_path / "none" / "new.bin", b"content")
    assert raised.value.filename == str(tmp_path / "none" / "new.bin")


LONGEST = "n" * 251 + ".bin"


@pytest.mark.parametrize("nameless", [True, False])
def test_a_name_may_be_as_long_as_the_file_system_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    write_new(tmp_path / LONGEST, b"old")
    write_new(tmp_path / LONGEST, b"new", replace=True)
    write_whole(tmp_path / LONGEST, b"newest")
    assert names(tmp_path) == [LONGEST]
    assert (tmp_path / LONGEST).read_bytes() == b"newest"


def test_who_comes_second_replaces_nothing_without_nameless_files(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # It came after that was asked.
    with pytest.raises(FileExistsError):
        write_new(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("nameless", [True, False])
def test_a_replaced_file_keeps_its_permissions(
    path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    path.chmod(0o640)
    write_new(path, b"new", replace=True)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_a_file_that_cannot_be_replaced_leaves_none_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="Permission denied"):
        write_new(path, b"new", replace=True)
    assert names(path.parent) == [path.name]


def killed_while_writing(path: Path) -> str:
    """Let a process be killed in the middle of `path`, and return what it left beside it."""
    before = set(names(path.parent))
    subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)
    (left,) = set(names(path.parent)) - before
    return left


def of(left: str, process: int | None = None, machine: str = "", number: int = 0) -> str:
    """The name of a file that another one has left."""
    parts = left.split("-")
    return f".dae-{machine or parts[1]}-{process or parts[2]}-{number}.tmp"


def test_what_a_killed_process_left_is_removed_and_nothing_else(path: Path) -> None:
    folder = path.parent
    left = killed_while_writing(path)
    (folder / "below").mkdir()
    own = of(left, os.getpid())
    inner = folder / "below" / left
    others = [folder / name for name in (own, ".status.json.7.tmp", f"{left}x", f"x{left}")]
    for file in (inner, *others):
        file.write_bytes(b"of others")
    (folder / of(left, number=77)).symlink_to(path)
    kept = {*names(folder)} - {left}

    assert remove_leftovers(folder) == 1
    assert set(names(folder)) == kept
    assert inner.exists()
    assert path.read_bytes() == b"old"


def test_what_another_machine_writes_is_left_for_a_day(path: Path) -> None:
    left = killed_while_writing(path)
    elsewhere = path.with_name(of(left, machine="00000000"))
    path.with_name(left).rename(elsewhere)

    assert remove_leftovers(path.parent) == 0
    os.utime(elsewhere, (time.time() - 90_000,) * 2)
    assert remove_leftovers(path.parent) == 1
    assert names(path.parent) == [path.name]


def test_whoever_owns_the_folder_removes_all_that_is_left(path: Path) -> None:
    left = killed_while_writing(path)
    living = path.with_name(of(left, os.getpid()))
    path.with_name(left).rename(living)
    path.with_name(left).symlink_to(path)

    assert remove_leftovers(path.parent) == 0
    assert remove_leftovers(path.parent, owned=True) == 1
    assert names(path.parent) == [left, path.name]


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "none") == 0


@pytest.mark.parametrize("replace", [True, False])
def test_what_is_written_beside_gets_its_name_at_the_end(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "a"
    if replace:
        path.write_bytes(b"old")
        path.chmod(0o640)
    with written_beside(path, replace=replace) as beside:
        beside.write_bytes(b"new")
        assert path.exists() == replace
        assert beside.parent == tmp_path
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]
    if replace:
        assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_written_beside_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"1", b"2"):
        with written_beside(path, replace=content == b"2") as beside:
            beside.mkdir()
            (beside / "file").write_bytes(content)
        assert (path / "file").read_bytes() == content
    assert names(tmp_path) == ["a"]


def test_what_breaks_off_or_exists_leaves_nothing_beside(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), written_beside(path, replace=True) as beside:
        beside.write_bytes(b"half")
        raise KeyboardInterrupt
    with pytest.raises(FileExistsError), written_beside(path) as beside:
        beside.write_bytes(b"new")
    with pytest.raises(OSError, match="full") as failure, written_beside(path, replace=True):
        raise OSError(errno.ENOSPC, "full")
    assert failure.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["status.json"]
