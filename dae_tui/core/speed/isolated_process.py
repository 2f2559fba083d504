"""A generator in a process of its own, which goes on only when it is asked.

What is compared must not share a process: how one contender sets threads and memory up would
change the other's figures. Contenders that wait take no processor from the one whose turn it is.
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
# Seconds in which a process is to end by itself.
PATIENCE = 10


class Isolated(Generic[T]):
    """`make(*arguments)` runs in a new process; `next` gives what it yields.

    A context manager: the process ends with it. `make` is a function of a module, and what it
    takes and yields can be pickled.
    """

    def __init__(self, make: Callable[..., Iterator[T]], *arguments: Any) -> None:
        # Not fork: the parent has threads of torch, whose locks a copy would inherit.
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
        """What the generator yields next. Raises what it raises, and DaeError where it is gone."""
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
        return  # Nobody asks any more.
    except Exception as failure:
        asked.send(failure)
