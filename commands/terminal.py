"""The two streams: data on stdout, talk on stderr."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dae_tui.blocks import Graphics, terminal_graphics
from dae_tui.runs.layout import dump_json

# Off a terminal a table gets the width it needs, so that nothing is cut.
NO_TERMINAL_WIDTH = 400


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise; Rich would leave the process here, and close stdout whichever stream it was."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def stdout() -> Console:
    """For results. Names and paths are printed as they are: nothing in them is markup."""
    width = None if sys.stdout.isatty() else NO_TERMINAL_WIDTH
    return _Console(highlight=False, markup=False, width=width)


def stderr() -> Console:
    """For progress and remarks."""
    return _Console(stderr=True, highlight=False, markup=False)


def graphics_of(console: Console) -> Graphics:
    """How digits are drawn there: in colours only where the console has any."""
    graphics = terminal_graphics(console.encoding)
    if console.color_system is None and graphics is not Graphics.ASCII:
        return Graphics.SHADES
    return graphics


def shown(path: Path) -> str:
    r"""A path as one line of text: what cannot be printed is written as \n or \xff."""
    name = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def plain_table() -> Table:
    """A table with a rule under its headings and two spaces between its columns."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


@contextmanager
def enduring() -> Iterator[None]:
    """Print for as long as somebody reads: the work goes on when the pipe or terminal is gone."""
    try:
        yield
    except OSError as failure:
        if failure.errno not in (errno.EIO, errno.EPIPE):
            raise
        silence_closed_streams()


def silence_closed_streams() -> None:
    """Let what is still written to a closed stream go nowhere, at the latest on leaving."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, at once."""
    print(dump_json(value), flush=True)
