"""One `ssh` process to a host: a request, its answer, the next request.

Whatever the answers hold, they take bounded time and memory. Passwords are never asked for.
"""

import io
import os
import re
import secrets
import select
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import IO

from dae_tui.runs.ssh_hosts import shell
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.system.printable import printable, shortened

CONNECT_SECONDS, ANSWER_SECONDS = 20.0, 20.0
# Without a terminal, forwarding and questions. Host names, keys and a shared connection
# (ControlMaster) are those of the user's configuration.
OPTIONS = (
    "-T",
    "-a",
    "-x",
    *("-o", "BatchMode=yes"),
    *("-o", f"ConnectTimeout={CONNECT_SECONDS / 2:.0f}"),
    *("-o", "ServerAliveInterval=10"),
    *("-o", "ServerAliveCountMax=2"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "RemoteCommand=none"),
)
# What a login may print, a line of an answer, and the files of an answer that lists them.
MOST_BANNER, MOST_LINE, MOST_FILES = 1 << 20, 8192, 100_000
MOST_LINES = 2 * MOST_FILES
# Bytes, characters and seconds of what ssh complains about.
MOST_REASON, LONGEST_REASON, LAST_WORDS_SECONDS = 4096, 160, 1.0
BLOCK = 512
_FILE = re.compile(rb"F (\d{1,12}) (\d{1,15}) (\d{1,20}) \./([^/]+)/([^\n]+)")


class LostError(Exception):
    """The connection is of no more use; the message says why."""


class RefusedError(Exception):
    """The host answers that it cannot do what it is asked; the message says why."""


@dataclass(frozen=True)
class Stamp:
    """What tells whether a file has changed."""

    mtime: int
    size: int
    inode: int


@dataclass(frozen=True)
class Listing:
    """The files of the runs in a folder, by run and name."""

    time: int
    """The clock of the host, in seconds since 1970."""
    files: dict[tuple[str, str], Stamp]


class Connection:
    """Starts `ssh`, and waits for its shell. Raises LostError, as every method does."""

    def __init__(self, address: Address, closed: Event) -> None:
        self._closed = closed
        self._mark = f"@@dae-{secrets.token_hex(8)}"
        self._buffer = bytearray()
        self._said = b""
        """The last messages of ssh itself."""
        self._silent = False
        """Whether it has closed its error output."""
        self._deadline = self._patience = 0.0
        self.owed_since: float | None = None
        """Since when the host owes an answer, or the rest of one."""
        port = ["-p", str(address.port)] if address.port else []
        command = ["ssh", *OPTIONS, *port, "--", address.destination, "exec sh"]
        try:
            # A session of its own: Ctrl+C in the terminal is not for it, nor is the terminal.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as failure:
            raise LostError(f"ssh cannot be started: {failure.strerror}") from failure
        try:
            self._send(shell.program(self._mark), CONNECT_SECONDS)
            self._skip(MOST_BANNER)
        except LostError:
            self.close()
            raise

    def look(self, path: str, *, recent: bool) -> Listing:
        """List the runs of a folder. Raises RefusedError if there is none."""
        self._send(shell.look(path, recent=recent))
        clock, refused, files = 0, "", {}
        begin = f"{self._mark} ".encode()
        for line in self._lines():
            kind, _, words = line.removeprefix(begin).partition(b" ")
            if line.startswith(begin) and kind == b"E":
                refused = shortened(printable(_text(words)), LONGEST_REASON)
            elif line.startswith(begin) and kind == b"T" and words.isdigit():
                clock = int(words[:12])
            found = _listed(line)
            if found is not None:
                files[found[0]] = found[1]
            if len(files) > MOST_FILES:
                raise LostError(f"lists more than {MOST_FILES} files")
        if refused:
            raise RefusedError(refused)
        if not clock:
            raise LostError("answers with something else than a list of files")
        return Listing(clock, files)

    def newest_sample(self, path: str, run: str) -> tuple[str, Stamp] | None:
        """Name and stamp of the newest sample of a run; None if there is none."""
        self._send(shell.newest(path, run))
        found = None
        for line in self._lines():
            known = _listed(line)
            if known is not None and known[0][0] == run:
                found = known[0][1], known[1]
        return found

    def fetch(self, path: str, files: Sequence[tuple[str, str]], most: int) -> dict[str, bytes]:
        """The contents of files, by `RUN/FILE`; those that are gone are left out.

        Args:
            path: the folder of runs.
            files: the names of runs and of files.
            most: bytes that all of them take at most; more is an error.
        """
        names = {f"{run}/{name}" for run, name in files}
        self._send(shell.small(path, sorted(names)))
        stream = _Bounded(self, most + (len(files) + 8) * 4 * BLOCK)
        found: dict[str, bytes] = {}
        try:
            # In blocks: more than the archive has would be waited for.
            with tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK) as archive:
                for member in archive:
                    name = member.name.removeprefix("./")
                    # A sparse file can be of any size without being sent.
                    whole = member.isreg() and not member.issparse()
                    content = archive.extractfile(member) if whole and name in names else None
                    if content is not None:
                        found[name] = content.read()
        except (tarfile.TarError, ValueError, EOFError, RecursionError) as failure:
            raise LostError("its files arrive damaged") from failure
        self._skip(MOST_BANNER)
        return found

    def part(self, path: str, run: str, name: str, offset: int, count: int) -> bytes:
        """`count` bytes of a file from `offset`; zeros for those that it has lost since."""
        self._send(shell.part(path, f"{run}/{name}", offset, count))
        line = self._line()
        head = f"{self._mark} B ".encode()
        size = line.removeprefix(head)
        if not line.startswith(head) or not size.isdigit() or int(size) > count:
            raise LostError("answers with something else than the part of a file")
        content = self.exactly(int(size))
        self._skip(MOST_BANNER)
        return content

    def close(self) -> None:
        """End the process, and what it has started."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(OSError):
                    os.killpg(self._process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.5)
                    break
        if self._process.stderr is not None:
            self._process.stderr.close()

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes of the answer."""
        while len(self._buffer) < count:
            self._read()
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def _send(self, request: bytes, seconds: float = ANSWER_SECONDS) -> None:
        self._patience = seconds
        self._deadline = time.monotonic() + seconds
        self.owed_since = time.time()
        self._buffer.clear()
        stream = self._process.stdin
        assert stream is not None
        left = memoryview(request)
        try:
            while left:
                # So many bytes never wait where a pipe can be written.
                if select.select([], [stream], [], 0.1)[1]:
                    left = left[os.write(stream.fileno(), left[: select.PIPE_BUF]) :]
                self._check_time()
        except OSError as failure:
            raise self._lost() from failure

    def _lines(self) -> Iterator[bytes]:
        """The lines of an answer, up to the end."""
        end = f"{self._mark} .".encode()
        for _ in range(MOST_LINES):
            line = self._line()
            if line == end:
                self.owed_since = None
                return
            yield line
        raise LostError("says more than it was asked")

    def _skip(self, most: int) -> None:
        """Read up to the end of an answer."""
        for line in self._lines():
            most -= len(line) + 1
            if most < 0:
                raise LostError("says more than it was asked")

    def _line(self) -> bytes:
        left_out = 0
        while b"\n" not in self._buffer:
            excess = len(self._buffer) - MOST_LINE
            if excess > 0:  # No line of ours.
                del self._buffer[:excess]
                left_out += excess
                if left_out > MOST_BANNER:
                    raise LostError("says more than it was asked")
            self._read()
        return self.exactly(self._buffer.index(b"\n") + 1)[:-1]

    def _read(self) -> None:
        """Wait for more of an answer."""
        stream = self._process.stdout
        assert stream is not None
        found = False
        while not found:
            found = stream in self._readable()
            if found:
                self._deadline = time.monotonic() + self._patience
            self._check_time()  # Also while a host never ceases to send.
        read = os.read(stream.fileno(), 1 << 16)
        if not read:
            raise self._lost()
        self.owed_since = time.time()
        self._buffer += read

    def _check_time(self) -> None:
        """Raise LostError if nothing has come for too long, or nobody waits any more."""
        if self._closed.is_set():
            raise LostError("the dashboard is closed")
        if time.monotonic() > self._deadline:
            raise LostError(f"no answer for {self._patience:.0f} s")

    def _readable(self) -> list[IO[bytes]]:
        """Which streams have something to read, after a moment; keeps what ssh complains about."""
        answers, complaints = self._process.stdout, self._process.stderr
        assert answers is not None and complaints is not None
        streams = [answers] if self._silent else [answers, complaints]
        found: list[IO[bytes]] = select.select(streams, [], [], 0.1)[0]
        if complaints in found:
            said = os.read(complaints.fileno(), 1 << 16)
            self._silent = not said
            self._said = (self._said + said)[-MOST_REASON:]
        return found

    def _lost(self) -> LostError:
        """Why ssh has ended: its last words."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        until = time.monotonic() + LAST_WORDS_SECONDS
        while not self._silent and time.monotonic() < until:
            if self._process.stderr not in self._readable():
                break
        lines = [line.strip() for line in _text(self._said).replace("\r", "\n").split("\n")]
        words = next((line for line in reversed(lines) if line), "")
        code = self._process.returncode
        words = words or ("the connection ended" if not code else f"ssh ended with code {code}")
        return LostError(shortened(printable(words), LONGEST_REASON))


class _Bounded(io.RawIOBase):
    """The answer of a connection as a file, of which only so much is read."""

    def __init__(self, connection: Connection, left: int) -> None:
        super().__init__()
        self._connection, self._left = connection, left

    def read(self, size: int = -1) -> bytes:
        self._left -= size
        if size < 0 or self._left < 0:
            raise LostError("sends more than it has listed")
        return self._connection.exactly(size)


def _listed(line: bytes) -> tuple[tuple[str, str], Stamp] | None:
    """Run, file and stamp of a line; None for anything else, and names that cannot be kept."""
    found = _FILE.fullmatch(line)
    if found is None:
        return None
    try:
        run, name = found[4].decode(), found[5].decode()
    except UnicodeDecodeError:
        return None
    sample = re.fullmatch(r"samples/([0-9]{8,20}\.npz)", name)
    if not is_run_name(run) or (name not in shell.FILES and sample is None):
        return None
    mtime, size, inode = (int(found[place]) for place in (1, 2, 3))
    return (run, name), Stamp(mtime, size, inode)


def is_run_name(name: str) -> bool:
    """Whether the name of a folder on a host can be that of a folder here, and of a run."""
    return (
        bool(name)
        and name.isprintable()
        and "/" not in name
        and not name.startswith((".", "-"))
        and len(name.encode()) <= 255
    )


def _text(words: bytes) -> str:
    return words.decode(errors="replace")
