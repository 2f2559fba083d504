"""The kind of a classifier file, determined before it is loaded; no torch.

ONNX and safetensors hold numbers and the names of known operations. torch.export and TorchScript
files are programs: the first are unpickled, which can run any code, the second can write files.
"""

import os
from enum import Enum
from pathlib import Path

from dae_tui.errors import WeightsError
from dae_tui.spec.model_cards import read_metadata
from dae_tui.system.regular_files import open_regular

# The limit of protobuf, and so of an ONNX file.
MOST_BYTES = 2 << 30


class Kind(Enum):
    """The kind of a file, by its suffix."""

    OURS = "safetensors"
    ONNX = "ONNX"
    EXPORTED = "torch.export"
    SCRIPTED = "TorchScript"

    @property
    def is_program(self) -> bool:
        """Whether opening such a file can run any code."""
        return self in (Kind.EXPORTED, Kind.SCRIPTED)


_BY_ENDING = {
    ".onnx": Kind.ONNX,
    ".pt2": Kind.EXPORTED,
    ".pt": Kind.SCRIPTED,
    ".ts": Kind.SCRIPTED,
    ".torchscript": Kind.SCRIPTED,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_TRUST = "if you trust whoever made it, give --trust-classifier"
_SAFE = "export the classifier as ONNX (torch.onnx.export), which runs nothing"


def kind_of(path: Path, *, trusted: bool = False) -> Kind:
    """The kind of a classifier file.

    Args:
        path: the file; an untrusted program is not even opened.
        trusted: whether programs may be run.

    Raises WeightsError for a program that is not trusted, for one with the suffix of another kind,
    and for anything that is not a regular file or is larger than `MOST_BYTES`.
    """
    kind = _BY_ENDING.get(path.suffix.lower(), Kind.OURS)
    if kind.is_program and not trusted:
        raise WeightsError(
            f"{path} is not opened: {kind.value} files can run any code as you",
            f"{_SAFE}; {_TRUST}",
        )
    begins = _first_bytes(path)
    if not kind.is_program and begins.startswith(_ZIP + _PICKLE):
        what = "a pickle" if begins.startswith(_PICKLE) else "a zip archive, as torch saves"
        raise WeightsError(
            f"{path} is not opened: it is {what}, not {kind.value}, "
            "and such files can run any code as you",
            _SAFE,
        )
    return kind


def check_ours(path: Path) -> None:
    """Raise WeightsError for a file that `dae train` has not written."""
    if _BY_ENDING.get(path.suffix.lower(), Kind.OURS) is not Kind.OURS:
        raise WeightsError(
            f"{path} is no weights file of dae train, and a training accepts no other classifier",
            "dae train classifier makes one; dae benchmark quality --classifier takes ONNX too",
        )
    read_metadata(path)


def _first_bytes(path: Path) -> bytes:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            begins = file.read(8)
    except OSError as failure:
        raise WeightsError(
            f"{path} cannot be read: {str(failure.strerror).lower()}", "check the file"
        ) from failure
    if size > MOST_BYTES:
        raise WeightsError(
            f"{path} is larger than {MOST_BYTES >> 30} GiB",
            "classifiers are far smaller",
        )
    return begins
