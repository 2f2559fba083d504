"""NPY, NPZ and IDX: files of numpy and by hand, read, written and read by numpy again."""

import gzip
import io
import pickle
import random
import struct
import tracemalloc
import warnings
import zipfile
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.core.images import formats as kinds
from dae_tui.core.images import image_file
from dae_tui.core.images.codecs import arrays, npz
from dae_tui.core.images.codecs import idx as idx_file
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
INTEGERS = ("u1", "<u2", ">u2", "<u4", ">u4", "<u8", "i1", "<i2", ">i2", "<i4", "<i8", ">i8")
TYPES = ("?", *INTEGERS, "<f2", "<f4", ">f4", "<f8", ">f8")
# What is stored, as what it is read, and whether the last channel is alpha.
SHAPES = [
    ((7, 9), (1, 7, 9, 1), False),
    ((4, 7, 9), (4, 7, 9, 1), False),
    ((3, 7, 9), (3, 7, 9, 1), False),
    ((7, 9, 3), (1, 7, 9, 3), False),
    ((7, 9, 4), (1, 7, 9, 4), True),
    ((2, 7, 9, 1), (2, 7, 9, 1), False),
    ((2, 7, 9, 3), (2, 7, 9, 3), False),
    ((2, 7, 9, 4), (2, 7, 9, 4), True),
    ((2, 1, 7, 9), (2, 7, 9, 1), False),
    ((2, 3, 7, 9), (2, 7, 9, 3), False),
]
READ = {"npy": arrays.read_npy, "npz": npz.read, "idx": idx_file.read}
WRITE = {"npy": arrays.write_npy, "npz": npz.write, "idx": idx_file.write}
IDX_TYPES = {">u1": 8, ">f4": 13, ">f8": 14}


def values_of(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    values = RANDOM.random(shape)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values < 0.5
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    native = kind.newbyteorder("=")
    return RANDOM.integers(limits.min, limits.max, shape, native, endpoint=True).astype(kind)


def saved(array: NDArray[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def saved_npz(compressed: bool = False, /, **named: Any) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **named)
    return out.getvalue()


def idx(array: NDArray[Any], code: int) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.tobytes()


def header(text: str, values: bytes = b"") -> bytes:
    """A .npy file whose header is any text."""
    padded = text.encode("latin-1")
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(padded)) + padded + values


def changed(file: ImageFile) -> tuple[list[NDArray[Any]], bytes]:
    """Other values for every stack, and the file that holds them."""
    values = [values_of(stack.values.shape, stack.values.dtype) for stack in file.stacks]
    stacks = [Stack(new, old.alpha) for new, old in zip(values, file.stacks, strict=True)]
    return values, file.encode(stacks)


def as_read(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return array.transpose(0, 2, 3, 1)
    return array.reshape(shape)


@pytest.mark.parametrize(("stored", "shape", "alpha"), SHAPES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_shape_and_type_of_npy(
    stored: tuple[int, ...],
    shape: tuple[int, ...],
    alpha: bool,
    dtype: str,
    order: Literal["C", "F"],
) -> None:
    array = np.asarray(values_of(stored, dtype), order=order)
    content = saved(array)
    file = arrays.read_npy(content, "x.npy")
    (stack,) = file.stacks
    assert (stack.values.shape, stack.values.dtype, stack.alpha) == (shape, array.dtype, alpha)
    np.testing.assert_array_equal(stack.values, as_read(array, shape))
    (new,), written = changed(file)
    found = np.load(io.BytesIO(written))
    np.testing.assert_array_equal(as_read(found, shape), new)
    assert (found.shape, found.dtype) == (stored, array.dtype)
    assert found.flags.f_contiguous == array.flags.f_contiguous
    assert file.encode(file.stacks) == content


def test_npy_is_read_without_a_copy() -> None:
    content = saved(np.zeros((10, 8, 8), np.uint8))
    values = arrays.read_npy(content, "x.npy").stacks[0].values
    assert np.shares_memory(values, np.frombuffer(content, np.uint8))


REFUSED = {
    "complex": (saved(np.zeros((9, 9), "c8")), "complex64"),
    "text": (saved(np.full((9, 9), "a")), "<U1"),
    "long double": (saved(np.zeros((9, 9), np.longdouble)), "float128"),
    "one axis": (saved(np.zeros(9, "u1")), r"shape is \(9,\)"),
    "five axes": (saved(np.zeros((1, 1, 1, 9, 9), "u1")), r"shape is \(1, 1, 1, 9, 9\)"),
    "two channels": (saved(np.zeros((2, 9, 9, 2), "u1")), r"shape is \(2, 9, 9, 2\)"),
    "nothing": (saved(np.zeros((0, 9, 9), "u1")), "no images"),
    "cut": (saved(np.zeros((9, 9), "u1"))[:-1], "80 bytes of values where 81 belong"),
    "more": (saved(np.zeros((9, 9), "u1")) * 2, "where 81 belong"),
    "claim": (header("{'descr':'|u1','fortran_order':False,'shape':(20000,20000)}\n"), "belong"),
    "negative": (
        header("{'descr':'|u1','fortran_order':False,'shape':(-3,-3)}", b"9" * 9),
        "whole",
    ),
    "no dict": (header("[1, 2]\n"), "whole"),
    "no text": (header("{'descr': (((((\n"), "whole"),
    "deep": (header("(" * 9000), "whole"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_npy_of_images_is_refused(what: str) -> None:
    content, message = REFUSED[what]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=message) as failure:
            arrays.read_npy(content, "x.npy")
    assert failure.value.message.startswith("x.npy")
    assert failure.value.hint


class Trap:
    """Pickled, it would run code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("it was unpickled",)


def test_nothing_is_unpickled() -> None:
    trapped = saved(np.array([[Trap()]], object), allow_pickle=True)
    assert b"it was unpickled" in trapped
    with pytest.raises(DataError, match="object"):
        arrays.read_npy(trapped, "x.npy")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("trap.npy", trapped)
        archive.writestr("raw.npy", pickle.dumps(Trap()))
        archive.writestr("a.npy", saved(np.zeros((9, 9), "u1")))
    file = npz.read(out.getvalue(), "x.npz")
    assert len(file.stacks) == 1
    with zipfile.ZipFile(io.BytesIO(changed(file)[1])) as archive:
        assert archive.read("trap.npy") == trapped


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_of_npz(dtype: str) -> None:
    array = values_of((3, 7, 9), dtype)
    file = npz.read(saved_npz(True, a=array), "x.npz")
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], array)
    (new,), written = changed(file)
    with np.load(io.BytesIO(written)) as found:
        assert found["a"].dtype == array.dtype
        np.testing.assert_array_equal(found["a"], new[..., 0])


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_changes_its_images_alone(compressed: bool) -> None:
    others = {
        "labels": np.arange(3, dtype="i8"),
        "names": np.array(["a", "b"]),
        "scale": np.float64(0.5),
        "waves": np.zeros((9, 9), "c8"),
    }
    content = saved_npz(
        compressed,
        a=values_of((3, 7, 9), "u1"),
        **others,
        b=np.asfortranarray(values_of((7, 8, 3), ">f4")),
    )
    file = npz.read(content, "x.npz")
    assert [stack.values.shape for stack in file.stacks] == [(3, 7, 9, 1), (1, 7, 8, 3)]
    assert [remark.split("'")[1] for remark in file.remarks] == list(others)
    new, written = changed(file)
    with np.load(io.BytesIO(written), allow_pickle=False) as found:
        assert list(found) == ["a", *others, "b"]
        np.testing.assert_array_equal(found["a"], new[0][..., 0])
        np.testing.assert_array_equal(found["b"], new[1][0])
        assert found["b"].dtype == ">f4"
        for name, array in others.items():
            np.testing.assert_array_equal(found[name], array)
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        types = {info.compress_type for info in archive.infolist()}
    assert types == {zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED}


def test_npz_without_images_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.npz holds no array of images"):
        npz.read(saved_npz(labels=np.arange(9)), "x.npz")


def test_zip_bombs_are_not_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", saved(np.zeros((9, 9), "u1")) + b"\0" * 1_000_000)
    with pytest.raises(DataError, match="where 81 belong"):
        npz.read(out.getvalue(), "x.npz")
    claims = bytearray(out.getvalue())
    at = claims.index(b"PK\1\2")
    struct.pack_into("<I", claims, at + 24, 2_000_000_000)
    with pytest.raises(DataError, match="cannot hold the 2,000,000,000 bytes"):
        npz.read(bytes(claims), "x.npz")


def test_all_arrays_together_may_have_so_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved_npz(a=np.zeros((9, 9), "u1"), b=np.zeros((9, 9), "u1"))
    monkeypatch.setattr(image_file, "MOST_PIXELS", 162)
    assert len(npz.read(content, "x.npz").stacks) == 2
    monkeypatch.setattr(image_file, "MOST_PIXELS", 161)
    for read, whole in ((npz.read, content), (arrays.read_npy, saved(np.zeros((9, 18))))):
        with pytest.raises(DataError, match="too many to be true"):
            read(whole, "x")


def test_a_member_unpacks_to_no_more_than_it_claims() -> None:
    array = np.zeros((200, 200), "u1")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", saved(array) + bytes(30_000_000))
    claims = bytearray(out.getvalue())
    struct.pack_into("<I", claims, claims.index(b"PK\1\2") + 24, len(saved(array)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="CRC"):
            kinds.read(bytes(claims), "x.npz")
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_an_archive_of_too_many_arrays_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved_npz(**{f"a{number}": np.zeros((9, 9), "u1") for number in range(5)})
    monkeypatch.setattr(image_file, "MOST_STACKS", 5)
    assert len(npz.read(content, "x.npz").stacks) == 5
    monkeypatch.setattr(image_file, "MOST_STACKS", 4)
    with pytest.raises(DataError, match=r"x\.npz holds 5 arrays; dae takes up to 4$"):
        npz.read(content, "x.npz")


def test_a_table_of_contents_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_MOST_CONTENTS", 100)
    content = saved_npz(**{f"a{number}": np.zeros((9, 9), "u1") for number in range(3)})
    with pytest.raises(DataError, match=r"table of contents of 1\d\d bytes; dae takes up to 100"):
        npz.read(content, "x.npz")


def test_what_is_no_image_has_a_limit_in_all_and_is_named_only_so_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = {f"o{number}": np.arange(100) for number in range(20)}
    content = saved_npz(a=np.zeros((9, 9), "u1"), **others)
    remarks = npz.read(content, "x.npz").remarks
    assert len(remarks) == 9
    assert remarks[-1] == "12 more arrays stay as they are"
    monkeypatch.setattr(npz, "MOST_PIXELS", 10_000)
    with pytest.raises(DataError, match="bytes that are no images"):
        npz.read(content, "x.npz")


@pytest.mark.parametrize(
    "shape", [(7, 9), (4, 7, 9), (8, 7, 3), (8, 7, 2), (8, 7, 1), (2, 1, 7, 9), (2, 3, 7, 9)]
)
@pytest.mark.parametrize("dtype", IDX_TYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_idx(shape: tuple[int, ...], dtype: str, packed: bool) -> None:
    array = values_of(shape, dtype)
    content = idx(array, IDX_TYPES[dtype])
    file = idx_file.read(gzip.compress(content) if packed else content, "x-ubyte")
    values = file.stacks[0].values
    wanted = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array.reshape(-1, *shape[-2:], 1)
    np.testing.assert_array_equal(values, wanted)
    (new,), written = changed(file)
    start = 4 + 4 * array.ndim
    written = gzip.decompress(written) if packed else written
    assert written[:start] == content[:start]
    found = np.frombuffer(written, dtype, offset=start).reshape(shape)
    if array.ndim == 4:
        found = found.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(found.reshape(new.shape), new)


DIGITS = idx(np.zeros((3, 9, 9), "u1"), 8)


REFUSED_IDX = {
    "cut": (DIGITS[:-1], "242 bytes where 243 belong"),
    "more": (DIGITS + b"\0", "244 bytes where 243 belong"),
    "cut header": (DIGITS[:10], "truncated"),
    "short": (DIGITS[:3], "no IDX"),
    "one axis": (idx(np.zeros(9, "u1"), 8), "1 axes"),
    "int16": (idx(np.zeros((9, 9), "i2"), 11), "0x0b"),
    "nothing": (idx(np.zeros((0, 9, 9), "u1"), 8), "no images"),
    "claim": (struct.pack(">HBB3I", 0, 8, 3, 700, 700, 700), "broken"),
    "much": (struct.pack(">HBB3I", 0, 8, 3, 20_000, 20_000, 20_000), "too many to be true"),
    "packed claim": (gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 700, 700, 700)), "cannot hold"),
    "packed much": (gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 9999, 9999, 9999)), "too many"),
    "packed more": (gzip.compress(DIGITS + b"\0" * 10**6), "244 bytes where 243 belong"),
    "cut gzip": (gzip.compress(DIGITS)[:-6], "broken gzip"),
    "after gzip": (gzip.compress(DIGITS) + b"more", "broken gzip"),
    "text": (gzip.compress(b"text"), "no IDX"),
}


@pytest.mark.parametrize("what", REFUSED_IDX)
def test_what_is_no_idx_of_images_is_refused(what: str) -> None:
    content, message = REFUSED_IDX[what]
    with pytest.raises(DataError, match=message) as failure:
        idx_file.read(content, "x-ubyte")
    assert failure.value.message.startswith("x-ubyte")


@pytest.mark.parametrize("shape", [shape for _, shape, _ in SHAPES] + [(6, 7, 4, 1), (1, 3, 3, 3)])
@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "f4"])
def test_written_arrays_are_read_as_the_same_images(shape: tuple[int, ...], dtype: str) -> None:
    values = values_of(shape, dtype)
    stack = Stack(values, alpha=shape[3] == 4)
    for kind in ("npy", "npz"):
        content = WRITE[kind]([stack], About())
        (read,) = READ[kind](content, "x").stacks
        np.testing.assert_array_equal(read.values, values)
        assert (read.values.dtype, read.alpha) == (values.dtype, stack.alpha)


def test_written_npy_has_few_axes() -> None:
    def shape(*stored: int) -> tuple[int, ...]:
        content = arrays.write_npy([Stack(np.zeros(stored, "u1"))], About())
        loaded: NDArray[Any] = np.load(io.BytesIO(content))
        return loaded.shape

    assert shape(1, 7, 9, 1) == (7, 9)
    assert shape(2, 7, 9, 1) == (2, 7, 9)
    assert shape(1, 7, 9, 3) == (7, 9, 3)
    assert shape(2, 7, 9, 3) == (2, 7, 9, 3)


def test_pages_become_one_npy_and_several_npz() -> None:
    stacks = [Stack(values_of((1, 7, 9, 1), "u1"), white_is_zero=index > 0) for index in range(3)]
    wanted = np.stack([stacks[0].values[0], *(255 - stack.values[0] for stack in stacks[1:])])
    found = np.load(io.BytesIO(arrays.write_npy(stacks, About())))
    np.testing.assert_array_equal(found, wanted[..., 0])
    stacks.append(Stack(values_of((1, 5, 5, 3), "f4")))
    with pytest.raises(DataError, match="one size and type"):
        arrays.write_npy(stacks, About())
    with np.load(io.BytesIO(npz.write(stacks, About()))) as archive:
        assert list(archive) == ["arr_0", "arr_1", "arr_2", "arr_3"]
        np.testing.assert_array_equal(archive["arr_3"], stacks[3].values[0])
        np.testing.assert_array_equal(archive["arr_1"], wanted[1, ..., 0])


@pytest.mark.parametrize(("dtype", "code"), [("?", 8), ("u1", 8), ("f4", 13), ("f8", 14)])
@pytest.mark.parametrize("channels", [1, 3])
def test_written_idx_is_read_by_hand(dtype: str, code: int, channels: int) -> None:
    values = values_of((2, 7, 9, channels), dtype)
    content = idx_file.write([Stack(values)], About())
    wanted = values * np.uint8(255) if dtype == "?" else values
    stored = wanted[..., 0] if channels == 1 else wanted.transpose(0, 3, 1, 2)
    big = {value: key for key, value in IDX_TYPES.items()}[code]
    assert content == idx(stored.astype(big), code)
    read = idx_file.read(content, "x").stacks[0].values
    np.testing.assert_array_equal(read, wanted)


@pytest.mark.parametrize(
    ("kind", "stack", "message"),
    [
        ("npy", Stack(np.zeros((1, 9, 9, 2), "u1"), alpha=True), "alpha"),
        ("npz", Stack(np.zeros((1, 9, 9, 4), "u1")), "CMYK"),
        ("idx", Stack(np.zeros((1, 9, 9, 4), "u1"), alpha=True), "alpha"),
        ("idx", Stack(np.zeros((1, 9, 9, 1), "u2")), "uint16"),
    ],
)
def test_what_a_kind_cannot_hold_is_refused(kind: str, stack: Stack, message: str) -> None:
    with pytest.raises(DataError, match=message):
        WRITE[kind]([stack], About())


def test_mutations_end_in_errors_or_whole_images() -> None:
    chance = random.Random(1)
    digits = values_of((3, 7, 9), "u1")
    files = [
        ("npy", saved(digits)),
        ("npz", saved_npz(True, a=digits, labels=np.arange(3))),
        ("idx", idx(digits, 8)),
        ("idx", gzip.compress(idx(digits, 8), mtime=0)),
    ]
    read = 0
    for round_ in range(200):
        kind, original = files[round_ % len(files)]
        content = bytearray(original)
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content) if round_ % 3 else 128)] = chance.randrange(256)
        if round_ % 5 == 0:
            content += bytes(chance.randrange(256) for _ in range(9))
        if round_ % 7 == 0:
            del content[chance.randrange(len(content)) :]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                file = READ[kind](bytes(content), "x")
        except Exception:
            continue
        read += 1
        assert file.stacks[0].values.size in (digits.size, digits.size * 2)
        changed(file)
    assert 0 < read < 200
