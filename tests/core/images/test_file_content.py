"""No more of a file is read than its beginning says that it needs; what is no file is refused."""

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from dae_tui.core.images import file_content as content
from dae_tui.core.images import formats as kinds
from dae_tui.core.images.file_content import FREE
from dae_tui.core.images.formats import content_of, content_of_stream
from dae_tui.core.images.image_file import About, Stack
from dae_tui.core.images.kinds import WRITTEN
from dae_tui.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GREY = np.random.default_rng(0).integers(0, 256, (1, 23, 31, 1), dtype=np.uint8)
WHOLE = {kind: kinds.write(kind, [Stack(GREY)], About(), "x") for kind in WRITTEN if kind != "csv"}
GIB = 1 << 30


def sparse(path: Path, start: bytes, size: int = GIB) -> Path:
    """A file of zeros behind its start, which takes no room on the disk."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


def refusal(read: Callable[[], object], megabytes: int = 1) -> DataError:
    """Why a file is not read; to find it out takes hardly any memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as failure:
            read()
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1_000_000
    finally:
        tracemalloc.stop()
    return failure.value


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_files_are_within_the_bounds_of_their_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(content, "FREE", 0)
    (tmp_path / "x").write_bytes(WHOLE[kind])
    assert content_of(tmp_path / "x", "x") == WHOLE[kind]


@pytest.mark.parametrize("kind", sorted({*WHOLE} - {"npy", "idx", "zarr"}))
def test_a_gigabyte_that_begins_as_a_small_image_is_not_read(tmp_path: Path, kind: str) -> None:
    path = sparse(tmp_path / "x", WHOLE[kind])
    failure = refusal(lambda: content_of(path, "named"))
    assert failure.message.startswith("named ")
    assert "bytes that its beginning can need" in failure.message or kind == "npz"


@pytest.mark.parametrize("start", [b"", b"some text", b"\x89PNG", b"II*\0", b"II*\0\x10"])
def test_a_gigabyte_of_no_image_is_not_read(tmp_path: Path, start: bytes) -> None:
    path = sparse(tmp_path / "x", start)
    assert refusal(lambda: content_of(path, "named")).message.startswith("named ")


def npy(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    said = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, said)
    return out.getvalue()


def claims() -> dict[str, tuple[bytes, int, str]]:
    """Starts of large files, their size, and what is said of each."""
    idx = struct.pack(">HBB3I", 0, 8, 3, 2000, 1000, 100)
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, np.zeros((8, 8), np.uint8))
    many = bytearray(tiff.getvalue())
    with tifffile.TiffFile(io.BytesIO(many)) as opened:
        page = opened.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        for code in (256, 257, 278):
            tag = page.tags[code]
            struct.pack_into("<HHII", many, tag.offset, code, 4, 1, 50_000)
    return {
        "npy too short": (npy((10_000, 20_000)), GIB // 8, "instead of at least 200,000,128"),
        "npy too long": (npy((1000, 1000)), GIB, "1,000,128 bytes"),
        "npy of too many pixels": (npy((60_000, 50_000)), 3 * GIB, "too many to be true"),
        "idx too short": (idx, GIB // 8, "instead of at least 200,000,016"),
        "pnm too short": (b"P5 20000 10000 255\n", GIB // 8, "instead of at least 200,000,019"),
        "pnm of too many pixels": (b"P5 60000 50000 255\n", 3 * GIB, "too many to be true"),
        "tiff of too many pixels": (bytes(many), 3 * GIB, "50000×50000 pixels, too many"),
        "png too short": (
            WHOLE["png"][:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1),
            GIB,
            "named is",
        ),
    }


@pytest.mark.parametrize(("start", "size", "message"), claims().values(), ids=claims())
def test_a_file_that_cannot_be_what_its_header_says_is_not_read(
    tmp_path: Path, start: bytes, size: int, message: str
) -> None:
    path = sparse(tmp_path / "x", start, size)
    assert message in refusal(lambda: content_of(path, "named")).message


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    pipe = refusal(lambda: content_of(tmp_path / "pipe.png", "named"))
    assert pipe.message == "named is a pipe, not a regular file"
    assert pipe.hint == "a pipe: dae denoise - < PIPE"
    device = refusal(lambda: content_of(tmp_path / "zero.png", "named"))
    assert device.message == "named is a device, not a regular file"


class Endless(io.RawIOBase):
    """A stream that goes on with zeros for ever, but for what it counts."""

    def __init__(self, start: bytes) -> None:
        self._start, self.given = io.BytesIO(start), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer)
        part = self._start.read(len(room)) or bytes(len(room))
        room[: len(part)] = part
        self.given += len(part)
        return len(part)


def streamed(start: bytes) -> tuple[DataError, int]:
    stream = Endless(start)
    with pytest.raises(DataError) as failure:
        content_of_stream(io.BufferedReader(stream), "standard input")
    return failure.value, stream.given


def test_a_stream_without_end_is_left_as_soon_as_it_is_known_for_none() -> None:
    failure, given = streamed(b"")
    assert failure.message == "standard input is not an image file that dae can read"
    assert given <= 1 << 17
    failure, given = streamed(WHOLE["png"])
    assert "bytes that its beginning can need" in failure.message
    assert given < FREE + (1 << 20)


def test_a_stream_that_tells_its_size_at_its_end_has_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (content, kinds):
        monkeypatch.setattr(module, "STREAM_MOST", 80_000_000)
    failure, given = streamed(WHOLE["tiff"])
    assert failure.message == "standard input goes on after 80,000,000 bytes"
    assert failure.hint == "name the file instead"
    assert given < 100_000_000


@pytest.mark.parametrize("kind", WHOLE)
def test_a_stream_that_ends_is_read_whole(kind: str) -> None:
    assert content_of_stream(io.BytesIO(WHOLE[kind]), "x") == WHOLE[kind]


def test_a_large_archive_is_known_by_its_table_of_contents(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.npy", "w") as member:
        member.write(npy((60_000, 50_000)))
    whole = path.read_bytes()
    entry = whole.index(b"PK\1\2")
    with path.open("wb") as file:  # The table, and the hole that it says is an array.
        file.write(whole[:entry])
        file.seek(2 * FREE)
        table = bytearray(whole[entry:])
        size = 3_000_000_000 + len(npy((60_000, 50_000)))
        struct.pack_into("<II", table, 20, size, size)
        struct.pack_into("<I", table, table.index(b"PK\5\6") + 16, 2 * FREE)
        file.write(table)
    assert "too many to be true" in refusal(lambda: content_of(path, "named")).message
