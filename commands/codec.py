"""`dae codec`: learn a codec for `dae compress --codec` from a data set or a folder."""

from pathlib import Path
from typing import Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.options import (
    DataDirOption,
    JsonOption,
    QuietOption,
    SeedOption,
    check_folder,
    resolve_data_dir,
)
from dae_tui.errors import UsageError
from dae_tui.spec.training_config import check_data

app = options.subcommand()


@app.callback()
def codec() -> None:
    """Learn codecs for dae compress --codec."""


@app.command()
def train(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The file, ending in .safetensors."),
    ],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME|FOLDER",
            help="mnist [default] or another data set by name, whose images are one patch each, "
            "or a folder of photographs.",
        ),
    ] = "mnist",
    data_dir: DataDirOption = None,
    units: Annotated[
        int, typer.Option(min=1, max=4096, help="The most numbers that a patch becomes.")
    ] = 128,
    patch: Annotated[
        int | None,
        typer.Option(min=2, max=64, help="The side of patches; of photographs 16, if not given."),
    ] = None,
    step: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=20,
            help="The step of codes, in mean sizes of the last unit that is used; 1 for data sets "
            "by name, 5 for photographs, if not given.",
        ),
    ] = None,
    seed: SeedOption = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Learn one decoder for many images, whose files then need not hold it.

    The units are in order of importance, so that one codec serves every ratio. Every tenth image of
    a folder, or the test images of a data set, are kept to measure with.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"{output} does not end in .safetensors", "call it NAME.safetensors")
    check_folder(output)
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists", "replace it with --overwrite")
    check_data(data)

    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from dae_tui.commands.output.streams import print_name, say
    from dae_tui.commands.output.terminal import print_json
    from dae_tui.core.training.codec import CodecPlan, make_codec
    from dae_tui.spec.model_cards import read_metadata
    from dae_tui.system.atomic import write_whole

    plan = CodecPlan(
        data, resolve_data_dir(data_dir), units, patch, step, seed,
        _command(data, units, patch, step, seed, output),
    )  # fmt: skip
    content = b""
    for state in make_codec(plan):
        if isinstance(state, bytes):
            content = state
        elif not quiet:
            say(state)
    write_whole(output, content)
    if json:
        metadata = read_metadata(output)
        print_json({"file": str(output), "bytes": len(content), "figures": metadata["figures"]})
    else:
        print_name(output)


def _command(
    data: str,
    units: int,
    patch: int | None,
    step: float | None,
    seed: int,
    output: Path,
) -> str:
    """The command line that makes the same codec, without the places of this machine."""
    parts = [f"dae codec train --data {data} --units {units}"]
    parts += [f"--patch {patch}"] if patch is not None else []
    parts += [f"--step {step:g}"] if step is not None else []
    parts += [f"--seed {seed}"] if seed else []
    return " ".join([*parts, f"-o {output.name}"])
