"""Reads the runs of a host again and again, in a thread of its own: it may be slow, or gone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import LOG, METRICS
from dae_tui.runs.folder.summary import age
from dae_tui.runs.ssh_hosts.address import HINT
from dae_tui.runs.ssh_hosts.connection import Connection, LostError, RefusedError
from dae_tui.runs.ssh_hosts.host_folder import BATCH_BYTES, HostFolder
from dae_tui.system.printable import printable

# Bytes of metrics: the newest of one run; in one request; of all runs between two looks.
MOST_METRICS, PIECE_BYTES, METRICS_PER_LOOK = 64 << 20, 1 << 20, 8 << 20
MOST_SAMPLE = 16 << 20
# As much of a log as its readers read, and a byte that tells them that it is not all.
LOG_BYTES = 128_001
# How often all files are listed, not only those that changed of late.
LIST_SECONDS = 30.0
SLOW_SECONDS = 4.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 60.0
# Reading takes at most this share of the time, so that a host is not kept busy.
SHARE = 0.2
LONGEST_REST_SECONDS = 15.0


@dataclass(frozen=True)
class HostState:
    """How a host answers."""

    host: str
    connected: bool
    """Whether it has answered, and not been lost since."""
    since: float
    """When that last changed, in seconds since 1970."""
    reason: str = ""
    """Why it is lost."""
    next_try: float = 0.0
    owed_since: float | None = None
    """Since when it owes an answer, or the rest of one."""

    @property
    def slow(self) -> bool:
        owed = self.owed_since
        return self.connected and owed is not None and time.time() - owed > SLOW_SECONDS

    def words(self) -> str:
        """What is wrong with it, in one line; nothing where it answers."""
        host = printable(self.host)
        if self.slow:
            return f"{host}: slow, no answer for {age(self.owed_since)}"
        if self.connected:
            return ""
        if not self.reason:
            return f"{host}: connecting for {age(self.since)}"
        wait = max(0.0, self.next_try - time.time())
        again = f"next try in {wait:.0f} s" if wait else "trying again"
        return f"{host}: lost {age(self.since)} ago: {self.reason}; {again}"


class HostWatch:
    """Reads folders of one host until it is closed; after a failure not before a while."""

    def __init__(self, folders: Sequence[HostFolder], refresh_seconds: float) -> None:
        self.folders = tuple(folders)
        self._refresh = refresh_seconds
        self._address = folders[0].address
        self._closed, self._asked = Event(), Event()
        for folder in folders:
            folder.asked = self._asked.set
        self._failures = 0
        self._state = HostState(self._address.host, False, time.time())
        self._connection: Connection | None = None
        self._once: Connection | None = None
        """That of `read_now`."""
        self._thread = Thread(target=self._run, name=f"ssh {self._address.host}", daemon=True)

    @property
    def state(self) -> HostState:
        """How the host answers now."""
        connection = self._connection
        return replace(self._state, owed_since=connection.owed_since if connection else None)

    def read_now(self, run: str = "") -> None:
        """Read what a list shows, or all of one run, in this thread. Raises RunError."""
        try:
            # It stays until `close`: a second reading does not log in again.
            connection = self._once or Connection(self._address, self._closed)
            self._once = connection
            for folder in self.folders:
                self._read_rows(connection, folder)
                if folder.reason:
                    raise RunError(f"{self._address.host}: {folder.reason}", HINT)
                if run and (run, METRICS) in folder.known:
                    self._read_metrics(connection, folder, run, MOST_METRICS)
        except (LostError, OSError) as failure:
            self._leave()
            raise RunError(
                f"{self._address.host} cannot be read: {failure}",
                f"this must work without a question: {self._address.login('true')}",
            ) from failure

    @property
    def kept(self) -> list[Path]:
        """Where the files of its runs are."""
        return [folder.kept for folder in self.folders]

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Have the connection end soon; `close` waits for it."""
        self._closed.set()
        self._asked.set()

    def close(self, seconds: float = 2.0) -> None:
        """End the connection; waits for that a little."""
        self.end()
        self._leave()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if not self._thread.is_alive():
            for folder in self.folders:
                folder.mirror.close()

    def _leave(self) -> None:
        if self._once is not None:
            self._once.close()
            self._once = None

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._connection = Connection(self._address, self._closed)
                try:
                    self._stay(self._connection)
                finally:
                    self._connection.close()
                    self._connection = None
            except (LostError, OSError) as failure:
                self._lose(str(failure))

    def _stay(self, connection: Connection) -> None:
        """Look again and again, until the connection is lost."""
        for folder in self.folders:
            folder.listed = 0.0
        while not self._closed.is_set():
            began = time.time()
            more = [self._read(connection, folder) for folder in self.folders]
            self._failures = 0
            if any(more):
                continue
            rest = max(self._refresh, (time.time() - began) / SHARE)
            self._asked.wait(min(rest, LONGEST_REST_SECONDS))
            self._asked.clear()

    def _answered(self) -> None:
        if not self._state.connected:
            self._state = HostState(self._state.host, True, time.time())

    def _lose(self, reason: str) -> None:
        """Say that the host is lost, and wait before the next try."""
        self._failures += 1
        now = time.time()
        wait = min(FIRST_WAIT_SECONDS * 2 ** min(self._failures - 1, 30), LONGEST_WAIT_SECONDS)
        before = self._state
        since = before.since if before.reason else now
        self._state = HostState(before.host, False, since, reason, now + wait)
        self._closed.wait(wait)

    def _read(self, connection: Connection, folder: HostFolder) -> bool:
        """Bring what has changed in a folder here; whether there is more to bring at once."""
        self._read_rows(connection, folder)
        if folder.reason:
            return False
        left = METRICS_PER_LOOK
        for run in folder.needed():
            left -= self._read_metrics(connection, folder, run, left)
            if left <= 0:
                return True
        for run in folder.opened():
            self._read_log(connection, folder, run)
            self._read_sample(connection, folder, run)
        return False

    def _read_rows(self, connection: Connection, folder: HostFolder) -> None:
        """List a folder, and bring the small files here that have changed."""
        every = time.monotonic() - folder.listed >= LIST_SECONDS
        path = folder.address.path
        try:
            listing = connection.look(path, recent=not every)
        except RefusedError as failure:
            folder.reason = str(failure)
            self._answered()
            return
        folder.reason = ""
        self._answered()
        folder.take(listing.files, listing.time, all_of_them=every)
        for batch in folder.outdated():
            found = connection.fetch(path, batch, 2 * BATCH_BYTES)
            for file in reversed(batch):
                content = found.get("/".join(file))
                if content is None:  # It is gone since.
                    folder.known.pop(file)
                else:
                    folder.keep(file, content)
        folder.caught_up()

    def _read_metrics(self, connection: Connection, folder: HostFolder, run: str, most: int) -> int:
        """Bring the new bytes of a run's metrics here; returns how many."""
        file = run, METRICS
        at, before = folder.known[file], folder.mirror.stamps.get(file)
        base, have = folder.bases.get(run, 0), folder.mirror.size(file)
        if before is None or before.inode != at.inode or at.size < base + have:
            base = have = 0
        if at.size - base > MOST_METRICS:
            base, have = at.size - MOST_METRICS // 2, 0
        folder.bases[run] = base
        read = 0
        while read < most and base + have < at.size:
            count = min(PIECE_BYTES, at.size - base - have)
            content = connection.part(folder.address.path, run, METRICS, base + have, count)
            whole = content.rstrip(b"\0")
            if whole:
                folder.mirror.add(run, at, have, whole)
            read, have = read + len(content), have + len(whole)
            if len(whole) < count:  # It was cut since it was listed.
                break
        return read

    def _read_log(self, connection: Connection, folder: HostFolder, run: str) -> None:
        """Bring the end of a run's log here."""
        at = folder.known.get((run, LOG))
        if at is None or folder.mirror.stamps.get((run, LOG)) == at:
            return
        count = min(at.size, LOG_BYTES)
        content = connection.part(folder.address.path, run, LOG, at.size - count, count)
        folder.keep((run, LOG), content.rstrip(b"\0"))

    def _read_sample(self, connection: Connection, folder: HostFolder, run: str) -> None:
        """Bring the newest images of a run here."""
        path = folder.address.path
        found = connection.newest_sample(path, run)
        if found is None:
            return
        name, at = found
        if folder.mirror.stamps.get((run, name)) != at and at.size <= MOST_SAMPLE:
            content = connection.fetch(path, [(run, name)], MOST_SAMPLE).get(f"{run}/{name}")
            if content is not None:
                folder.mirror.write((run, name), at, content)
