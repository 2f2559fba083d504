"""What a classifier's file is, told before anything opens it to run it; no torch.

ONNX and safetensors are numbers and the names of known operations. torch.export and TorchScript
files are programs: the first are unpickled, and the second can write files. So can any pickle.
"""

import os
from enum import Enum
from pathlib import Path

from dae_tui.errors import WeightsError
from dae_tui.spec.model_cards import read_metadata
from dae_tui.system.regular_files import open_regular

# As much as protobuf, and so an ONNX file, can hold.
MOST_BYTES = 2 << 30


class Kind(Enum):
    """What a file is by its name, and what that is called."""

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
    """What the file is that a person names as a classifier.

    Args:
        path: the file; a program that is not trusted is not even opened to be looked at.
        trusted: whether programs may be run.

    Raises WeightsError for a program that is not trusted, for one that hides behind the name of
    something else, and for what is no regular file or is larger than `MOST_BYTES`.
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
            f"{path} is no weights file of dae train, and no other judges a training",
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
