"""Kinds are known by what files hold; broken files are refused, whatever is wrong with them."""

import errno
import gzip
import io
import os
import random
import resource
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import heic_files
import numpy as np
import pytest
from PIL import Image

from dae_tui.core.images.formats import (
    check_kind,
    content_of,
    encode,
    is_image_folder,
    is_named_image,
    kind_of_content,
    kind_of_name,
    not_written_back,
    read,
    read_file,
    split_part,
    with_ending,
    write,
)
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.core.images.kinds import KINDS, WRITTEN
from dae_tui.errors import DataError, UsageError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (1, 23, 31, 1), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (1, 23, 31, 3), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (1, 23, 31, 1), dtype=np.uint16)
FUZZED = 250
# All others are broken in the tests of their codecs.
PLAIN = ("png", "jpeg", "webp", "bmp", "tiff", "pnm", "npy", "npz", "idx")


def saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def examples() -> dict[str, bytes]:
    """Whole files of every kind, by a name that begins with the kind."""
    made = {f"{kind} grey": write(kind, [Stack(GREY)], About(), "x") for kind in PLAIN}
    for kind in ("png", "tiff", "pnm", "npy", "npz"):
        made[f"{kind} deep"] = write(kind, [Stack(DEEP)], About(), "x")
    for kind in ("png", "jpeg", "webp", "bmp", "tiff", "pnm"):
        made[f"{kind} colour"] = write(kind, [Stack(COLOUR)], About(), "x")
    palette = Image.fromarray(COLOUR[0]).convert("P")
    made["png palette"] = saved(palette, format="PNG")
    made["tiff lzw"] = saved(Image.fromarray(COLOUR[0]), format="TIFF", compression="tiff_lzw")
    made["idx gzip"] = gzip.compress(made["idx grey"])
    return made


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file_is_known_by_its_content(name: str) -> None:
    kind = name.partition(" ")[0]
    assert kind_of_content(EXAMPLES[name]) == kind
    file = read(EXAMPLES[name], "anything.txt")
    assert file.kind == kind
    assert file.stacks[0].values.shape[:3] == (1, 23, 31)


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_but_a_plain_error_comes_of_a_broken_file(name: str) -> None:
    """Bytes are flipped, cut, appended, repeated; 250 times each, from a seed of its own."""
    dice = random.Random(name)
    whole = EXAMPLES[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for _ in range(FUZZED):
        content = bytearray(whole)
        for _ in range(dice.choice((1, 1, 2, 8))):
            within = min(len(content), dice.choice((64, 10**9)))  # Often in the header.
            content[dice.randrange(within)] = dice.randrange(256)
        how = dice.randrange(4)
        if how == 1:
            del content[dice.randrange(len(content)) :]
        elif how == 2:
            content += dice.randbytes(dice.randrange(1, 99))
        elif how == 3:
            at = dice.randrange(len(content))
            content[at:at] = content[at // 2 : at]
        try:
            file = read(bytes(content), "broken")
        except DataError as failure:
            refused += 1
            assert failure.message.startswith("broken")
            assert "\n" not in failure.message
        else:
            assert all(stack.values.ndim == 4 and stack.values.size for stack in file.stacks)
            assert isinstance(file.encode(file.stacks), bytes)
    assert refused > FUZZED // 5
    # In kilobytes on Linux: nothing was made that a header had promised.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000


@pytest.mark.parametrize("side", [50_000, 2**31 - 1])
def test_a_bomb_is_refused_before_it_goes_off(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    with pytest.raises(DataError, match=f"{side}×{side} pixels, too many"):
        read(content, "bomb.png")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PN", b"\x89PNG", b"RIFF", b"P9 1 1 1"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.png"):
        read(content, "x.png")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shown cannot be read: no such file"):
        read_file(tmp_path / "none.png", "shown")
    with pytest.raises(DataError, match="shown is a folder, not a regular file"):
        read_file(tmp_path, "shown")
    with pytest.raises(DataError, match="null"):
        read_file(Path("a\0b"), "shown")


def test_names_say_kinds() -> None:
    assert kind_of_name("X.JPG") == "jpeg"
    assert kind_of_name("t10k-images-idx3-ubyte.gz") == "idx"
    assert kind_of_name("notes.txt") is None
    assert with_ending(Path("a/b.tar.png"), "tiff") == Path("a/b.tar.tif")
    assert with_ending(Path("t10k-images-idx3-ubyte"), "npy") == Path("t10k-images-idx3.npy")
    assert with_ending(Path("noname"), "png") == Path("noname.png")
    for kind in WRITTEN:
        check_kind(kind)
    with pytest.raises(UsageError, match="there is no format 'tga'"):
        check_kind("tga")
    with pytest.raises(UsageError, match="the format 'dicom' is read, but not written"):
        check_kind("dicom")


def test_what_a_kind_cannot_hold_names_the_file() -> None:
    floats = Stack(np.zeros((1, 5, 5, 1), np.float32))
    for kind in ("png", "jpeg", "webp", "bmp", "pnm"):
        with pytest.raises(DataError, match=r"^photo.tif"):
            write(kind, [floats], About(), "photo.tif")


def test_what_a_file_makes_an_encoder_raise_is_one_line() -> None:
    def broken(stacks: object) -> bytes:
        raise AssertionError("two\nlines")

    file = ImageFile("jpeg", [Stack(GREY)], broken)
    with pytest.raises(DataError, match=r"^named cannot be written as jpeg: two$"):
        encode(file, file.stacks, "named")


def test_a_data_set_is_named_behind_a_colon(tmp_path: Path) -> None:
    assert split_part(Path("a/b.h5:/x/y")) == (Path("a/b.h5"), "/x/y")
    assert split_part(Path("b.HDF5:/x")) == (Path("b.HDF5"), "/x")
    assert split_part(Path("b.h5")) == (Path("b.h5"), None)
    assert split_part(Path("b.png:/x")) == (Path("b.png:/x"), None)
    (tmp_path / "b.h5:").mkdir()
    (tmp_path / "b.h5:" / "x").touch()
    assert split_part(tmp_path / "b.h5:" / "x") == (tmp_path / "b.h5:" / "x", None)


def test_folders_that_are_images(tmp_path: Path) -> None:
    assert not is_image_folder(tmp_path)
    (tmp_path / "zarr.json").touch()
    assert is_image_folder(tmp_path)
    assert not is_image_folder(tmp_path / "zarr.json")
    assert not_written_back(tmp_path) is None


def test_a_missing_library_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = {
        "mrc": bytes(208) + b"MAP " + bytes(2000),
        "raw": b"IIRO" + bytes(99),
        "heif": heic_files.COLOUR,
    }
    for kind, library, extra in (
        ("mrc", "mrcfile", "science"),
        ("raw", "rawpy", "camera"),
        ("heif", "pi_heif", "camera"),
    ):
        module = f"dae_tui.core.images.codecs.{KINDS[kind].module}"
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(DataError) as failure:
            read(starts[kind], "x")
        assert failure.value.message == f"x is a {kind} file, for which {library} is not installed"
        assert failure.value.hint == f"pip install 'dae-tui[{extra}]'"


def test_what_cannot_be_written_back(tmp_path: Path) -> None:
    avif = b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(99)
    contents = {
        "a.heic": (heic_files.COLOUR, "heif"),
        "b.HIF": (avif, None),  # A photograph of another kind, as some programs name them.
        "c.tif": (b"IIRO" + bytes(99), "raw"),
        "d": (heic_files.COLOUR, "heif"),
        "e.tif": (b"II*\0" + bytes(99), None),
        "f.dng": (b"", "raw"),
        "g.png": (b"", None),
    }
    for name, (content, kind) in contents.items():
        (tmp_path / name).write_bytes(content)
        assert not_written_back(tmp_path / name) == kind
    assert not_written_back(tmp_path / "none.heif") == "heif"


def test_a_kind_that_is_only_read_is_not_written() -> None:
    with pytest.raises(DataError, match="x cannot become a dicom file"):
        write("dicom", [Stack(GREY)], About(), "x")


def test_names_of_all_sorts_of_files_say_nothing(tmp_path: Path) -> None:
    table = b"5," + b"0," * 783 + b"0\n"
    contents = {"a.csv": table, "labels.csv": b"name,label\n", "a.map": b"text" * 999, "b.png": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = {path.name for path in tmp_path.iterdir() if is_named_image(path)}
    assert found == {"a.csv", "b.png"}
    assert not is_named_image(tmp_path / "none.csv")


def test_what_must_not_be_entered_is_no_image_folder_and_one_file_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "1.png").write_bytes(b"")
    stat = os.stat

    def refused(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(f"{tmp_path}/closed/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refused)
    assert not is_image_folder(tmp_path / "closed")
    with pytest.raises(DataError, match=r"^1\.png"):
        content_of(tmp_path / "closed" / "1.png", "1.png")
