"""The kinds of image files: their endings, where their codec is, and how their content begins."""

import re
import struct
import zlib
from dataclasses import dataclass

# Bytes of a gzip file that tell what is in it.
_PEEK = 512
# What is looked through at most, even where all of a file is here.
_START = 1 << 16
_CFA, _LINEAR_RAW = 32803, 34892
_PHOTOMETRIC, _SUB_TABLES, _DNG_VERSION = 262, 330, 50706
_SHORT, _LONG = 3, 4
# A row of an MNIST table has 784 numbers, and often a label.
_COMMAS = (783, 784)
_MRC_STAMP = slice(208, 212)


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    endings: tuple[str, ...]
    """Of its names, in small letters; new files get the first one. A kind that shares the name of
    another has none."""
    module: str
    """Of its codec, within `codecs/`."""
    suffix: str = ""
    """Of the functions in that module, if it has those of several kinds."""
    extra: str = ""
    """The extra of this package that installs its library."""
    written: bool = True
    """Whether new files of it can be made."""
    quiet: bool = False
    """Whether its library warns about files on its own."""
    at_end: bool = False
    """Whether it tells anywhere in a file, or at its end, what it holds."""
    becomes: str = ""
    """The kind of what its `encode` gives, where files of it cannot be written back."""


def _extra(endings: str, module: str, written: bool = True, at_end: bool = True) -> Kind:
    return Kind(
        tuple(endings.split()),
        f"science.{module}",
        extra="science",
        written=written,
        quiet=True,
        at_end=at_end,
    )


def _photograph(endings: str, module: str) -> Kind:
    return Kind(tuple(endings.split()), f"photographs.{module}", quiet=True)


def _camera(endings: str, module: str, at_end: bool = False) -> Kind:
    return Kind(
        tuple(endings.split()),
        f"photographs.{module}",
        extra="camera",
        written=False,
        quiet=True,
        at_end=at_end,
        becomes="tiff",
    )


KINDS = {
    "png": Kind((".png", ".apng"), "png"),
    "jpeg": Kind((".jpg", ".jpeg"), "jpeg_webp", "_jpeg"),
    "webp": Kind((".webp",), "jpeg_webp", "_webp"),
    "bmp": Kind((".bmp",), "bmp"),
    "tiff": Kind((".tif", ".tiff"), "tiff", at_end=True),
    "pnm": Kind((".pnm", ".pgm", ".ppm", ".pbm", ".pam"), "pnm"),
    "npy": Kind((".npy",), "arrays", "_npy"),
    "npz": Kind((".npz",), "npz", at_end=True),
    "idx": Kind((".idx", "-ubyte", ".idx.gz", "-ubyte.gz"), "idx"),
    "csv": Kind((".csv",), "science.digits_csv", at_end=True),
    "jxl": _photograph(".jxl", "jpeg_xl"),
    "avif": _photograph(".avif", "avif"),
    "jp2": _photograph(".jp2 .j2k .jpx .jpf .j2c .jpc", "jpeg2000"),
    "gif": _photograph(".gif", "gif"),
    "heif": _camera(".heic .heif .hif", "heif"),
    "mrc": _extra(".mrc .mrcs .map .st .ali .rec .mrc.gz .map.gz", "mrc", at_end=False),
    "fits": _extra(".fits .fit .fts .fits.gz .fits.fz", "fits"),
    "dicom": _extra(".dcm .dicom", "dicom", written=False),
    "nifti": _extra(".nii .nii.gz", "nifti", at_end=False),
    "zarr": _extra(".zarr .zarr.zip", "zarr"),
    "hdf5": _extra(".h5 .hdf5 .hdf .he5 .nxs .nc", "hdf5"),
    "raw": _camera(
        ".dng .cr2 .cr3 .nef .nrw .arw .raf .rw2 .orf .pef .srw", "camera_raw", at_end=True
    ),
    # Animations have the names of still pictures.
    "animated png": _photograph("", "animation"),
    "animated webp": _photograph("", "animation"),
}
# Suffixes of each kind that has names of its own.
ENDINGS = {name: kind.endings for name, kind in KINDS.items() if kind.endings}
USUAL_ENDINGS = " ".join(endings[0] for endings in ENDINGS.values())
"""The first ending of each kind, for messages."""
WRITTEN = tuple(name for name in ENDINGS if KINDS[name].written)
# Names that files of all sorts have; in a folder, such files are known by their content.
SHARED = (".csv", ".map", ".map.gz", ".st", ".ali", ".rec", ".hdf", ".nc")
_FITS = b"SIMPLE  ="
# How files begin, in order.
_BEGINNINGS = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"\x1f\x8b", "idx"),
    *((start, "tiff") for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (b"\0\0\x08", "idx"),
    (b"\0\0\x0d", "idx"),
    (b"\0\0\x0e", "idx"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (_FITS, "fits"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"MMOR", "raw"),
    (b"IIU\0", "raw"),
    *((b"P%d" % number, "pnm") for number in range(1, 8)),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1"), "heif"),
    b"msf1": "heif",
    b"crx ": "raw",
}
READABLE = (
    "readable are PNG, JPEG, WebP, BMP, TIFF, PNM, GIF, JPEG 2000, JPEG XL, AVIF, HEIC, .npy, "
    ".npz, IDX, CSV of MNIST, MRC, FITS, DICOM, NIfTI, Zarr, HDF5 and raw camera files"
)


def kind_of_content(content: bytes, name: str = "") -> str | None:
    """The kind of a file by its first bytes; None if dae does not read it.

    Args:
        content: the first 64 KiB, or all of it.
        name: of the file. It decides between kinds that begin alike: raw files of cameras are
            TIFFs, and old MRC files have no mark.
    """
    start = content[:16]
    if content[128:132] == b"DICM":  # What is before it may look like a TIFF.
        return "dicom"
    kind = next((kind for first, kind in _BEGINNINGS if start.startswith(first)), None)
    if kind == "png" and _moves(content):
        kind = "animated png"
    elif kind == "tiff" and _is_camera_raw(content, name):
        kind = "raw"
    elif kind == "npz" and _is_zarr(content, name):
        kind = "zarr"
    elif kind == "idx" and start[:2] == b"\x1f\x8b":
        kind = _kind_of_packed(content)
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        kind = "animated webp" if _webp_moves(content) else "webp"
    elif start[4:8] == b"ftyp":
        kind = _kind_of_brand(content)
    return kind or _kind_of_header(content, name)


def kind_of_name(name: str) -> str | None:
    """The kind of a file name, by its suffix."""
    lower = name.lower().rstrip("/")
    return next((kind for kind, ends in ENDINGS.items() if lower.endswith(ends)), None)


def _moves(content: bytes) -> bool:
    """Whether a PNG is an animation: that is said before its pixels."""
    at = content.find(b"acTL", 0, _START)
    return at >= 0 and content.find(b"IDAT", 0, at) < 0


def _webp_moves(content: bytes) -> bool:
    return content[12:16] == b"VP8X" and len(content) > 20 and bool(content[20] & 2)


def _kind_of_header(content: bytes, name: str) -> str | None:
    """Kinds whose mark stands further on in the file, or nowhere."""
    if content[344:348] in (b"n+1\0", b"ni1\0") or content[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    if content[_MRC_STAMP] == b"MAP " or (kind_of_name(name) == "mrc" and len(content) > 1024):
        return "mrc"
    if content[512:520] == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    line = content.lstrip(b"\xef\xbb\xbf").partition(b"\n")[0]
    if line.count(b",") in _COMMAS and re.match(rb'[\w\s"+.-]+,', line):
        return "csv"
    return None


def _kind_of_packed(content: bytes) -> str:
    """What a gzip file holds: NIfTI, MRC or FITS, or else it is taken for IDX."""
    try:
        start = zlib.decompressobj(31).decompress(content[: 8 * _PEEK], _PEEK + 64)
    except zlib.error:
        return "idx"
    if start.startswith(_FITS):
        return "fits"
    kind = _kind_of_header(start, "")
    return kind if kind in ("nifti", "mrc") else "idx"


def _kind_of_brand(content: bytes) -> str | None:
    """The kind of a file of boxes (ISO 14496-12) by its brand, else by those that it fits."""
    size = int.from_bytes(content[:4], "big")
    brands = [content[8:12], *(content[at : at + 4] for at in range(16, min(size, 256), 4))]
    if b"avif" in brands or b"avis" in brands:  # Their main brand may be mif1.
        return "avif"
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def _is_zarr(content: bytes, name: str) -> bool:
    """Whether a zip archive is a Zarr store; an NPZ begins with an array."""
    if kind_of_name(name) == "zarr":
        return True
    length = int.from_bytes(content[26:28], "little")
    first = content[30 : 30 + length]
    return first.rpartition(b"/")[2] in (b"zarr.json", b".zgroup", b".zarray", b".zattrs")


def _is_camera_raw(content: bytes, name: str) -> bool:
    """Whether a TIFF holds the readings of a sensor: a DNG, or an image with a colour filter."""
    named = kind_of_name(name) == "raw" and not name.lower().endswith(".dng")
    if named or content[8:10] == b"CR":
        return True
    if b"+" in content[2:4]:
        return False  # No camera writes BigTIFF.
    order = "<" if content[:2] == b"II" else ">"
    try:
        first = _tags(content, struct.unpack_from(order + "I", content, 4)[0], order)
        if _DNG_VERSION in first or _is_sensor(first, order):
            return True
        kind, count, value = first.get(_SUB_TABLES, (0, 0, b""))
        if not 0 < count <= 16 or kind not in (_LONG, 13):
            return False
        places = [struct.unpack(order + "I", value)[0]]
        if count > 1:
            places = list(struct.unpack_from(f"{order}{count}I", content, places[0]))
        return any(_is_sensor(_tags(content, place, order), order) for place in places)
    except struct.error:  # Beyond the first bytes, or broken.
        return False


def _is_sensor(tags: dict[int, tuple[int, int, bytes]], order: str) -> bool:
    kind, _, value = tags.get(_PHOTOMETRIC, (0, 0, b""))
    return kind == _SHORT and struct.unpack_from(order + "H", value)[0] in (_CFA, _LINEAR_RAW)


def _tags(content: bytes, position: int, order: str) -> dict[int, tuple[int, int, bytes]]:
    """Type, count and value or place of each tag. Raises struct.error beyond the content."""
    (count,) = struct.unpack_from(order + "H", content, position)
    entries = (
        struct.unpack_from(order + "HHI4s", content, position + 2 + 12 * number)
        for number in range(min(count, 512))
    )
    return {code: (kind, length, value) for code, kind, length, value in entries}
