"""Rate–distortion curves: a codec over its numbers of units, JPEG and WebP over their qualities."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from dae_tui.core.compression.codecs import Codec
from dae_tui.core.compression.compress import Aim, compress_with_codec
from dae_tui.core.compression.container import Picture
from dae_tui.core.evaluation.compression.compression_quality import (
    RIVALS,
    Quality,
    quality_of_file,
    rival,
)
from dae_tui.system.atomic import write_whole

QUALITIES = {"JPEG": (1, 3, 5, 7, 10, 15, 20, 30, 50), "WebP": (0, 2, 5, 10, 20, 35, 55)}


@dataclass(frozen=True)
class Point:
    """A method at one setting, averaged over images."""

    method: str
    setting: str
    bits: float
    """Bits a pixel, of whole files."""
    psnr: float
    """In dB."""
    ssim: float | None
    jpeg: float | None = None
    """The PSNR in dB of JPEG at as many bits a pixel, between two of its qualities; None outside of
    them."""


def rate_distortion(
    images: Sequence[Tensor], codec: Codec, ratios: Sequence[float]
) -> Iterator[str | list[Point]]:
    """Measure images (C, H, W) in [0, 1], grey or in colour.

    Yields what is being measured, and the points at the end: the codec at each nominal ratio, then
    JPEG and WebP at each of `QUALITIES`.
    """
    others: list[Point] = []
    for name in RIVALS:
        for quality in QUALITIES[name]:
            yield f"{name}, quality {quality}"
            found = [rival(name, image, quality) for image in images]
            others.append(_point(name, f"quality {quality}", images, found))
    jpeg = sorted((each.bits, each.psnr) for each in others if each.method == "JPEG")
    own = []
    for ratio in sorted(ratios):
        yield f"{codec.name} at {ratio:g}:1"
        found = [_coded(image, codec, ratio) for image in images]
        point = _point(codec.name, f"{ratio:g}:1", images, found)
        own.append(_beside(point, jpeg))
    yield own + others


def _coded(image: Tensor, codec: Codec, ratio: float) -> Quality:
    channels, height, width = image.shape
    picture = Picture(1, height, width, channels)
    made = compress_with_codec([(picture, image[None])], codec, Aim(ratio=ratio))
    return quality_of_file(made, [image[None]])


def _point(method: str, setting: str, images: Sequence[Tensor], found: Sequence[Quality]) -> Point:
    bits = [8 * each.bytes / image[0].numel() for each, image in zip(found, images, strict=True)]
    similar = [each.ssim for each in found if each.ssim is not None]
    return Point(
        method,
        setting,
        float(np.mean(bits)),
        float(np.mean([each.psnr for each in found])),
        float(np.mean(similar)) if similar else None,
    )


def _beside(point: Point, jpeg: Sequence[tuple[float, float]]) -> Point:
    """A point with what JPEG reaches at as many bits, by the logarithm of the bits."""
    bits, decibels = zip(*jpeg, strict=True)
    if not bits[0] <= point.bits <= bits[-1]:
        return point
    between = float(np.interp(np.log(point.bits), np.log(bits), decibels))
    return Point(point.method, point.setting, point.bits, point.psnr, point.ssim, between)


def write_curves(folder: Path, points: Sequence[Point], title: str) -> list[Path]:
    """Draw PSNR over bits a pixel into `rate-distortion.png` and `.svg`."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for method in dict.fromkeys(point.method for point in points):
        chosen = sorted((p.bits, p.psnr) for p in points if p.method == method)
        axes.plot(*zip(*chosen, strict=True), marker="o", markersize=4, label=method)
    axes.set(xlabel="bits a pixel", ylabel="PSNR dB", title=title, xscale="log")
    ticks = (0.03, 0.05, 0.1, 0.25, 0.5, 1.0)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(alpha=0.3)
    axes.legend()
    written = []
    for kind in ("png", "svg"):
        made = io.BytesIO()
        # The same figure has the same bytes.
        with mpl.rc_context({"svg.hashsalt": "dae"}):
            figure.savefig(
                made, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None
            )
        path = folder / f"rate-distortion.{kind}"
        write_whole(path, made.getvalue())
        written.append(path)
    return written
