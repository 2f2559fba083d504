"""Whether what was removed is noise alone, or detail of the image as well.

Neighbouring pixels of white noise are uncorrelated, and a good denoiser leaves a little of it where
there is detail, so that what it takes is correlated negatively, if at all. What is correlated
positively belongs to the image, or to noise of another kind (the whiteness of a residual: Almeida
and Figueiredo, IEEE TIP 2013; "method noise": Buades, Coll and Morel, 2005).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# White noise of 5/255 to 25/255 on four of Kodak's photographs, grey and in colour, removed at its
# true level gave -0.12 to 0; at twice the level 0 to 0.14, three quarters of them above 0.035. At
# 50/255 twice the level leaves too few pixels off the ends.
CORRELATED = 0.035
# Detail is looked for where the denoised image is calm, and where it is not: these shares of it.
CALM, DETAILED = 0.3, 0.2
SMOOTH, AROUND = 3, 7
"""The sides of the windows that even out what is left of noise, and the amount of detail."""
FROM_ENDS = 2.0
"""Clipped noise has one sign, and so is correlated: pixels closer to black and white than so many
levels are left out."""
ROUNDING = 1e-5
"""Changes below this level are those of rounding."""
LEAST_PIXELS = 20_000
"""Of fewer pixels the correlation scatters by more than 0.01."""


DETAIL_LOST = (
    "what was removed is correlated between neighbours: detail went with the noise, or the noise "
    "is not white; --residual FILE.png shows it, and a lower --sigma or --strength keeps more"
)


def residual_correlation(before: Tensor, after: Tensor) -> float:
    """How far what was removed is correlated between neighbouring pixels.

    Args:
        before: the noisy image, (C, H, W), where black is 0 and white is 1.
        after: the same, denoised.

    Returns the larger of two correlations, in [-1, 1]: that of the calmest and that of the most
    detailed pixels. 0 where too few pixels tell.
    """
    taken = before - after
    taken = taken - taken.mean((1, 2), keepdim=True)
    level = float(taken.square().mean().sqrt())
    grey = after.mean(0, keepdim=True)
    seen = (after > FROM_ENDS * level) & (after < 1 - FROM_ENDS * level)
    if level == 0 or int(seen.sum()) < LEAST_PIXELS * len(seen):
        return 0.0
    detail = _detail(grey)
    low, high = detail[seen.any(0)].quantile(torch.tensor([CALM, 1 - DETAILED])).tolist()
    return max(_correlation(taken, seen & part) for part in (detail <= low, detail >= high))


def colour_correlation(taken: Tensor) -> float:
    """How far the colours of what was removed are correlated between neighbouring pixels.

    Cameras measure each colour at every second pixel or fewer and JPEG stores colours coarsely, so
    that neighbours share their noise; white noise and shot noise they do not share.

    Args:
        taken: the change, (3, H, W).

    Returns the correlation of what the channels have beyond their mean, in [-1, 1]; 0 for none.
    """
    return _correlation_everywhere(taken - taken.mean(0, keepdim=True))


def bright_correlation(taken: Tensor) -> float:
    """How far the mean of the channels of what was removed is correlated between neighbours.

    Args:
        taken: the change, (C, H, W).

    Returns a correlation in [-1, 1]; 0 for no change.
    """
    return _correlation_everywhere(taken.mean(0, keepdim=True))


def neighbour_correlations(taken: Tensor) -> Tensor:
    """The correlation of neighbours down and across in what was removed, (C, H, W), (2,)."""
    planes = taken - taken.mean((1, 2), keepdim=True)
    variance = planes.square().mean()
    down = (planes[:, :-1] * planes[:, 1:]).mean()
    across = (planes[..., :-1] * planes[..., 1:]).mean()
    return torch.stack([down, across]) / variance.clamp(min=ROUNDING**2)


def _correlation_everywhere(planes: Tensor) -> float:
    planes = planes - planes.mean((1, 2), keepdim=True)
    if float(planes.square().mean()) < ROUNDING**2:
        return 0.0
    return _correlation(planes, torch.ones_like(planes, dtype=torch.bool))


def _detail(grey: Tensor) -> Tensor:
    """The mean slope around each pixel of an image (1, H, W), (H, W)."""
    smooth = F.avg_pool2d(F.pad(grey[None], (SMOOTH // 2,) * 4, "replicate"), SMOOTH, 1)
    down, across = torch.gradient(smooth[0, 0])
    around = F.pad(torch.hypot(down, across)[None, None], (AROUND // 2,) * 4, "replicate")
    return F.avg_pool2d(around, AROUND, 1)[0, 0]


def _correlation(taken: Tensor, part: Tensor) -> float:
    """The correlation of neighbours, down and across, in a part of the values; (C, H, W) each."""
    variance = taken[part].square().mean()
    shared = torch.cat(
        [
            (taken[:, :-1] * taken[:, 1:])[part[:, :-1] & part[:, 1:]],
            (taken[..., :-1] * taken[..., 1:])[part[..., :-1] & part[..., 1:]],
        ]
    )
    return float(shared.mean() / variance) if len(shared) and variance > 0 else 0.0
