"""HEIF: known, and refused. Its decoders come with HEVC encoders under the GPL, or need libheif.

imagecodecs and Pillow have none either in the builds that are distributed.
"""

from typing import NoReturn

from dae_tui.core.images.file_content import Source
from dae_tui.errors import DataError


def read(content: bytes, name: str) -> NoReturn:
    """Raise DataError that says what to do."""
    raise DataError(
        f"{name} is a HEIF file (HEVC), which dae does not read",
        "convert it to PNG, AVIF or TIFF: heif-convert, or vips copy",
    )


def bounds(source: Source, name: str) -> NoReturn:
    """Raise DataError as `read`."""
    read(b"", name)
