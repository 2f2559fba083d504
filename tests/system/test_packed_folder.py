"""Folders as archives, and back: whole or absent, and never outside of their place."""

import io
import zipfile
from pathlib import Path

import pytest

from dae_tui.system import packed_folder
from dae_tui.system.atomic import remove_leftovers, write_new
from dae_tui.system.packed_folder import (
    FolderFiles,
    PackedFolder,
    check_name,
    pack,
    pack_files,
    write_folder,
)

FILES = {"zarr.json": b"{}", "c/0/0": b"chunk", "c/0/1": b""}


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def files_of(path: Path) -> dict[str, bytes]:
    found = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in found}


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    packed = pack(folder(tmp_path / "a", FILES), 1000)
    assert packed[30:39] == b"zarr.json"
    assert packed == pack_files(FILES.items())
    write_new(tmp_path / "b", packed)
    assert files_of(tmp_path / "b") == FILES
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a", "b"]


def test_links_and_too_many_bytes_are_refused(tmp_path: Path) -> None:
    folder(tmp_path / "a", FILES)
    with pytest.raises(OSError, match="more than 4 bytes"):
        pack(tmp_path / "a", 4)
    (tmp_path / "a" / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="what is no file: link"):
        pack(tmp_path / "a", 1000)


def test_nothing_is_replaced_unless_it_may_be(tmp_path: Path) -> None:
    packed = pack_files([("new", b"1")])
    folder(tmp_path / "a", FILES)
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a", packed)
    assert files_of(tmp_path / "a") == FILES
    write_new(tmp_path / "a", packed, replace=True)
    assert files_of(tmp_path / "a") == {"new": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_where_names_cannot_be_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_folder, "_EXCHANGE", 1 << 20)
    folder(tmp_path / "a", FILES)
    write_new(tmp_path / "a", pack_files([("new", b"1")]), replace=True)
    assert files_of(tmp_path / "a") == {"new": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    folder(tmp_path / "a", FILES)
    for bad in ("../out", "/out", "a\\..\\b"):
        with pytest.raises(OSError, match="outside"):
            write_folder(tmp_path / "a", pack_files([(bad, b"1")]), tmp_path / ".new", replace=True)
    assert files_of(tmp_path / "a") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_archives_stay_archives(tmp_path: Path) -> None:
    packed = pack_files(FILES.items())
    write_new(tmp_path / "a.zarr.zip", packed)
    (tmp_path / "file.zarr").write_bytes(b"x")
    write_new(tmp_path / "file.zarr", packed, replace=True)
    for path in (tmp_path / "a.zarr.zip", tmp_path / "file.zarr"):
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            assert sorted(archive.namelist()) == sorted(FILES)


def test_leftovers_are_removed(tmp_path: Path) -> None:
    folder(tmp_path / ".dae-00000000-1-0.tmp", FILES)
    assert remove_leftovers(tmp_path, owned=True) == 1
    assert list(tmp_path.iterdir()) == []


def test_names() -> None:
    assert check_name("a/b")
    assert not any(map(check_name, ("", "/a", "../a", "a/../../b", "a\\b")))
    assert isinstance(PackedFolder(b""), bytes)


def test_files_of_a_folder_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    files = FolderFiles(folder(tmp_path / "a", FILES), 5)
    assert list(files) == list(FILES)
    assert dict(files) == FILES
    assert files.size("c/0/0") == 5
    files.copy_to(tmp_path / "b")
    assert files_of(tmp_path / "b") == FILES
    (tmp_path / "a" / "c" / "0" / "0").write_bytes(b"longer")
    with pytest.raises(OSError, match="larger than 5 bytes"):
        files["c/0/0"]
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="no file: link"):
        FolderFiles(tmp_path / "a", 5)
