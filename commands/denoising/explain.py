"""What `dae denoise --explain` prints: what was found in a file, and what was done with it."""

import numpy as np

from dae_tui.core.denoising.examination import Examination
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.images.value_range import ValueRange
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.terminal.graphics import sparkline

MOST_STACKS = 4
"""So many pages or arrays of a file are explained."""
POINTS = 24
SOURCES = {
    "type": "from the type",
    "options": "as given",
    "file": "from the header",
    "data": "from the data",
}
KINDS = ("equally strong everywhere", "growing with the intensity", "changing with the intensity")


def explain(outcome: Outcome, *, given: bool, utf8: bool) -> list[str]:
    """Lines about what was found in a file and which weights were taken.

    Args:
        outcome: of the file.
        given: whether the user gave the noise level.
        utf8: whether the terminal shows block characters.
    """
    lines = []
    for number, found in enumerate(outcome.found[:MOST_STACKS]):
        if len(outcome.found) > 1:
            lines.append(f"  page {number + 1} of {len(outcome.found):,}")
        lines += _of_stack(found, given=given, utf8=utf8)
    done = outcome.weights or "none"
    if without := without_weights(outcome):
        done += f"; {without}"
    return [*lines, f"    weights      {done}"]


def without_weights(outcome: Outcome) -> str:
    """What was done with the images that no network denoised; empty if there are none."""
    one = outcome.images == 1
    parts = []
    for count, reason in (
        (outcome.quiet, "no noise was found"),
        (outcome.harmed, "denoising would make it worse"),
    ):
        if count:
            what = "left as it was" if one else f"{count:,} images left as they were"
            parts.append(f"{what}: {reason}")
    if outcome.mended:
        where = "" if one else f" in {outcome.mended:,} images"
        striped = any(noise.stripes for found in outcome.found for noise in found.noise)
        parts.append(f"{'stripes removed' if striped else 'impulses replaced'}{where}")
    return ", ".join(parts)


def level_in_words(sigma: float, found: ValueRange) -> str:
    """A noise level as a share of the range, and in the units of the file."""
    return f"sigma {sigma:.3f} = {_short(sigma * found.span)} of {_short(found.span)}"


def noise_in_words(found: Examination) -> str:
    """The level of the noise of a stack; or its kind, where a level does not tell it."""
    if found.other is not None:
        return f"noise like {found.other}"
    stripes = found.noise[0].stripes if found.noise else None
    words = level_in_words(found.sigma, found.range)
    return words if stripes is None else f"{words}, stripes of {stripes.sigma:.3f}"


def _of_stack(found: Examination, *, given: bool, utf8: bool) -> list[str]:
    reach = found.range
    limits = f"black {_short(reach.black)}, white {_short(reach.white)}"
    outside = ""
    if reach.lowest < reach.black or reach.highest > reach.white:
        outside = f"; values reach from {_short(reach.lowest)} to {_short(reach.highest)}"
    source = "given" if given else "estimated"
    if found.artefacts:
        source = "that of the JPEG compression, for lack of other noise"
    lines = [
        f"    range        {limits} ({SOURCES[reach.source]}){outside}",
        f"    noise        {noise_in_words(found)} ({source})",
    ]
    if found.noise:
        lines += _of_noise(found.noise[0], reach, utf8=utf8)
    lines.append(f"    shows        {'writing' if found.page else 'no page of writing'}")
    return lines


def _of_noise(noise: ImageNoise, reach: ValueRange, *, utf8: bool) -> list[str]:
    """The level function of each channel as a row of bars, correlation and impulses."""
    lines = []
    for number, level in enumerate(noise.levels):
        name = "level" if len(noise.levels) == 1 else f"channel {number + 1}"
        kind = KINDS[min(len(level.variances), 3) - 1]
        if level.is_speckle:
            share = level.variances[-1] ** 0.5
            lines.append(f"    {name:<12} {share:.3f} of the intensity, as speckle is")
            continue
        if level.is_constant:
            lines.append(f"    {name:<12} {_short(level.sigma * reach.span)}, {kind}")
            continue
        at = np.linspace(level.low, level.high, POINTS)
        levels = level.at(at) * reach.span
        low, high = (reach.black + end * reach.span for end in (level.low, level.high))
        bars = sparkline([0.0, *levels.tolist()], utf8)[1:]
        lines.append(
            f"    {name:<12} {bars}  {_short(levels[0])} at {_short(low)} to "
            f"{_short(levels[-1])} at {_short(high)}, {kind}"
        )
    ways = {
        "between neighbours": noise.correlation.between_pixels,
        "between channels": noise.correlation.shared,
    }
    found = " and ".join(way for way, is_so in ways.items() if is_so)
    share = f"{noise.impulses:.1%} of the pixels" if noise.impulses else "none"
    return [
        *lines,
        f"    correlation  {found or 'none: the noise is white'}",
        f"    impulses     {share}",
    ]


def _short(value: float) -> str:
    """A stored value with as many digits as one reads."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
