"""Loss curves from the metrics: whole, followed, or quickly from a long file."""

import json
import math
import shutil
from collections.abc import Iterable

import numpy as np
import pytest

from dae_tui.runs.folder.layout import METRICS
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching import curves
from dae_tui.runs.watching.curves import (
    Curve,
    CurveFollower,
    Curves,
    OverviewFollower,
    glance,
    overview,
)

GARBAGE = [
    b"",
    b"   ",
    b"nonsense",
    b"\x00\x01\xff\xfe",
    b"\xed\xa0\x80",
    b"1, 2",
    b'{"event": "step", "step": 9, "loss": 1}, {"event": "step", "step": 8, "loss": 1}',
    b'{"event": "step", "step": 9\n"loss": 1}',
    b'[{"event": "step", "step": 9, "loss": 1}]',
    b'{"event": "step", "step": 9, "loss": 1}}',
    b"[" * 5000,
    b"9" * 5000,
    b'{"event": "step", "step": ' + b"9" * 5000 + b', "loss": 1}',
    b'{"event": "step", "step": ' + b"9" * 400 + b', "loss": 1}',
    b'{"event": "step", "step": "9", "loss": 1}',
    b'{"event": "step", "step": true, "loss": 1}',
    b'{"event": "step", "step": NaN, "loss": 1}',
    b'{"event": "step", "step": [9], "loss": 1}',
    b'{"event": "step", "loss": 1}',
    b'{"event": ["step"], "step": 9, "loss": 1}',
    b'{"step": 9, "loss": 1}',
    b"null",
]


def step(step: float, loss: object = 0.5) -> dict[str, object]:
    return {"v": 1, "event": "step", "step": step, "loss": loss, "seconds": step / 8}


def validation(step: float, loss: object, best: bool = False) -> dict[str, object]:
    return {"v": 1, "event": "validation", "step": step, "val_loss": loss, "best": best}


def started(step: float) -> dict[str, object]:
    return {"v": 1, "event": "started", "step": step}


def devices(step: float, use: float) -> dict[str, object]:
    return {"v": 1, "event": "devices", "step": step, "cpu": 5.0, "gpus": [{"gpu": 0, "use": use}]}


def lines(events: Iterable[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def write(run: Run, content: bytes, mode: str = "ab") -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / METRICS).open(mode) as metrics:
        metrics.write(content)


def curves_of(*events: dict[str, object]) -> Curves:
    found = Curves()
    for event in events:
        found.add(event)
    return found


def points(curve: Curve) -> list[tuple[float, float]]:
    steps, values = curve.arrays()
    return list(zip(steps.tolist(), values.tolist(), strict=True))


def read_whole(run: Run) -> Curves:
    follower = CurveFollower(run)
    while follower.read():
        pass
    return follower.curves


def assert_same(one: Curve, other: Curve) -> None:
    for mine, its in zip(one.arrays(), other.arrays(), strict=True):
        np.testing.assert_array_equal(mine, its)


# What events mean


def test_steps_and_validations_are_two_curves() -> None:
    found = curves_of(started(0), step(10, 0.5), step(20, 0.25), validation(20, 0.125))

    assert points(found.train) == [(10, 0.5), (20, 0.25)]
    assert points(found.validation) == [(20, 0.125)]
    assert (len(found.train), len(found.validation)) == (2, 1)


def test_nothing_read_is_two_empty_curves() -> None:
    steps, values = Curves().train.arrays()

    assert (steps.shape, values.shape) == ((0,), (0,))
    assert Curves().best is None


@pytest.mark.parametrize("loss", [None, math.nan, math.inf, "0.5", True, [1], 10**400])
def test_a_loss_that_is_no_finite_number_is_nan(loss: object) -> None:
    found = curves_of(step(1, 0.5), step(2, loss), validation(2, loss), step(3, 0.25))

    np.testing.assert_array_equal(found.train.arrays()[1], [0.5, math.nan, 0.25])
    np.testing.assert_array_equal(found.validation.arrays()[1], [math.nan])


def test_a_missing_loss_is_nan() -> None:
    found = curves_of({"event": "step", "step": 1})

    assert math.isnan(found.train.arrays()[1][0])


def test_a_resumed_run_voids_the_steps_after_its_checkpoint() -> None:
    killed = [step(10), step(20), validation(20, 0.3), step(30), validation(40, 0.2), step(40)]

    found = curves_of(started(0), *killed, started(20))

    assert points(found.train) == [(10, 0.5), (20, 0.5)]
    assert points(found.validation) == [(20, 0.3)]


def test_a_resumed_run_makes_the_voided_steps_again() -> None:
    found = curves_of(step(10, 9.0), step(20, 9.0), started(10), step(15, 1.0), step(20, 2.0))

    assert points(found.train) == [(10, 9.0), (15, 1.0), (20, 2.0)]


def test_a_run_that_begins_anew_voids_everything() -> None:
    found = curves_of(step(1), validation(1, 0.5, best=True), started(0))

    assert (len(found.train), len(found.validation), found.best) == (0, 0, None)


def test_steps_that_go_back_replace_what_was_there() -> None:
    found = curves_of(step(10, 9.0), step(20, 9.0), step(30, 9.0), step(20, 1.0))

    assert points(found.train) == [(10, 9.0), (20, 1.0)]


def test_a_step_told_twice_counts_as_it_was_told_last() -> None:
    assert points(curves_of(step(10, 9.0), step(10, 1.0)).train) == [(10, 1.0)]


def test_the_best_is_the_last_that_was_called_so() -> None:
    best = validation(20, 0.2, best=True)

    found = curves_of(validation(10, 0.3, best=True), best, validation(30, 0.4))

    assert found.best == best


@pytest.mark.parametrize("claim", [False, None, 1, "true"])
def test_only_true_calls_a_validation_the_best(claim: object) -> None:
    assert curves_of(validation(10, 0.3) | {"best": claim}).best is None


def test_the_best_is_forgotten_when_it_is_voided() -> None:
    assert curves_of(started(0), validation(10, 0.3, best=True), started(5)).best is None


def test_when_the_best_is_voided_the_best_before_the_checkpoint_is_it_again() -> None:
    kept = validation(10, 0.3, best=True)

    found = curves_of(kept, validation(20, 0.4), validation(30, 0.2, best=True), started(20))

    assert found.best == kept


def test_a_best_at_the_step_of_the_checkpoint_lasts() -> None:
    best = validation(10, 0.3, best=True)

    assert curves_of(best, started(10)).best == best


def test_a_validation_that_is_made_again_may_no_longer_be_the_best() -> None:
    assert curves_of(validation(10, 0.3, best=True), validation(10, 0.3)).best is None


# Following


def test_a_follower_adds_what_was_added(run: Run) -> None:
    follower = CurveFollower(run)
    assert follower.read() is False

    write(run, lines([step(1, 0.5)]))
    assert follower.read() is True
    write(run, lines([step(2, 0.25)]))
    assert follower.read() is True

    assert points(follower.curves.train) == [(1, 0.5), (2, 0.25)]
    assert follower.read() is False


def test_what_the_writer_records_is_what_the_curves_tell(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.record({"event": "started", "step": 0})
        writer.record({"event": "step", "step": 1, "loss": 0.5})
        writer.record({"event": "step", "step": 2, "loss": math.nan})
        writer.record({"event": "validation", "step": 2, "val_loss": 0.25, "best": True})

    found = read_whole(run)

    np.testing.assert_array_equal(found.train.arrays(), [[1, 2], [0.5, math.nan]])
    assert points(found.validation) == [(2, 0.25)]
    assert found.best is not None and found.best["step"] == 2


def test_a_half_written_line_is_taken_when_it_is_completed(run: Run) -> None:
    follower = CurveFollower(run)
    content = lines([step(1), step(2)])

    write(run, content[:-20])
    assert follower.read() is True
    assert points(follower.curves.train) == [(1, 0.5)]
    assert follower.read() is False
    write(run, content[-20:])
    assert follower.read() is True

    assert points(follower.curves.train) == [(1, 0.5), (2, 0.5)]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda line: repr(line[:30]))
def test_a_line_that_is_no_event_is_left_out(run: Run, garbage: bytes) -> None:
    write(run, lines([step(1)]) + garbage + b"\n" + lines([step(10)]))

    assert points(read_whole(run).train) == [(1, 0.5), (10, 0.5)]
    assert points(overview(run).train) == [(1, 0.5), (10, 0.5)]
    assert glance(run, 24) == [0.5, 0.5]


def test_a_long_stretch_of_garbage_does_not_look_like_the_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "PIECE_BYTES", 100)
    write(run, b"nonsense\n" * 50 + lines([step(1)]))

    assert points(read_whole(run).train) == [(1, 0.5)]


def test_pieces_smaller_than_a_line_give_the_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "PIECE_BYTES", 10)
    write(run, lines(step(number) for number in range(1, 6)))

    assert points(read_whole(run).train) == [(number, 0.5) for number in range(1, 6)]


@pytest.mark.parametrize("mode", ["wb", "other file"])
def test_a_file_that_was_cut_or_replaced_is_read_from_its_start(run: Run, mode: str) -> None:
    write(run, lines([step(1), step(2), validation(2, 0.1, best=True)]))
    follower = CurveFollower(run)
    follower.read()
    if mode == "wb":
        write(run, lines([step(7)]), "wb")
    else:
        (run.folder / "other").write_bytes(lines(step(number) for number in range(7, 20)))
        (run.folder / "other").replace(run.folder / METRICS)

    assert follower.read() is True

    assert points(follower.curves.train)[0] == (7, 0.5)
    assert len(follower.curves.validation) == 0
    assert follower.curves.best is None


def test_a_file_that_is_emptied_gives_empty_curves(run: Run) -> None:
    write(run, lines([step(1)]))
    follower = CurveFollower(run)
    follower.read()

    write(run, b"", "wb")

    assert follower.read() is True
    assert len(follower.curves.train) == 0
    assert follower.read() is False


def test_the_curves_stay_when_the_run_is_removed(run: Run) -> None:
    write(run, lines([step(1)]))
    follower = CurveFollower(run)
    follower.read()

    shutil.rmtree(run.folder)

    assert follower.read() is False
    assert points(follower.curves.train) == [(1, 0.5)]


# Overview


@pytest.fixture
def long_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Thirty epochs of 100 steps, killed in the twentieth and resumed after the fifteenth.

    Sizes are a tenth of the real ones: the file is long for them.
    """
    monkeypatch.setattr(curves, "SMALL_BYTES", 100_000)
    monkeypatch.setattr(curves, "SEARCH_BYTES", 10_007)
    monkeypatch.setattr(curves, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(curves, "OVERVIEW_PLACES", 200)

    def epochs(first: int, last: int, offset: float) -> Iterable[dict[str, object]]:
        for epoch in range(first, last + 1):
            for number in range(100 * epoch - 99, 100 * epoch + 1):
                yield step(number, offset + 1 / number)
            yield devices(100 * epoch, 50.0 + epoch + offset)
            yield validation(100 * epoch, offset + 2 / epoch, best=epoch % 7 == 0)

    events = [started(0), *epochs(1, 19, 5.0), *map(step, range(1901, 1951)), started(1500)]
    write(run, lines([*events, *epochs(16, 30, 0.0)]))
    assert (run.folder / METRICS).stat().st_size > 2 * curves.SMALL_BYTES
    return run


def test_an_overview_has_every_validation_of_a_resumed_long_run(long_run: Run) -> None:
    found, whole = overview(long_run), read_whole(long_run)

    assert found.validation.arrays()[0].tolist() == [100 * epoch for epoch in range(1, 31)]
    assert_same(found.validation, whole.validation)
    assert found.best == whole.best
    assert found.best is not None and found.best["step"] == 2800


def test_an_overview_has_every_reading_of_the_devices(
    long_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_whole(long_run).devices
    assert len(whole["GPU 0"].use) == 30
    for name in ("GPU 0", "CPU"):
        assert_same(overview(long_run).devices[name].use, whole[name].use)

    rare = {
        events: 10 if b'"event": "devices"' in events else most
        for events, most in curves._RARE_EVENTS.items()
    }
    monkeypatch.setattr(curves, "_RARE_EVENTS", rare)
    assert 5 <= len(overview(long_run).devices["GPU 0"].use) < 20
    assert len(overview(long_run).validation) == 30


def test_a_long_file_is_searched_once_and_then_followed(
    long_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = OverviewFollower(long_run)
    before, count = follower.curves, len(follower.curves.train)
    monkeypatch.setattr(curves, "_rare", lambda _: pytest.fail("it was searched again"))
    write(long_run, lines([step(3001, 0.25), devices(3001, 7.0), validation(3001, 0.5)])[:-5])
    follower.read()
    assert follower.curves is before
    assert points(before.train)[-1] == (3001, 0.25)
    assert len(before.train) == count + 1
    assert points(before.devices["GPU 0"].use)[-1] == (3001, 7.0)
    assert points(before.validation)[-1][0] == 3000
    write(long_run, lines([validation(3001, 0.5)])[-5:])
    follower.read()
    assert points(before.validation)[-1] == (3001, 0.5)
    # A resumed run voids what came after its checkpoint.
    write(long_run, lines([started(2950), step(2951, 0.125)]))
    follower.read()
    assert points(before.train)[-1] == (2951, 0.125)
    assert points(before.validation)[-1][0] == 2900


def test_an_overview_is_read_anew_when_the_file_was_replaced(long_run: Run) -> None:
    follower = OverviewFollower(long_run)
    write(long_run, lines([step(1, 0.75)]), "wb")
    follower.read()
    assert points(follower.curves.train) == [(1, 0.75)]
    (long_run.folder / METRICS).unlink()
    write(long_run, lines([step(number, 0.5) for number in range(1, 2500)]), "wb")
    follower.read()
    assert points(follower.curves.train)[-1] == (2499, 0.5)


def test_an_overview_has_steps_in_order_as_the_whole_has_them(long_run: Run) -> None:
    steps, losses = overview(long_run).train.arrays()
    whole = dict(points(read_whole(long_run).train))

    assert 120 <= len(steps) <= 201
    assert (np.diff(steps) > 0).all()
    assert losses.tolist() == [whole[number] for number in steps.tolist()]


def test_an_overview_leaves_no_gap_and_reaches_both_ends(long_run: Run) -> None:
    steps, losses = overview(long_run).train.arrays()

    assert steps[0] <= 5
    assert steps[-1] == 3000
    assert np.diff(steps).max() <= 60  # 3 000 of 4 900 steps lasted: 200 looks find 25 apart.
    assert (losses[steps > 1500] < 1).all()  # None of the voided ones.


def test_an_overview_ends_with_the_last_whole_line(long_run: Run) -> None:
    write(long_run, lines([step(3001), step(3002)])[:-5])

    assert points(overview(long_run).train)[-1] == (3001, 0.5)


def test_an_overview_looks_over_garbage(long_run: Run) -> None:
    before = overview(long_run)
    garbage = b"\n".join(line for line in GARBAGE if len(line) < 6000) + b"\n"

    write(long_run, garbage + lines([step(3001)]))

    found = overview(long_run)
    assert_same(found.validation, before.validation)
    assert points(found.train)[-1] == (3001, 0.5)


def test_the_overview_of_a_small_file_is_the_whole(run: Run) -> None:
    write(run, lines([started(0), *map(step, range(1, 100)), validation(99, 0.1, best=True)]))

    found, whole = overview(run), read_whole(run)

    assert len(found.train) == 99
    assert_same(found.train, whole.train)
    assert_same(found.validation, whole.validation)
    assert found.best == whole.best


def test_a_file_of_its_real_size_is_overviewed_as_its_constants_say(run: Run) -> None:
    number_of_steps = 40_000
    write(run, lines(step(number, number / 8) for number in range(1, number_of_steps + 1)))
    assert (run.folder / METRICS).stat().st_size > curves.SMALL_BYTES

    steps, losses = overview(run).train.arrays()

    assert 1000 < len(steps) <= curves.OVERVIEW_PLACES + 1
    assert (losses == steps / 8).all()
    assert steps[-1] == number_of_steps


# Glance


def test_a_glance_at_a_short_run_has_every_loss(run: Run) -> None:
    losses = [1.0, 0.5, 0.25, 0.125, 0.0625]
    write(run, lines([started(0), *(step(n, loss) for n, loss in enumerate(losses, 1))]))

    assert glance(run, 24) == losses


def test_a_glance_at_a_longer_run_is_thinned_evenly_from_the_first_to_the_last(run: Run) -> None:
    write(run, lines(step(number, float(number)) for number in range(1, 32)))

    assert glance(run, 7) == [1, 6, 11, 16, 21, 26, 31]
    assert len(glance(run, 1)) == 1


def test_a_glance_at_a_long_run_spans_it(long_run: Run) -> None:
    losses = glance(long_run, 24)

    assert 10 <= len(losses) <= 25
    assert losses[0] > 5
    assert losses[-1] == 1 / 3000


def test_the_last_step_is_found_before_the_long_line_of_a_finished_run(long_run: Run) -> None:
    write(long_run, lines([{"event": "done", "benchmark": ["x" * 2000]}]))

    assert glance(long_run, 24)[-1] == 1 / 3000
    assert points(overview(long_run).train)[-1] == (3000, 1 / 3000)


def test_a_glance_takes_training_steps_alone(run: Run) -> None:
    write(run, lines([started(0), step(1, 0.5), validation(1, 7.0), step(2, None)]))

    first, second = glance(run, 24)
    assert first == 0.5
    assert math.isnan(second)


# Without a file


@pytest.mark.parametrize("in_the_way", ["nothing", "folder", "empty file"])
def test_without_metrics_everything_is_empty(run: Run, in_the_way: str) -> None:
    if in_the_way == "folder":
        (run.folder / METRICS).mkdir(parents=True)
    elif in_the_way == "empty file":
        write(run, b"")

    assert len(overview(run).train) == 0
    assert len(read_whole(run).train) == 0
    assert glance(run, 24) == []


def test_other_metrics_follow_the_steps_and_a_resumed_run_cuts_them() -> None:
    curves = Curves()
    curves.add({"event": "started", "step": 0, "time": 100.0, "steps_per_epoch": 5})
    for step in (1, 2, 3):
        event = {"event": "step", "step": step, "loss": 1.0, "lr": 0.1, "time": 100.0 + step}
        curves.add(event | {"images_per_second": 7.0})
    curves.add({"event": "validation", "step": 3, "val_loss": 1.0, "val_psnr": 20.0})
    assert curves.rate.arrays()[1].tolist() == [0.1] * 3
    assert curves.clock.arrays()[1].tolist() == [101.0, 102.0, 103.0]
    assert (len(curves.psnr), len(curves.accuracy), curves.steps_per_epoch) == (1, 0, 5)

    curves.add({"event": "started", "step": 1, "time": 900.0, "steps_per_epoch": 5})

    assert [len(curve) for curve in (curves.speed, curves.rate, curves.psnr)] == [1, 1, 0]
    assert curves.began == 100.0
