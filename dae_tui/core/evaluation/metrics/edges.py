"""How sharp images are: the energy of their edges, and the width of an edge.

`image_metrics.sharpness` is the share of the reference's edges that is kept. It counts an edge at
the right place alone; these two look at the image's own edges, wherever the reference has some.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.evaluation.metrics.image_metrics import gradients

# An edge is where the reference rises by so much per pixel or more: 25 of 255 grey levels.
LEAST_SLOPE = 0.1
# In an image, the strongest ones; a photograph has thousands.
MOST_EDGES = 1000
# A profile reaches so far on either side of the edge, and has so many samples per pixel.
REACH = 5
SAMPLES_PER_PIXEL = 4
# How far an edge may have moved, in pixels.
MOVED = 1.5
# A rise ends where its slope falls below this share of the steepest.
END_OF_RISE = 0.05
# Lower rises are none: the edge is lost.
LEAST_RISE = 0.05
LEAST_SIDE = 8


def edge_energy(images: Tensor, reference: Tensor) -> Tensor:
    """The energy of the gradients (Sobel) over that of `reference`, (N,), of images (N, C, H, W).

    1 for images as sharp as the reference, less for blurred ones; noise adds to it. NaN if the
    reference has no edges. Needs H and W of at least 3.
    """
    found, edges = (gradients(each).square().sum(1) for each in (images, reference))
    return torch.where(edges > 0, found / edges, torch.nan)


def edge_width(images: Tensor, reference: Tensor) -> Tensor:
    """The mean width of an edge in pixels, (N,), of images (N, C, H, W) with a range of 1.

    The distance over which the brightness rises from 10 to 90 % of its height. At the strongest
    edges of the reference, along its gradient, an image's profile is sampled (bicubic) and followed
    from its steepest point, which may have moved by 1.5 pixels, to where it stops rising. A hard
    step comes to about 1 pixel, one blurred by a Gaussian to 2.56 σ; widths above 8 pixels are not
    measured. NaN if the reference has no edges, or the image kept
    none. Noise has edges of its own: meant for denoised images. Needs H and W of at least 8.
    """
    planes = images.mean(1, keepdim=True).float()
    places, directions, real = _edges(reference.mean(1, keepdim=True).float())
    steps = torch.arange(-REACH * SAMPLES_PER_PIXEL, REACH * SAMPLES_PER_PIXEL + 1).to(planes)
    steps = steps[:, None] / SAMPLES_PER_PIXEL
    points = places[:, :, None] + steps * directions[:, :, None]  # (N, edges, samples, 2)
    profiles = _sample(planes, points, "bicubic")
    widths = torch.where(real, _widths(profiles), torch.nan)
    return widths.nanmean(1).double()


def _edges(planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The strongest edges of images (N, 1, H, W): where the slope along the gradient is highest.

    Returns places (x, y) and directions (unit vectors), both (N, edges, 2), and whether each is an
    edge, (N, edges): images with fewer edges than others are filled up.
    """
    height, width = planes.shape[-2:]
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(planes) / 8
    kernels = torch.stack([across, across.T])[:, None]
    slopes = F.conv2d(F.pad(planes, (1, 1, 1, 1), mode="replicate"), kernels)
    steepness = slopes.square().sum(1).sqrt().flatten(1)  # (N, H W)
    directions = slopes.flatten(2).transpose(1, 2) / steepness.clamp(min=1e-9)[..., None]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([x, y], -1).reshape(1, -1, 2).to(planes)
    around = torch.stack([places - directions, places + directions], 2)
    neighbours = _sample(steepness.reshape(planes.shape), around, "bilinear")
    before, after = neighbours.unbind(-1)
    highest = (steepness > before) & (steepness >= after) & (steepness >= LEAST_SLOPE)
    most = max(1, min(MOST_EDGES, int(highest.sum(1).max())))
    strongest = torch.where(highest, steepness, 0).topk(most, dim=1)
    chosen = strongest.indices[..., None].expand(-1, -1, 2)
    places = places.expand(len(planes), -1, -1).gather(1, chosen)
    return places, directions.gather(1, chosen), strongest.values > 0


def _sample(planes: Tensor, points: Tensor, mode: str) -> Tensor:
    """The values of images (N, 1, H, W) at points (N, A, B, 2), x and y in pixels: (N, A, B)."""
    height, width = planes.shape[-2:]
    scale = torch.tensor([width - 1, height - 1]).to(points)
    grid = 2 * points / scale - 1
    found = F.grid_sample(planes, grid, mode=mode, padding_mode="border", align_corners=True)
    return found[:, 0]


def _widths(profiles: Tensor) -> Tensor:
    """The width in pixels, (…,), of the rise at the middle of profiles (…, K); NaN for none."""
    slopes = profiles.diff(dim=-1)
    index = torch.arange(slopes.shape[-1], device=slopes.device)
    middle = (slopes.shape[-1] - 1) / 2
    near = (index - middle).abs() <= MOVED * SAMPLES_PER_PIXEL
    steepest, peak = slopes.masked_fill(~near, -torch.inf).max(-1, keepdim=True)
    ended = slopes <= END_OF_RISE * steepest
    first = torch.where(ended & (index < peak), index + 1, 0).amax(-1, keepdim=True)
    last = torch.where(ended & (index > peak), index, len(index)).amin(-1, keepdim=True)
    low, high = profiles.gather(-1, first), profiles.gather(-1, last)
    crossings = []
    for share in (0.1, 0.9):
        level = low + share * (high - low)
        below = (profiles[..., :-1] <= level) & (index >= first) & (index < last)
        before = torch.where(below, index, first).amax(-1, keepdim=True)
        value, after = profiles.gather(-1, before), profiles.gather(-1, before + 1)
        crossings.append(before + (level - value) / (after - value))
    width = (crossings[1] - crossings[0]) / SAMPLES_PER_PIXEL
    rises = (steepest > 0) & (high - low >= LEAST_RISE)
    return torch.where(rises, width, torch.nan).squeeze(-1)
