"""A quick look at the event files of a training: enough for its row in a list."""

import os
from pathlib import Path

from dae_tui.runs.event_files.folders import EventRun
from dae_tui.runs.event_files.reader import EventLog
from dae_tui.runs.event_files.records import first_record
from dae_tui.runs.event_files.tags import find_tag
from dae_tui.system.regular_files import open_regular

# Files up to this size are read whole.
SMALL_BYTES = 256 << 10
# Of larger ones beginning and end, and pieces at so many places between them.
END_BYTES, PLACES, PLACE_BYTES = 64 << 10, 24, 4 << 10
# Of a training that was resumed often, the first file and the newest.
MOST_FILES = 8


def glance_at(run: EventRun) -> EventLog:
    """Some of what a training's event files say: the newest of all, and a few earlier scalars."""
    log = EventLog(run)
    files = run.files()
    for path, part in [*files[:1], *files[1:][-MOST_FILES + 1 :]]:
        try:
            file = open_regular(path)
        except OSError:
            continue
        try:
            _take_some(log, file, path, part)
        finally:
            os.close(file)
    return log


def some_losses(log: EventLog, count: int) -> list[float]:
    """About `count` training losses, else values of the first scalar, for a sparkline."""
    tag = find_tag(log.series, "loss", ("train", "", "val", "test"))
    tag = tag or next(iter(log.series), None)
    if tag is None:
        return []
    values: list[float] = log.series[tag].arrays()[1].tolist()
    if len(values) <= count:
        return values
    return [values[(len(values) - 1) * index // max(1, count - 1)] for index in range(count)]


def _take_some(log: EventLog, file: int, path: Path, part: str) -> None:
    size = os.fstat(file).st_size
    if size <= SMALL_BYTES:
        log.take_piece(os.pread(file, size, 0), 0, path, part, 0)
        return
    log.take_piece(os.pread(file, END_BYTES, 0), 0, path, part, 0)
    inner = size - 2 * END_BYTES
    places = [(END_BYTES + inner * n // PLACES, PLACE_BYTES) for n in range(PLACES)]
    for place, length in [*places, (size - END_BYTES, END_BYTES)]:
        piece = os.pread(file, length, place)
        start = first_record(piece)
        if start is not None:
            log.take_piece(piece, start, path, part, place)
