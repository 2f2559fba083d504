"""The command `dae`: finds a subcommand, runs it, and turns every error into a line and a code.

A subcommand is imported when it is called, not to list it: `dae --help` stays quick.
"""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dae_tui.commands.output.streams import Output, OutputError, open_streams, say
from dae_tui.errors import DaeError, ExitCode
from dae_tui.version import __version__

SUBCOMMANDS = {
    "train": "Train a denoising autoencoder, or a classifier to evaluate it.",
    "denoise": "Remove noise from image files of any kind and size, and from whole folders.",
    "benchmark": "Measure networks and filters: Table 1 for any noise and data, sweeps, figures.",
    "sweep": "Run dae train with every combination of some options: one group of runs.",
    "runs": "List, show and steer training runs: pause, resume, stop, tag, archive, delete.",
    "compress": "Compress images with a small network each, or with a learned codec.",
    "decompress": "Write the images of a .dae file.",
    "codec": "Learn codecs for dae compress --codec.",
    "noise": "Measure the noise of real images, imitate it, and look at it.",
    "weights": "List, show and export trained weights.",
    "dashboard": "Watch and steer runs in the terminal: loss, machine, images, playground.",
    "devices": "Show GPUs (NVML), CPU and memory: utilisation, power, temperature.",
}


class _LazyGroup(TyperGroup):
    """Knows its subcommands by name and imports one only when it is needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SUBCOMMANDS:
            return None
        module = importlib.import_module(f"dae_tui.commands.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help would cost more than the rest of the start.
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dae {__version__}")
        raise typer.Exit


@app.callback()
def dae(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Train, apply, measure and watch denoising autoencoders from a terminal.

    Start with: dae train --data digits
    """


def run(arguments: Sequence[str]) -> int:
    """Run `dae ARGUMENTS` and return its exit code; errors are printed on stderr."""
    output = open_streams()
    return _end(_run(arguments), output)


def _run(arguments: Sequence[str]) -> int:
    try:
        result = app(list(arguments), prog_name="dae", standalone_mode=False)
        return int(result or ExitCode.OK)
    except typer.Exit as leaving:
        return int(leaving.exit_code)
    except (SystemExit, BrokenPipeError):
        # The reader of our output has gone, as `head` does: not a failure. Typer and Rich turn
        # it into SystemExit, which nothing else raises here.
        return ExitCode.OK
    except typer.TyperException as mistake:
        return _report_usage(mistake)
    except (typer.Abort, KeyboardInterrupt):
        return _report("interrupted", "", ExitCode.INTERRUPTED)
    except Exception as failure:
        if os.environ.get("DAE_DEBUG") == "1":
            raise
        return _report_failure(failure)


def _end(code: int, output: Output | None) -> int:
    """Flush stdout and return the exit code: a failure where results could not be printed."""
    failure = None if output is None else output.failure
    try:
        sys.stdout.flush()
    except OSError as flushing:
        failure = flushing
    # A command that failed has said so. (Help without any arguments exits with USAGE.)
    if code in (ExitCode.OK, ExitCode.USAGE) and not isinstance(failure, BrokenPipeError | None):
        return _report_failure(failure)
    return code


def _report_failure(failure: Exception) -> int:
    if isinstance(failure, DaeError):
        return _report(failure.message, failure.hint, failure.exit_code)
    if isinstance(failure, OutputError):
        return _report(f"{failure.filename} cannot be written: {failure.strerror}", "")
    if isinstance(failure, OSError):
        where = f": {failure.filename}" if failure.filename else ""
        hint = "free some space and start again" if failure.errno == errno.ENOSPC else ""
        return _report(f"{(failure.strerror or str(failure)).lower()}{where}", hint)
    return _report(
        f"unexpected {type(failure).__name__}: {failure}",
        "this is a bug in dae; DAE_DEBUG=1 shows where it happened",
    )


def _report(message: str, hint: str, code: int = ExitCode.FAILURE) -> int:
    """Print what went wrong; a command that somebody stopped is not an error."""
    stopped = code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
    say(message if stopped else f"error: {message}")
    if hint:
        say(f"hint: {hint}")
    return code


def _report_usage(mistake: Any) -> int:
    """Report a command line that cannot be parsed; without any arguments, print the help."""
    if type(mistake).__name__ == "NoArgsIsHelpError":
        with suppress(OSError):  # `_end` reports it.
            print(mistake.format_message())
        return ExitCode.USAGE
    context = getattr(mistake, "ctx", None)
    path = context.command_path if context is not None else "dae"
    message = mistake.format_message().strip()
    message = message[:1].lower() + message[1:]
    return _report(message.rstrip("."), f"see {path} --help", ExitCode.USAGE)
