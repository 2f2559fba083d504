"""`dae benchmark compression`: a codec beside JPEG and WebP, over the size of the files."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands.options import JsonOption, QuietOption, make_folder
from dae_tui.errors import UsageError

if TYPE_CHECKING:
    from dae_tui.core.evaluation.compression.rate_distortion import Point

RATIOS = "8,12,16,24,32,48,64,96"


def compression(
    data: Annotated[
        str, typer.Option("--data", metavar="FOLDER", help="A folder of images of 8 bits.")
    ],
    codec: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="The codec; see dae compress --help.")
    ] = "photos-codec",
    ratios: Annotated[
        str, typer.Option(metavar="R,R,…", help="Nominal ratios of the codec.")
    ] = RATIOS,
    images: Annotated[int | None, typer.Option(min=1, help="Use only the first N images.")] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the curves as PNG and SVG.")
    ] = None,
    json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Measure a codec, JPEG and WebP on photographs: bits a pixel, PSNR and SSIM.

    Sizes are those of whole files. JPEG has optimised Huffman tables, WebP its slowest method; both
    are Pillow's. Accuracy over ratios is measured by: dae benchmark quality --noise compress:RATIO
    """
    from dae_tui.commands.compress import codec_path

    wanted = _ratios(ratios)
    if json and markdown:
        raise UsageError("only one of --json, --markdown can be printed", "choose one")
    path = codec_path(codec)
    if not Path(data).is_dir():
        raise UsageError(f"there is no folder {data}", "name a folder of images")
    make_folder(figures)

    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from dae_tui.commands.output.streams import say
    from dae_tui.commands.output.terminal import print_json, stderr
    from dae_tui.core.compression.codecs import load_codec
    from dae_tui.core.data.image_folder import read_folder
    from dae_tui.core.evaluation.compression.rate_distortion import rate_distortion, write_curves

    folder = read_folder(Path(data))
    found = [image for image, _ in folder.whole_images()][:images]
    if not found:
        raise folder.nothing()
    name = f"{Path(data).resolve().name}, {len(found)} images"
    with stderr().status("measuring") as status:
        for state in rate_distortion(found, load_codec(path), wanted):
            if isinstance(state, str):
                status.update(state)
            else:
                points = state
    if figures is not None:
        for written in write_curves(figures, points, name):
            if not quiet:
                say(f"wrote {written}")
    if json:
        print_json({"data": name, "points": [asdict(point) for point in points]})
        return
    _show(points, markdown)


def _show(points: "list[Point]", markdown: bool) -> None:
    """Print the points as a table."""
    from dae_tui.commands.output.fitted_table import print_fitted
    from dae_tui.commands.output.terminal import print_lines, stdout

    headings = ["method", "setting", "bits a pixel", "PSNR dB", "SSIM", "JPEG dB, same bits"]
    rows = [
        [
            point.method,
            point.setting,
            f"{point.bits:.3f}",
            f"{point.psnr:.2f}",
            "–" if point.ssim is None else f"{point.ssim:.3f}",
            "" if point.jpeg is None else f"{point.jpeg:.2f}",
        ]
        for point in points
    ]
    if markdown:
        lines = [headings, ["---", "---", "---:", "---:", "---:", "---:"], *rows]
        print_lines("".join(f"| {' | '.join(line)} |\n" for line in lines))
        return
    print_fitted(stdout(), headings, rows, left=("method", "setting"), dropped=("SSIM",))


def _ratios(text: str) -> list[float]:
    """The ratios that were typed. Raises UsageError."""
    try:
        found = sorted({float(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or not all(1 <= ratio <= 1000 for ratio in found) or len(found) > 50:
        raise UsageError(
            f"cannot read the ratios '{text[:80]}'", "write them as 8,16,32; 1 to 1000"
        )
    return found
