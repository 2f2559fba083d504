"""The standard streams, made reliable for every command; messages on stderr, names on stdout.

A shell can close them (`>&-`), and what they lead to can be full or gone. Here a stream is always
open; standard output fails once, with an error that names it; and no work stops because of stderr,
which has only messages. Imports neither Rich nor NumPy: the command line uses it at every start.
"""

import errno
import io
import os
import sys
from pathlib import Path
from select import select
from typing import TYPE_CHECKING

from dae_tui.system.printable import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(OSError):
    """What was to be printed on standard output could not be written."""


class Output(io.FileIO):
    """Unbuffered standard output. After a failure, what is written is discarded.

    Otherwise Python would try to write the rest again when it flushes at exit, and complain.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None
        """The error that a write raised: BrokenPipeError where the reader has gone."""
        self._was_terminal = self.isatty()

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write, or raise BrokenPipeError or OutputError; the latter names standard output."""
        if self.failure is None:
            try:
                # None: another process that shares the stream has made it non-blocking.
                while (written := super().write(content)) is None:
                    select([], [self], [])
                return written
            except OSError as failure:
                self.failure = self._explained(failure)
                raise self.failure from failure
        return memoryview(content).nbytes

    def _explained(self, failure: OSError) -> OSError:
        # A terminal that hung up has no reader either; a disk may fail with EIO too.
        if failure.errno == errno.EPIPE or (failure.errno == errno.EIO and self._was_terminal):
            return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        closed = failure.errno == errno.EBADF
        why = "it is not open for writing" if closed else str(failure.strerror).lower()
        return OutputError(failure.errno, why, "standard output")


class _StandardError(io.FileIO):
    """Unbuffered standard error: what cannot be written is lost, without an exception."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, content: "ReadableBuffer", /) -> int:
        try:
            written = super().write(content)
        except OSError:
            written = None
        return memoryview(content).nbytes if written is None else written


def open_streams() -> Output | None:
    """Make the three standard streams of this process reliable, before any file is opened.

    Those that are closed are opened on /dev/null, as a file would get their descriptor otherwise,
    and whatever is printed would be written into it. Returns standard output; None where somebody
    has put another stream in its place.
    """
    output: Output | None
    if sys.stdin is None:
        sys.stdin = open(_fill(os.O_RDONLY), closefd=False, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        # Opened for reading only: to print results that nobody gets is an error.
        output = Output(_fill(os.O_RDONLY))
        sys.stdout = text_on(output)
    elif sys.stdout is sys.__stdout__:
        output = Output(1)
        sys.stdout = text_on(output, sys.stdout)
    else:
        raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
        output = raw if isinstance(raw, Output) else None  # Of an earlier command, same process.
    if sys.stderr is None:
        sys.stderr = text_on(_StandardError(_fill(os.O_WRONLY)))
    elif sys.stderr is sys.__stderr__:
        sys.stderr = text_on(_StandardError(2), sys.stderr)
    return output


def say(words: object) -> None:
    """Print `words` as one printable line on stderr."""
    print(printable(words), file=sys.stderr, flush=True)


def print_name(name: str | Path) -> None:
    """A name or a path on stdout: its exact bytes for scripts, printable on a terminal."""
    if sys.stdout.isatty():
        print(printable(name))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(name) + b"\n")


def _fill(flags: int) -> int:
    """A descriptor of /dev/null: the lowest that is free, which is that of the closed stream."""
    descriptor = os.open(os.devnull, flags)
    os.set_inheritable(descriptor, True)  # As the standard streams are.
    return descriptor


def text_on(raw: io.FileIO, before: io.TextIOBase | None = None) -> io.TextIOWrapper:
    """Text on a raw stream, encoded and buffered as that `before` was."""
    buffer = io.BufferedWriter(raw)
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(buffer, encoding="utf-8", errors="replace", line_buffering=True)
    return io.TextIOWrapper(
        buffer,
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=before.line_buffering or before.write_through,
    )
