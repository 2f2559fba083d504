"""The table of a compressed file, beside JPEG and WebP of the same size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from dae_tui.commands.output.terminal import plain_table
from dae_tui.core.compression.compress import Compressed
from dae_tui.core.compression.container import Picture
from dae_tui.core.compression.pictures import nominal_ratio
from dae_tui.core.evaluation.compression.compression_quality import (
    RIVALS,
    Quality,
    quality_of_file,
    rival_of_size,
)

MOST_COMPARED = 64
"""So many images are compared with JPEG and WebP at most, each at its share of the file."""


@dataclass(frozen=True)
class Report:
    """What was made, and what the others make of as many bytes."""

    own: Quality
    units: int
    nominal: float
    values: int
    stored_bytes: int
    """Of all values as they are stored, uncompressed."""
    pixels: int
    rivals: dict[str, Quality]
    images: int

    def ratio(self, quality: Quality) -> float:
        return self.stored_bytes / quality.bytes

    def bits(self, quality: Quality) -> float:
        """Bits a pixel."""
        return 8 * quality.bytes / self.pixels

    def as_json(self) -> dict[str, Any]:
        rows = {"dae": self.own, **self.rivals}
        return {
            "units": self.units,
            "nominal_ratio": self.nominal,
            "images": self.images,
            "rows": [
                {
                    "method": name,
                    "bytes": row.bytes,
                    "ratio": self.ratio(row),
                    "bits_per_pixel": self.bits(row),
                    "psnr": row.psnr if math.isfinite(row.psnr) else None,
                    "ssim": row.ssim,
                    "quality": row.quality,
                }
                for name, row in rows.items()
            ],
        }


def report_on(
    made: Compressed, pictures: Sequence[tuple[Picture, Tensor]], compare: bool
) -> Report:
    """Measure a file, and the rivals of each image where there are any."""
    own = quality_of_file(made, [images for _, images in pictures])
    images = [(picture, image) for picture, group in pictures for image in group]
    rivals = {}
    if compare and len(images) <= MOST_COMPARED and all(_comparable(each) for each, _ in images):
        rivals = {name: _rival(name, images, len(made.content)) for name in RIVALS}
    each = [picture for picture, _ in pictures]
    stored = sum(group.numel() * _bytes(picture) for picture, group in pictures)
    return Report(
        own, made.units,
        nominal_ratio(each, made.coder.channels, made.coder.side, made.units),
        sum(group.numel() for _, group in pictures), stored,
        sum(picture.pages * picture.height * picture.width for picture in each),
        rivals, len(images),
    )  # fmt: skip


def _bytes(picture: Picture) -> int:
    return torch.empty(0, dtype=getattr(torch, picture.dtype)).element_size()


def _comparable(picture: Picture) -> bool:
    """Whether JPEG and WebP hold such images: 8 bits, grey or colour, not too long."""
    fits = max(picture.height, picture.width) <= 16_383
    return picture.dtype == "uint8" and picture.channels in (1, 3) and not picture.alpha and fits


def _rival(name: str, images: Sequence[tuple[Picture, Tensor]], size: int) -> Quality:
    """JPEG or WebP files of all images, each with its share of the bytes by its pixels."""
    total = sum(image.numel() for _, image in images)
    found = [rival_of_size(name, image, round(size * image.numel() / total)) for _, image in images]
    similar = [each.ssim for each in found if each.ssim is not None]
    return Quality(
        sum(each.bytes for each in found),
        sum(each.psnr for each in found) / len(found),
        sum(similar) / len(similar) if similar else None,
        found[0].quality if len(found) == 1 else None,
    )


def table_of(report: Report) -> Table:
    """The file beside JPEG and WebP."""
    table = plain_table()
    table.add_column("method")
    for heading in ("bytes", "ratio", "bits a pixel", "PSNR dB", "SSIM"):
        table.add_column(heading, justify="right")
    for name, row in {"dae": report.own, **report.rivals}.items():
        setting = "" if row.quality is None else f", quality {row.quality}"
        similar = "–" if row.ssim is None else f"{row.ssim:.3f}"
        larger = " (its smallest)" if row.bytes > 1.02 * report.own.bytes else ""
        table.add_row(
            name + setting, f"{row.bytes:,}{larger}", f"{report.ratio(row):.1f}",
            f"{report.bits(row):.3f}", f"{row.psnr:.2f}", similar,
        )  # fmt: skip
    return table
