"""A folder as the bytes of one archive, and back: for files that are folders, such as Zarr.

Whoever hands bytes on, from reading to writing, need not know that they are a folder.
"""

import ctypes
import errno
import io
import itertools
import os
import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from dae_tui.system.regular_files import read_regular

# Chunks of a large image: 10 000 × 10 000 × 100 pixels in pieces of 100 × 100 × 100.
MOST_FILES = 1_000_000
_EXCHANGE = 2
_AT_FDCWD = -100
_OLD = itertools.count()


class PackedFolder(bytes):
    """The bytes of a zip archive that `write_new` unpacks into a folder."""

    __slots__ = ()


class FolderFiles(Mapping[str, bytes]):
    """The files of a folder by their paths in it; each is read when it is asked for."""

    def __init__(self, folder: Path, most: int) -> None:
        """List them.

        Raises OSError as `files_in`, and for more than `most` bytes in one when it is read.
        """
        self._most = most
        self._paths = {path.relative_to(folder).as_posix(): path for path in files_in(folder)}

    def __getitem__(self, key: str) -> bytes:
        return read_regular(self._paths[key], self._most)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def size(self, key: str) -> int:
        """The bytes of a file, which is not read."""
        return self._paths[key].stat().st_size

    def copy_to(self, folder: Path) -> None:
        """Copy all files to a new folder."""
        for key, path in self._paths.items():
            copy = folder / key
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def pack(folder: Path, most: int) -> PackedFolder:
    """All files of a folder as an archive, uncompressed.

    Raises OSError for links, pipes and devices in it, and for more than `most` bytes.
    """
    left = most
    files: list[tuple[str, bytes]] = []
    for path in files_in(folder):
        left -= path.stat().st_size
        if left < 0:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes in it", str(folder))
        content = read_regular(path, most)
        files.append((path.relative_to(folder).as_posix(), content))
    return pack_files(files)


def pack_files(files: Iterable[tuple[str, bytes]]) -> PackedFolder:
    """Files, by their path within the folder, as an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            # The date that zip begins with: the same files give the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    return PackedFolder(out.getbuffer())


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and its subfolders, metadata of Zarr first.

    Raises OSError for links, pipes and devices in it, and for more than `MOST_FILES`.
    """
    found: list[Path] = []
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path))
                else:
                    raise OSError(errno.EINVAL, f"it has in it what is no file: {entry.name}")
        if len(found) > MOST_FILES:
            raise OSError(errno.EFBIG, f"it has more than {MOST_FILES:,} files in it")
    # Metadata first, as they are known by: the names of chunks begin with digits or c.
    return sorted(found, key=lambda path: (path.name not in ("zarr.json", ".zgroup"), path))


def check_name(name: str) -> bool:
    """Whether a file of an archive lies within its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and bool(name)


def write_folder(path: Path, packed: bytes, beside: Path, *, replace: bool) -> None:
    """Unpack an archive as a folder that is whole or absent, whenever the process is killed.

    Args:
        path: of the folder.
        packed: the archive.
        beside: where it is unpacked before it gets its name, in the folder of `path`.
        replace: whether a folder or file of that name may be replaced.

    Raises FileExistsError for an existing one unless `replace`, OSError if it cannot be written.
    """
    try:
        beside.mkdir()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for name in archive.namelist():
                if not check_name(name):
                    raise OSError(errno.EINVAL, "would have files outside of it", str(path))
                file = beside / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))
        name_folder(beside, path, replace=replace)
    except OSError as failure:
        failure.filename = str(path)
        raise
    finally:
        remove(beside)


def name_folder(beside: Path, path: Path, *, replace: bool) -> None:
    """Give a folder its final name; what had that name may be at `beside` afterwards.

    Raises FileExistsError for an existing one unless `replace`.
    """
    if not replace:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        beside.rename(path)
    elif os.path.lexists(path):
        with suppress(OSError):
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        _exchange(beside, path)
    else:
        beside.rename(path)


def _exchange(new: Path, old: Path) -> None:
    """Swap two names at once; where that is impossible, with a moment in which `old` is away."""
    with suppress(AttributeError, OSError):
        call = ctypes.CDLL(None, use_errno=True).renameat2
        names = os.fsencode(new), os.fsencode(old)
        if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_EXCHANGE)) == 0:
            return
    # A name that no clean-up takes for a leftover: until the next line it is the only copy.
    away = old.with_name(f"{old.name}.old-{os.getpid()}-{next(_OLD)}")
    old.rename(away)
    try:
        new.rename(old)
    except OSError:
        away.rename(old)
        raise
    remove(away)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a file, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
