"""The artefacts of JPEG compression: by Pillow's libjpeg, and on a GPU by the same arithmetic."""

import io
import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

BLOCK = 8
COLOURS = 3
# From RGB to brightness and two colour differences, with grey at 0 (JFIF).
TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)


def jpeg(images: Tensor, qualities: Tensor) -> Tensor:
    """Images (N, C, H, W) in [0, 1], stored as JPEG and read again; values outside are clipped.

    `qualities`: whole numbers from 1 to 100, (N, 1, 1, 1). Three channels are stored together, with
    colours of half the resolution as usual; of any other number each is stored by itself.
    """
    if images.is_cuda:
        return on_device(images, qualities)
    stored = (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    read = np.empty_like(stored)
    for number, quality in enumerate(qualities.flatten().int().tolist()):
        if len(stored[number]) == COLOURS:
            read[number] = np.moveaxis(_through(np.moveaxis(stored[number], 0, -1), quality), -1, 0)
            continue
        for channel, plane in enumerate(stored[number]):
            read[number, channel] = _through(plane, quality)
    return torch.from_numpy(read).to(images.dtype) / 255


def _through(values: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """uint8 values (H, W) or (H, W, 3) as JPEG gives them back."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image)


def on_device(images: Tensor, qualities: Tensor) -> Tensor:
    """What `jpeg` gives but for rounding, of the whole batch at once and on its device.

    For a GPU, which would wait while a processor stores one image after the other.
    """
    channels, height, width = images.shape[1:]
    bright, colour = _tables(images.device)
    planes = (images.clamp(0, 1) * 255).round()
    if channels != COLOURS:
        each = qualities.repeat_interleave(channels, dim=0)
        stored = _quantized(planes.view(-1, 1, height, width) - 128, _scaled(bright, each))
        return ((stored + 128).round().clamp(0, 255) / 255).view(images.shape)
    matrix = torch.tensor(TO_YCC, device=images.device)
    ycc = torch.einsum("ij,njhw->nihw", matrix, planes).round()
    light = _quantized(ycc[:, :1] - 128, _scaled(bright, qualities)) + 128
    odd = (0, width % 2, 0, height % 2)
    small = F.avg_pool2d(F.pad(ycc[:, 1:], odd, mode="replicate"), 2).round()
    small = _quantized(small, _scaled(colour, qualities))
    colours = F.interpolate(small, scale_factor=2, mode="bilinear")[..., :height, :width]
    rgb = torch.einsum(
        "ij,njhw->nihw", torch.linalg.inv(matrix), torch.cat([light, colours], dim=1).round()
    )
    return rgb.round().clamp(0, 255) / 255


def _scaled(table: Tensor, qualities: Tensor) -> Tensor:
    """The table (8, 8) of quality 50 for each of the qualities, (N, 1, 1, 1, 8, 8), as libjpeg."""
    scale = torch.where(qualities < 50, (5000 / qualities).floor(), 200 - 2 * qualities)
    return ((table * scale[..., None, None] + 50) / 100).floor().clamp(1, 255)


def _quantized(planes: Tensor, tables: Tensor) -> Tensor:
    """Planes (N, C, H, W) around 0, whose blocks are multiples of tables (N, 1, 1, 1, 8, 8)."""
    count, channels, height, width = planes.shape
    whole = (0, -width % BLOCK, 0, -height % BLOCK)
    wide = F.pad(planes, whole, mode="replicate")
    rows, columns = (side // BLOCK for side in wide.shape[2:])
    blocks = wide.view(count, channels, rows, BLOCK, columns, BLOCK).transpose(3, 4)
    waves = _cosines(planes.device)
    steps = ((waves @ blocks @ waves.T) / tables).round()
    back = waves.T @ (steps * tables) @ waves
    return back.transpose(3, 4).reshape(wide.shape)[..., :height, :width]


def _cosines(device: torch.device) -> Tensor:
    """The matrix (8, 8) of the discrete cosine transform."""
    at = torch.arange(BLOCK, device=device)
    waves = torch.cos(math.pi * at[:, None] * (2 * at + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    return waves


def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """The quantization tables (8, 8) of libjpeg, for brightness and for colours, of quality 50."""
    bright, colour = (torch.tensor(table, device=device) for table in _written_tables())
    return bright.view(BLOCK, BLOCK), colour.view(BLOCK, BLOCK)


@cache
def _written_tables() -> tuple[list[int], list[int]]:
    file = io.BytesIO()
    Image.new("RGB", (BLOCK, BLOCK)).save(file, "JPEG", quality=50)
    file.seek(0)
    with JpegImageFile(file) as image:
        return list(image.quantization[0]), list(image.quantization[1])
