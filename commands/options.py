"""Options that mean the same in every command, and what they resolve to."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from dae_tui.errors import UsageError
from dae_tui.runs.places import Place, parse_place
from dae_tui.spec.device import parse_device
from dae_tui.spec.training_config import MAX_SEED, PRECISIONS
from dae_tui.system.printable import shortened

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="DAE_DATA",
        help="Where data sets are looked for and downloaded to; else the cache folder.",
        show_default=False,
    ),
]


def _local(runs_dir: Path) -> Path:
    # A path joins the two slashes of an address.
    if str(runs_dir).lower().startswith("ssh:/"):
        raise UsageError(
            "this command works on the folders of this machine alone",
            "dae dashboard, dae runs list and dae runs show read other hosts",
        )
    return runs_dir


RunsDirOption = Annotated[
    Path,
    typer.Option("--runs-dir", envvar="DAE_RUNS", help="Where runs are kept.", callback=_local),
]
RunsPlaceOption = Annotated[
    str,
    typer.Option(
        "--runs-dir",
        envvar="DAE_RUNS",
        metavar="DIR|ssh://HOST/DIR",
        help="Where runs are kept, here or on a host that ssh reaches without a password.",
    ),
]
RunsDirsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--runs-dir",
        metavar="DIR|ssh://HOST/DIR",
        help="Where runs are kept, here or on a host that ssh reaches without a password; "
        "repeatable. [env var: DAE_RUNS] [default: runs]",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.", metavar="NAME")
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=MAX_SEED, help="Seed of everything random.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors on stderr.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print more on stderr.")]

BlackOption = Annotated[
    float | None,
    typer.Option(
        "--black", metavar="VALUE", help="What black is in the files of a folder; else found out."
    ),
]
WhiteOption = Annotated[
    float | None,
    typer.Option(
        "--white", metavar="VALUE", help="What white is in the files of a folder; else found out."
    ),
]

RecursiveOption = Annotated[bool, typer.Option("--recursive", "-r", help="Look into subfolders.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing outputs; else they are skipped.")
]

RUNS_DIR = Path("runs")


def resolve_places(runs_dirs: list[str] | None) -> list[Place]:
    """The folders of `RunsDirsOption`; without it that of DAE_RUNS, or `runs`."""
    # Typer would split the variable at each space.
    given = runs_dirs or [os.environ.get("DAE_RUNS") or str(RUNS_DIR)]
    return [parse_place(text) for text in given]


def subcommand() -> typer.Typer:
    """The Typer of one subcommand, or of a group of them, with plain help like that of `dae`."""
    return typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


def data() -> Any:
    """`--data`, whose default depends on the command."""
    return typer.Option(
        "--data",
        metavar="NAME|FOLDER",
        help="mnist, fashion-mnist, kmnist, qmnist, emnist, digits (embedded, needs no download) "
        "or a folder of images, of pairs (clean/ and noisy/) or of .npy shards. [default: mnist]",
        show_default=False,
    )


def noise(more: str = "") -> Any:
    """`--noise`, whose default depends on the command."""
    return typer.Option(
        "--noise",
        metavar="SPEC",
        help="gaussian:0.5, gaussian:0-0.8, poisson:30+salt-pepper:0.05, "
        "'gaussian:0.2|masking:0.5' (one of them per image), …; "
        + more
        + "kinds: gaussian, poisson, speckle, salt-pepper, impulse, uniform, masking, stripes, "
        "poisson-gaussian, correlated, camera, jpeg, quantize, compress (a codec's RATIO); or a "
        "file of dae noise estimate. [default: gaussian:0.5]",
    )


def resolve_data_dir(given: Path | None) -> Path:
    """`--data-dir`, else DAE_DATA (which the option reads), else the platform's cache folder."""
    if given is not None:
        return given.expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("dae-tui") / "data"


def check_inputs(inputs: Iterable[Path]) -> None:
    """Refuse inputs that are not there: they were mistyped."""
    for path in inputs:
        if not os.path.lexists(path):
            raise UsageError(f"there is no {path}", "give files or folders that exist")


def check_folder(target: Path | None) -> None:
    """Refuse an output file whose folder does not exist, before the work begins."""
    if target is not None and not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", "create it first")


def make_folder(folder: Path | None) -> None:
    """Create a folder for output files, or refuse it, before the work begins."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise UsageError(
            f"{folder} cannot be created: {str(failure.strerror).lower()}", "name another folder"
        ) from failure


def check_device(given: str) -> str:
    """`--device`, checked before torch is imported to find it. Raises UsageError."""
    parse_device(given)
    return given


def check_precision(given: str) -> str:
    """`--precision`, checked before torch is imported to resolve `auto`. Raises UsageError."""
    if given not in PRECISIONS:
        raise UsageError(
            f"there is no precision '{shortened(given)}'", f"use {', '.join(PRECISIONS)}"
        )
    return given
