"""The result of a training or a benchmark: digits in characters, Table 1, both as a picture."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import torch
from rich.console import Console, Group, RenderableType
from rich.text import Text

from commands.pictures import standing_alone, views_side_by_side
from commands.tables import protocol_line, rich_table
from commands.terminal import graphics_of, stdout
from dae_tui.atomic import write_whole
from dae_tui.blocks import Graphics
from dae_tui.core.data import ImageSet, unit
from dae_tui.core.denoising import batches, denoise
from dae_tui.core.evaluation import Table, evaluation_generator
from dae_tui.core.measures import psnr
from dae_tui.core.noise import add_noise
from dae_tui.core.noise_spec import parse_noise
from dae_tui.core.weights import Weights

DIGITS = 3
PICTURE_WIDTH = 110
MAX_SIDE = 40


def show_digits_and_table(
    table: Table,
    test: ImageSet,
    methods: Sequence[Weights],
    classifier: Weights | None,
    *,
    digits: int = DIGITS,
) -> None:
    """Print the first test images in all views, and the table."""
    console = stdout()
    graphics = graphics_of(console)
    console.print(_result(table, test, methods, classifier, graphics, console.width, digits))


def write_svg(
    svg: Path,
    table: Table,
    test: ImageSet,
    methods: Sequence[Weights],
    classifier: Weights | None,
    *,
    digits: int = DIGITS,
) -> None:
    """What `show_digits_and_table` prints, as a picture."""
    recorder = Console(
        record=True, file=StringIO(), width=PICTURE_WIDTH, force_terminal=True, highlight=False
    )
    recorder.print(
        _result(table, test, methods, classifier, Graphics.TRUECOLOR, PICTURE_WIDTH, digits)
    )
    write_whole(svg, standing_alone(recorder.export_svg(title="dae")).encode())


def _result(
    table: Table,
    test: ImageSet,
    methods: Sequence[Weights],
    classifier: Weights | None,
    graphics: Graphics,
    width: int,
    digits: int,
) -> RenderableType:
    parts: list[RenderableType] = []
    if digits and max(test.images.shape[-2:]) <= MAX_SIDE and test.images.shape[1] == 1:
        parts.append(_digits(table, test, methods, classifier, graphics, width, digits))
    parts += [Text(), rich_table(table, width), Text()]
    parts.append(Text(protocol_line(table.protocol), style="dim"))
    return Group(*parts)


def _digits(
    table: Table,
    test: ImageSet,
    methods: Sequence[Weights],
    classifier: Weights | None,
    graphics: Graphics,
    width: int,
    digits: int,
) -> RenderableType:
    """The first test images. They are cut from a batch with the same noise as the table's."""
    noises = table.protocol["noise"]
    spec = parse_noise(noises if isinstance(noises, str) else noises[0])
    batch = unit(test.images[next(batches(test.images))])
    generator = evaluation_generator(table.protocol["seed"])
    noisy = add_noise(batch, spec, generator, table.protocol["clip"])[:digits]
    original = batch[:digits]
    views = {"original": original, "noisy": noisy.clamp(0, 1)}
    for method in methods[:1]:
        views["denoised"] = denoise(method, noisy, torch.device("cpu"))
    captions = {}
    for name, view in views.items():
        decibels = [""] * len(view)
        if name != "original":
            decibels = [f"{value:.1f} dB  " for value in psnr(view, original).tolist()]
        reads = [""] * len(view)
        if classifier is not None:
            judge = classifier.network.to("cpu")
            with torch.inference_mode():
                reads = [f"reads {digit}" for digit in judge(view).argmax(1).tolist()]
        captions[name] = [a + b for a, b in zip(decibels, reads, strict=True)]
    arrays = {name: view[:, 0].numpy() for name, view in views.items()}
    return views_side_by_side(arrays, captions, graphics, width)
