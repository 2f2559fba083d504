"""The cost model of training in several processes, against what one reckons by hand."""

import pytest

from dae_tui.core.speed.process_count import Machine, exposed, model_scaling, stops_paying

QUICK = Machine(images_per_second=1000, parameters=250_000, bandwidth=1e9, latency=0, barriers=0)


def test_one_process_waits_for_nobody() -> None:
    slow = Machine(1000, 250_000, bandwidth=1, latency=1, barriers=9)
    (alone,) = model_scaling(slow, 100, [1])
    assert (alone.images_per_second, alone.efficiency, alone.exchange) == (1000, 1, 0)


def test_an_exchange_behind_the_backward_pass_costs_nothing() -> None:
    # 50 images take 50 ms; 1 MB goes out and in at 1 GB/s in 1 ms.
    assert exposed(QUICK, 2, compute=0.05) == 0
    assert model_scaling(QUICK, 100, [2])[0].images_per_second == pytest.approx(2000)


def test_what_is_longer_than_the_backward_pass_is_waited_for() -> None:
    network = Machine(1000, 250_000, bandwidth=1e7, latency=0.001, barriers=2)
    # 1 MB at 10 MB/s is 100 ms, two messages are 2 ms; two thirds of 30 ms hide 20 of them, and
    # two small all-reduces of 2 ms each are hidden by nothing.
    assert exposed(network, 2, compute=0.03) == pytest.approx(0.102 - 0.02 + 0.004)


def test_what_is_small_goes_through_a_tree() -> None:
    network = Machine(1000, 0, bandwidth=1e9, latency=0.001, barriers=1)
    # Up and down three levels of a tree of eight; the ring of 14 messages is hidden.
    assert exposed(network, 8, compute=1.0) == pytest.approx(0.006)


def test_every_process_draws_the_whole_batch() -> None:
    drawing = Machine(1000, 250_000, bandwidth=1e9, latency=0, drawing=1e-4, barriers=0)
    # 50 images take 50 ms, and the other 50 are drawn in 5.
    assert model_scaling(drawing, 100, [2])[0].images_per_second == pytest.approx(100 / 0.055)


def test_a_batch_that_grows_pays_where_one_that_is_shared_does_not() -> None:
    network = Machine(2900, 257_218, bandwidth=1e9, latency=50e-6, barriers=13)
    shared = model_scaling(network, 100)
    growing = model_scaling(network, 100, grows=True)
    # Of 8, a step computes 4.3 ms and waits 4.5; of 16, 2.2 ms and 7.2.
    assert stops_paying(shared) == 8
    assert stops_paying(growing) is None
    assert all(
        more.images_per_second >= less.images_per_second
        for more, less in zip(growing, shared, strict=True)
    )
