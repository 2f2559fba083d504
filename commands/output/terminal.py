"""Printing with Rich, and of JSON: results on stdout, progress and messages on stderr."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from dae_tui.commands.output.streams import OutputError
from dae_tui.runs.folder.layout import dump_json
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics, terminal_graphics

# Off a terminal a table gets the width it needs, so that nothing is cut.
NO_TERMINAL_WIDTH = 400


class SafeConsole(Console):
    """A console whose text cannot steer the terminal. Rich itself lets escape sequences through.

    Foreign words are made `printable` where they become text; this is the second line of defence.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable; all that is drawn comes through here, live displays too."""
        return map(_harmless, super().render(renderable, options))

    def on_broken_pipe(self) -> None:
        """Raise; Rich would leave the process here, and close stdout whichever stream it was."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _harmless(segment: Segment) -> Segment:
    """A segment without control characters, and without a link, whose address can hold some.

    What Rich itself tells the terminal comes as segments with `control` set.
    """
    text, style, control = segment
    if control:
        return segment
    if style is not None and style.link:
        style = style.update_link(None)
    elif text.isprintable() or text == "\n":
        return segment
    return Segment("\n".join(map(printable, text.split("\n"))), style)


def stdout() -> Console:
    """For results. Names and paths are printed as they are: nothing in them is markup."""
    width = None if sys.stdout.isatty() else NO_TERMINAL_WIDTH
    return SafeConsole(highlight=False, markup=False, emoji=False, width=width)


def stderr() -> Console:
    """For progress and messages."""
    return SafeConsole(stderr=True, highlight=False, markup=False, emoji=False)


def graphics_of(console: Console) -> Graphics:
    """How digits are drawn there: in colours only where the console has any."""
    graphics = terminal_graphics(console.encoding)
    if console.color_system is None and graphics is not Graphics.ASCII:
        return Graphics.SHADES
    return graphics


def plain_table() -> Table:
    """A table with a rule under its headings and two spaces between its columns."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


@contextmanager
def enduring() -> Iterator[None]:
    """Print as long as possible: work goes on when the reader has gone or the disk is full.

    That results were lost on a full disk is reported at the end, by commands.app.
    """
    try:
        yield
    except OSError as failure:
        # Only these say that a stream, and not a file, takes nothing any more.
        if not (isinstance(failure, OutputError) or failure.errno in (errno.EIO, errno.EPIPE)):
            raise
        _silence_others()


def _silence_others() -> None:
    """Discard what is still written to closed streams that are not ours."""
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


def print_lines(text: str) -> None:
    """Print lines to paste elsewhere on stdout; only a newline ends one."""
    print("\n".join(map(printable, text.split("\n"))), end="")
