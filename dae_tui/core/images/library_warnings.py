"""Libraries that warn on standard error about files are silenced while a file is read."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
# How many threads are within `quiet`, and what the outermost restores.
_inside: list[warnings.catch_warnings] = []
_depth = [0]


@contextmanager
def quiet() -> Iterator[None]:
    """No Python warnings inside. Several threads may be inside at the same time.

    `warnings.catch_warnings` alone would leave the filters of one thread behind if another ends in
    between: the first that comes changes them, and the last that goes restores them.
    """
    with _lock:
        if not _depth[0]:
            catching = warnings.catch_warnings()
            catching.__enter__()
            warnings.simplefilter("ignore")
            _inside.append(catching)
        _depth[0] += 1
    try:
        yield
    finally:
        with _lock:
            _depth[0] -= 1
            if not _depth[0]:
                _inside.pop().__exit__(None, None, None)
