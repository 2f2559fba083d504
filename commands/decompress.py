"""`dae decompress`: the images of a `.dae` file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.compress import codec_path
from dae_tui.commands.options import JsonOption, check_folder, check_inputs
from dae_tui.errors import DataError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from dae_tui.core.compression.codecs import Codec
    from dae_tui.core.compression.container import Picture

app = options.subcommand()


@app.command()
def decompress(
    file: Annotated[Path, typer.Argument(metavar="FILE.dae", help="What dae compress wrote.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="IMAGE", help="The image; a folder for a file of several."
        ),
    ],
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The codec, if it is not a published one."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the images of a file that dae compress has written.

    The ending of IMAGE says in which format; in a folder, or without an ending, it is that of the
    original, or PNG.
    """
    check_folder(output)
    path = None if codec is None else codec_path(codec)
    check_inputs([file])
    content = _content(file)

    from dae_tui.commands.output.streams import print_name
    from dae_tui.commands.output.terminal import print_json
    from dae_tui.core.compression.codecs import load_codec
    from dae_tui.system.atomic import write_new

    pictures = _decoded(file, content, None if path is None else load_codec(path))
    written = []
    for target, made in _files(pictures, output, overwrite):
        try:
            write_new(target, made, replace=overwrite)
        except FileExistsError as failure:
            raise UsageError(f"{target} exists", "replace it with --overwrite") from failure
        written.append(target)
    if json:
        print_json({"files": [str(target) for target in written]})
    else:
        for target in written:
            print_name(target)


def _content(file: Path) -> bytes:
    """The bytes of a file. Raises DataError for what is no file, or too large."""
    from dae_tui.core.compression.limits import MOST_FILE
    from dae_tui.system.regular_files import read_regular

    try:
        return read_regular(file, MOST_FILE)
    except OSError as failure:
        reason = (failure.strerror or str(failure)).lower()
        raise DataError(f"{file} cannot be read: {reason}") from failure


def _decoded(file: Path, content: bytes, codec: "Codec | None") -> "list[tuple[Picture, Tensor]]":
    from dae_tui.core.compression.compress import decompress as decode

    try:
        return decode(content, codec)
    except DataError as failure:
        raise DataError(f"{file}: {failure.message}", failure.hint) from failure
    except MemoryError as failure:
        raise DataError(f"{file} needs more memory than there is") from failure


def _files(
    pictures: "list[tuple[Picture, Tensor]]", output: Path, overwrite: bool
) -> list[tuple[Path, bytes]]:
    """The files to write, and what is in each."""
    from dae_tui.core.compression.pictures import stack_of
    from dae_tui.core.images.formats import WRITTEN, kind_of_name, with_ending, write
    from dae_tui.core.images.image_file import About

    def encoded(picture: "Picture", images: "Tensor", kind: str, name: str) -> bytes:
        return write(kind, [stack_of(picture, images)], About(), name)

    if len(pictures) == 1 and not output.is_dir():
        [(picture, images)] = pictures
        kind = kind_of_name(output.name)
        if kind is not None and kind not in WRITTEN:
            raise UsageError(f"{output}: {kind} files are not written", "use .png or .tif")
        if kind is None:
            kind = picture.kind if picture.kind in WRITTEN else "png"
        if output.exists() and not overwrite:
            raise UsageError(f"{output} exists", "replace it with --overwrite")
        return [(output, encoded(picture, images, kind, str(output)))]
    output.mkdir(exist_ok=True)
    found: list[tuple[Path, bytes]] = []
    for number, (picture, images) in enumerate(pictures):
        # A name from a file is a name, not a path.
        stem = "".join(c for c in picture.name if c.isalnum() or c in "-_. ").strip(". ")
        kind = picture.kind if picture.kind in WRITTEN else "png"
        target = with_ending(output / f"{stem or 'image'}", kind)
        if any(target == other for other, _ in found):
            target = with_ending(output / f"{stem or 'image'}-{number}", kind)
        found.append((target, encoded(picture, images, kind, str(target))))
    return found
