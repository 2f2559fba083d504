"""The artefacts of JPEG compression, by Pillow's libjpeg."""

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor


def jpeg(images: Tensor, qualities: Tensor) -> Tensor:
    """Images (N, C, H, W) in [0, 1], stored as JPEG and read again; values outside are clipped.

    `qualities`: whole numbers from 1 to 100, (N, 1, 1, 1). Three channels are stored together, with
    colours of half the resolution as usual; of any other number each is stored by itself.
    """
    stored = (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    read = np.empty_like(stored)
    for number, quality in enumerate(qualities.flatten().int().tolist()):
        if len(stored[number]) == 3:
            read[number] = np.moveaxis(_through(np.moveaxis(stored[number], 0, -1), quality), -1, 0)
            continue
        for channel, plane in enumerate(stored[number]):
            read[number, channel] = _through(plane, quality)
    return torch.from_numpy(read).to(images.device, images.dtype) / 255


def _through(values: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """uint8 values (H, W) or (H, W, 3) as JPEG gives them back."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image)
