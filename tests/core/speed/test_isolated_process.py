"""Generators in processes of their own."""

import os
import time
from collections.abc import Iterator

import psutil
import pytest

from dae_tui.core.speed.isolated_process import Isolated
from dae_tui.errors import DaeError, UsageError


def count(first: int) -> Iterator[tuple[int, int]]:
    while True:
        yield os.getpid(), first
        first += 1


def fail() -> Iterator[int]:
    yield 1
    raise UsageError("this cannot be", "do something else")


def vanish() -> Iterator[int]:
    yield 1
    os._exit(9)


def test_it_goes_on_when_asked_in_a_process_of_its_own() -> None:
    with Isolated[tuple[int, int]](count, 5) as counting:
        (process, first), (same, second) = counting.next(), counting.next()
    assert (first, second) == (5, 6)
    assert process == same != os.getpid()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(process):
        assert time.monotonic() < deadline


def test_its_errors_arrive_here() -> None:
    with Isolated[int](fail) as failing:
        assert failing.next() == 1
        with pytest.raises(UsageError, match="this cannot be") as raised:
            failing.next()
    assert raised.value.hint == "do something else"


def test_a_process_that_is_gone_is_an_error() -> None:
    with Isolated[int](vanish) as vanishing:
        vanishing.next()
        with pytest.raises(DaeError, match="has ended"):
            vanishing.next()
