"""Warnings of libraries are silenced, in several threads at once, and come back afterwards."""

import threading
import warnings

import pytest

from dae_tui.core.images.library_warnings import quiet


def test_warnings_are_silenced_and_come_back() -> None:
    with quiet():
        warnings.warn("not seen", stacklevel=1)
    with pytest.raises(UserWarning):
        warnings.warn("seen", stacklevel=1)


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with quiet():
            first_in.set()
            second_in.wait(5)
        first_out.set()

    def second() -> None:
        first_in.wait(5)
        with quiet():
            second_in.set()
            first_out.wait(5)
            warnings.warn("not seen", stacklevel=1)

    threads = [threading.Thread(target=run) for run in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
