"""A generator in a process of its own, which continues only on request.

Methods that are compared must not share a process: the threads and memory settings of one would
change the other's speed. Methods that wait take no processor time from the one that runs.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import psutil

from dae_tui.errors import DaeError

T = TypeVar("T")
_NOTHING_MORE = DaeError("what was measured ended too early")
# Seconds within which a process has to end by itself.
PATIENCE = 10


class Isolated(Generic[T]):
    """`make(*arguments)` runs in a new process; `next` returns what it yields.

    A context manager: the process ends with it. `make` must be a module-level function, and its
    arguments and results must be picklable.
    """

    def __init__(self, make: Callable[..., Iterator[T]], *arguments: Any) -> None:
        # Not fork: the parent has threads of torch, whose locks a fork would inherit.
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        # Not a daemon: data loaders have processes of their own.
        self._process = context.Process(target=_serve, args=(there, make, arguments))
        self._process.start()
        there.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._here.close()  # The process finds its pipe closed, and ends.
        self._process.join(PATIENCE)
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                process.kill()
        self._process.kill()
        self._process.join()

    def next(self) -> T:
        """The generator's next value. Raises what it raises, or DaeError if it is gone."""
        try:
            self._here.send(None)
            answer: T | Exception = self._here.recv()
        except (EOFError, OSError) as failure:
            raise DaeError(
                "a process that was measured has ended", "it may have run out of memory"
            ) from failure
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(asked: Connection, make: Callable[..., Iterator[Any]], arguments: Any) -> None:
    try:
        values = make(*arguments)
        while asked.recv() is None:
            asked.send(next(values, _NOTHING_MORE))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return  # The parent is gone or finished.
    except Exception as failure:
        asked.send(failure)
