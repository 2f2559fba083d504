"""The steps of pruning: their figures, as a table, and their pictures, here and in a file."""

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from rich.table import Table
from torch import Tensor

from dae_tui.commands.output.pictures import picture
from dae_tui.commands.output.terminal import plain_table
from dae_tui.core.compression.container import Picture
from dae_tui.core.compression.pictures import images_of
from dae_tui.core.compression.pruning import CHUNK, Step
from dae_tui.core.evaluation.compression.compression_quality import as_stored, quality_of
from dae_tui.system.atomic import write_whole
from dae_tui.terminal.blocks import shrink
from dae_tui.terminal.graphics import Graphics

SHOWN_SIDE = 128
"""Pictures in a file are enlarged to this many pixels, by whole times."""
ACROSS = 6
_CAPTION = 14


@dataclass(frozen=True)
class StepFigures:
    """What a step of pruning left."""

    units: int
    ratio: float
    """Nominal."""
    smallest_angle: float | None
    squared_error: float
    psnr: float
    ssim: float | None


@dataclass(frozen=True)
class Shown:
    """A step and the first picture after it."""

    figures: StepFigures
    image: Tensor
    """(C, H, W) in [0, 1]."""

    def as_json(self) -> dict[str, float | None]:
        return asdict(self.figures)


@torch.no_grad()
def shown(
    step: Step, pictures: Sequence[tuple[Picture, Tensor]], patches: Sequence[Tensor]
) -> Shown:
    """What a step left of pictures and their patches (M, P)."""
    settings = step.network.settings
    decoded = []
    for (each, _), part in zip(pictures, patches, strict=True):
        found = [
            step.network.decode(step.network.encode(part[at : at + CHUNK])).clamp(0, 1)
            for at in range(0, len(part), CHUNK)
        ]
        decoded.append((each, images_of(each, torch.cat(found), settings.channels, settings.side)))
    quality = quality_of(as_stored(decoded), [images for _, images in pictures], 0)
    angle = None if math.isnan(step.smallest_angle) else step.smallest_angle
    figures = StepFigures(
        step.units, step.ratio, angle, step.squared_error, quality.psnr, quality.ssim
    )
    return Shown(figures, decoded[0][1][0])


def table_of_steps(steps: Sequence[Shown]) -> Table:
    """The figures of all steps."""
    table = plain_table()
    for heading in ("units", "ratio", "smallest angle", "sum of squares", "PSNR dB", "SSIM"):
        table.add_column(heading, justify="right")
    for each in steps:
        found = each.figures
        angle = "–" if found.smallest_angle is None else f"{found.smallest_angle:.1f}°"
        similar = "–" if found.ssim is None else f"{found.ssim:.3f}"
        table.add_row(
            str(found.units), f"{found.ratio:.1f}", angle, f"{found.squared_error:.3f}",
            f"{found.psnr:.2f}", similar,
        )  # fmt: skip
    return table


def drawn(image: Tensor, graphics: Graphics, columns: int, rows: int) -> object:
    """An image (C, H, W) in characters."""
    seen = image if len(image) in (1, 3) else image[:1]
    return picture(shrink(seen.numpy(), columns, rows), graphics)


def write_figure(path: Path, original: Tensor, steps: Sequence[Shown]) -> None:
    """The original and the picture after each step, side by side, as a PNG."""
    labels = ["original"] + [
        f"{each.figures.units} units, {each.figures.ratio:.0f}:1" for each in steps
    ]
    images = [_enlarged(image) for image in (original, *(each.image for each in steps))]
    width, height = images[0].size
    across = min(ACROSS, len(images))
    down = -(-len(images) // across)
    sheet = Image.new(
        "RGB", (across * (width + 8) - 8, down * (height + _CAPTION + 8) - 8), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = number % across * (width + 8), number // across * (height + _CAPTION + 8)
        sheet.paste(image, (left, top))
        draw.text((left, top + height + 1), label, fill="black")
    made = io.BytesIO()
    sheet.save(made, "PNG", optimize=True)
    write_whole(path, made.getvalue())


def _enlarged(image: Tensor) -> Image.Image:
    seen = image if len(image) in (1, 3) else image[:1]
    values = (seen.permute(1, 2, 0).numpy() * 255).round().clip(0, 255).astype(np.uint8)
    made = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values).convert("RGB")
    times = max(1, SHOWN_SIDE // max(made.size))
    return made.resize((made.width * times, made.height * times), Image.Resampling.NEAREST)
