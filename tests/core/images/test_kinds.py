"""Kinds are known by their first bytes; names decide where those are alike."""

import gzip
import io
import zipfile
from itertools import count

import pytest

from dae_tui.core.images.kinds import ENDINGS, KINDS, WRITTEN, kind_of_content, kind_of_name


def box(main: bytes, *others: bytes) -> bytes:
    size = (16 + 4 * len(others)).to_bytes(4, "big")
    return size + b"ftyp" + main + bytes(4) + b"".join(others) + bytes(64)


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, "{}")
    return out.getvalue()


HEADER = bytes(344) + b"n+1\0"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG" + bytes(20) + b"IDAT", "png"),
        (b"\x89PNG" + bytes(20) + b"acTL" + bytes(9) + b"IDAT", "animated png"),
        (b"\x89PNG" + bytes(20) + b"IDAT" + bytes(9) + b"acTL", "png"),
        (b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\2", "animated webp"),
        (b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0", "webp"),
        (b"RIFF\0\0\0\0WEBPVP8L", "webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"GIF89a", "gif"),
        (box(b"avif", b"mif1"), "avif"),
        (box(b"mif1", b"avif"), "avif"),
        (box(b"heic", b"mif1"), "heif"),
        (box(b"mif1", b"heic"), "heif"),
        (box(b"crx "), "raw"),
        (box(b"isom", b"mp42"), None),
        (b"\xff\x0a" + bytes(9), "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"\xff\x4f\xff\x51", "jp2"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"SIMPLE  =                    T", "fits"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n", "hdf5"),
        (bytes(128) + b"DICM", "dicom"),
        (b"II*\0" + bytes(124) + b"DICM", "dicom"),
        (HEADER, "nifti"),
        (gzip.compress(HEADER), "nifti"),
        (gzip.compress(b"\0\0\x08\3"), "idx"),
        (b"\x1f\x8b\0\0", "idx"),
        (gzip.compress(b"SIMPLE  =" + bytes(99)), "fits"),
        (gzip.compress(bytes(208) + b"MAP " + bytes(9)), "mrc"),
        (bytes(208) + b"MAP " + bytes(9), "mrc"),
        (archive("a.npy"), "npz"),
        (archive("zarr.json", "c/0"), "zarr"),
        (archive("a.zarr/.zgroup"), "zarr"),
        (b"5," + b"0," * 783 + b"0\n", "csv"),
        (b"label," + b"p," * 783 + b"p\n", "csv"),
        (b"1,2,3\n", None),
        (b"hello", None),
        (b"", None),
    ],
    # Packed bytes hold the time: named by them, tests would differ between worker processes.
    ids=count(),
)
def test_first_bytes(content: bytes, kind: str | None) -> None:
    assert kind_of_content(content) == kind


def test_names() -> None:
    for kind, endings in ENDINGS.items():
        for ending in endings:
            assert kind_of_name(f"A{ending}".upper()) == kind
    assert kind_of_name("x.zarr/") == "zarr"
    assert kind_of_name("x.ome.zarr") == "zarr"
    assert kind_of_name("x.gz") is None
    assert kind_of_content(archive("c/0", "zarr.json"), "x.zarr.zip") == "zarr"


def test_every_kind_is_complete() -> None:
    assert {"dicom", "raw", "heif"}.isdisjoint(WRITTEN)
    assert {kind.extra for kind in KINDS.values()} == {"", "science", "camera"}
    assert all(kind.quiet for kind in KINDS.values() if kind.extra)
    assert {name for name, kind in KINDS.items() if kind.becomes} == {"raw", "heif"}
    assert all(kind.becomes in ("", *WRITTEN) for kind in KINDS.values())
