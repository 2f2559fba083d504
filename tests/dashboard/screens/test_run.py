"""One run on the screen: every key, and what a person reads."""

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dashboard_driver import Driver, driving, looks_again, shows
from dashboard_example import LIVE, photographs_run

from dae_tui.dashboard.screens.dialogs.question import Question
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import METRICS, SAMPLES, STATUS, write_json
from dae_tui.runs.folder.reader import Run

pytestmark = pytest.mark.asyncio
ENDED = "20260130-101500-mnist-dense-77c1"


def chart(driver: Driver) -> str:
    """The part of the screen that holds the loss, without the panels at its right."""
    return "\n".join(line[:40] for line in driver.text().split("\n")[1:8])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
async def test_all_is_seen_at_once(runs_dir: Path, size: tuple[int, int]) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), size) as driver:
        await driver.sees("mnist-autoencoder-3f2a", "running", "epoch 12/30", "1m49s left")
        await driver.sees("━ train", "┅ val", "step 6.6k", "GPU0", "87%", "54°C 612W", "CPU  45%")
        await driver.sees("train 0.01031", "val 0.00909", "val acc. 97.33 %", "val PSNR 20.7 dB")
        await driver.sees("best 0.00909 (12)", "time 1m13s")
        await driver.sees("original 0", "pred. 0", "noisy 9.7 dB", "pred. 8 ✗", "denoised 29.7 dB")
        await driver.sees("image 1", "after step 6,600", "3/3  live", "p pause", "? help")
        screen = driver.app.screen
        shown = [widget.region for widget in screen.query(Lines) if widget.region]
        for region in shown:
            assert screen.region.contains_region(region)
        for one, other in ((a, b) for a in shown for b in shown if a is not b):
            assert not one.overlaps(other)
        first, *_ = screen.query_one(Pictures)._images[0]
        assert first.image.shape[-2:] == (28, 28)


async def test_pause_and_stop_are_asked_of_the_training(runs_dir: Path) -> None:
    control = runs_dir / LIVE / "control.json"
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        await driver.press("p")
        await driver.until(control.exists, "the request")
        assert json.loads(control.read_text())["request"] == "pause"
        await driver.press("s")
        await driver.until(lambda: isinstance(driver.app.screen, Question), "the question")
        await driver.sees(f"Stop {LIVE}?")
        await driver.press("n")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        assert json.loads(control.read_text())["request"] == "pause"
        await driver.press("s")
        await driver.until(lambda: isinstance(driver.app.screen, Question), "the question")
        await driver.press("y")
        await driver.until(lambda: json.loads(control.read_text())["request"] == "stop")


async def test_an_ended_run_is_not_paused_but_goes_on(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[Any, ...]] = []
    monkeypatch.setattr("dae_tui.dashboard.screens.run.detach", lambda *args: begun.append(args))
    run = Run(runs_dir / ENDED)
    async with driving(runs_dir, run, (120, 40)) as driver:
        await driver.press("p")
        await driver.told("there is nothing to pause")
        await driver.press("r")
        await driver.until(lambda: begun, "the start")
    assert begun == [(run, None, [])]


async def test_a_run_that_cannot_go_on_says_why(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RunError("the run has finished its 30 epochs", "go further with --epochs 60")

    monkeypatch.setattr("dae_tui.dashboard.screens.run.detach", refuse)
    async with driving(runs_dir, Run(runs_dir / ENDED), (120, 40)) as driver:
        await driver.press("r")
        await driver.told("has finished its 30 epochs", "--epochs 60")


async def test_scrubbing_through_time(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        await driver.sees("after step 6,600", "3/3  live")
        await driver.press("left")
        await driver.sees("after step 4,400", "2/3", "f: live again")
        await driver.press("home")
        await driver.sees("after step 2,200", "1/3")
        await driver.press("left")
        await driver.sees("after step 2,200")
        await driver.press("right")
        await driver.sees("after step 4,400")
        await driver.press("right")
        await driver.sees("after step 6,600", "live")
        for key in ("f", "end"):
            await driver.press("left")
            await driver.sees("after step 4,400")
            await driver.press(key)
            await driver.sees("after step 6,600", "3/3  live")


async def test_other_digits(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        await driver.sees("image 1/16", "original 0")
        await driver.press("down")
        await driver.sees("image 2/16", "original 1")
        await driver.press("up")
        await driver.press("up")
        await driver.sees("image 16/16")


async def test_nothing_is_awaited_of_a_run_that_has_ended(runs_dir: Path) -> None:
    run = Run(runs_dir / LIVE)
    shutil.rmtree(run.folder / SAMPLES)
    (run.folder / METRICS).unlink()
    async with driving(runs_dir, run) as driver:
        await driver.sees("waiting for the first loss…", "no images yet: they come as it trains")
        write_json(run.folder / STATUS, run.status() | {"state": "stopped"})
        await driver.sees("this run ended before its first loss", "this run kept no images")


async def test_on_a_low_screen_chart_and_images_take_turns(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (40, 12)) as driver:
        await driver.sees("loss, log", "train 0.01031", "val 0.00909", "v: the images")
        assert "▀" not in driver.text()
        for view in ("original 0", "noisy 9.7 dB", "denoised 29.7 dB"):
            await driver.press("v")
            await driver.sees(view, "▀")
        await driver.press("v")
        await driver.sees("loss, log", "v: the images")
        await driver.pilot.resize_terminal(80, 16)
        await driver.sees("loss, log", "GPU0", "val acc. 97.33 %")
        await driver.press("v")
        await driver.sees("original 0", "noisy 9.7 dB", "denoised 29.7 dB")
        await driver.press("v")
        await driver.sees("loss, log")


async def test_the_axis_says_loss_and_log_and_how_it_is_smoothed(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (120, 40)) as driver:
        await driver.sees("loss, log")
        await driver.press("m")
        await driver.sees("loss, log, smoothed 0.7")
        await driver.press("y")
        await driver.sees("loss, linear, smoothed 0.7")


async def test_what_was_measured_stays_behind_what_is_smoothed(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (120, 40)) as driver:
        widget = driver.app.screen.query_one(LossChart)
        await driver.until(lambda: widget._strips)

        def dots(dim: bool) -> int:
            return sum(
                sum("\u2800" < each <= "\u28ff" for each in segment.text)
                for strip in widget._strips
                for segment in strip
                if bool(segment.style and segment.style.dim) is dim
            )

        assert dots(dim=True) == 0
        raw = dots(dim=False)
        await driver.press("m", "m")
        await driver.sees("smoothed 0.93")
        assert dots(dim=True) > 20
        assert 0 < dots(dim=False) <= raw


async def test_a_cursor_reads_every_curve_at_a_step(runs_dir: Path) -> None:
    run = Run(runs_dir / LIVE)
    events = [json.loads(line) for line in (run.folder / METRICS).read_text().splitlines()]
    async with driving(runs_dir, run, (120, 40)) as driver:
        await driver.press("left_parenthesis")
        last = [event for event in events if event["event"] == "step"][-1]
        await driver.sees("step 6,600", f"train {last['loss']:.5g}", "val 0.009")
        await driver.press(*["left_parenthesis"] * 10)
        read = re.compile(r"step ([\d,]+) ━ train ([\d.]+) ┅ val ([\d.]+)")
        await driver.until(lambda: (now := read.search(driver.text())) and now[1] != "6,600")
        found = read.search(driver.text())
        assert found is not None
        step = float(found[1].replace(",", ""))
        steps = {event["step"]: event["loss"] for event in events if event["event"] == "step"}
        nearest = min(steps, key=lambda known: abs(known - step))
        assert float(found[2]) == pytest.approx(steps[nearest], rel=1e-4)
        await driver.press("0")
        await driver.sees("└0  ━ train")


async def test_the_step_of_earlier_images_is_marked_in_the_chart(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (120, 40)) as driver:
        assert "┊" not in driver.text()
        await driver.press("left")
        await driver.sees("after step 4,400", "┊")
        places = {line.index("┊") for line in driver.text().split("\n") if "┊" in line}
        width = driver.app.screen.query_one(LossChart).size.width - 8
        assert places == {8 + round(4400 / 6600 * (width - 1))}
        await driver.press("f")
        await driver.until(lambda: "┊" not in driver.text())


async def test_the_log_is_wrapped_and_scrolled_and_the_images_stay(runs_dir: Path) -> None:
    run = Run(runs_dir / LIVE)
    words = " ".join(f"word{number:02}" for number in range(30))
    lines = [f"2026-01-31 23:59:59 line {number:02} {words}" for number in range(40)]
    (run.folder / "train.log").write_text("\n".join(lines) + "\n")
    async with driving(runs_dir, run) as driver:
        await driver.sees("image 1/16")
        await driver.press("l")
        await driver.sees("line 39", "word00", "word29", "lines 147–160 of 160")
        await driver.press("up", "k", "up")
        await driver.sees("lines 144–157 of 160")
        await driver.press("pageup")
        await driver.sees("lines 131–144 of 160")
        await driver.press("g")
        await driver.sees("line 00", "lines 1–14 of 160")
        with (run.folder / "train.log").open("a") as log:
            log.write("2026-01-31 23:59:59 one more\n")
        await driver.sees("lines 1–14 of 161")
        await driver.press("G")
        await driver.sees("one more")
        await driver.press("l")
        await driver.sees("image 1/16")


async def test_on_a_small_screen_the_log_has_it_for_itself(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (40, 12)) as driver:
        await driver.sees("v: the images")
        await driver.press("l")
        await driver.sees("epoch 0 is over", "epoch 8 is over", "log, lines 1–9 of 9")
        assert "too low" not in driver.text()
        await driver.press("l")
        await driver.sees("loss, log", "v: the images")


async def test_keys_of_images_are_offered_while_there_are_some(runs_dir: Path) -> None:
    def offered(driver: Driver) -> str:
        return driver.text().split("\n")[-1]

    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        await driver.until(lambda: "←→ time  ↑↓ image" in offered(driver))
        await driver.press("l")
        await driver.sees("arrows scroll")
        await driver.until(lambda: "image" not in offered(driver) and "time" not in offered(driver))
        await driver.press("l")
        await driver.until(lambda: "←→ time  ↑↓ image" in offered(driver))
    shutil.rmtree(runs_dir / LIVE / SAMPLES)
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        await driver.sees("no images yet", "M metric")
        assert "time" not in offered(driver)
        assert "image" not in offered(driver)


async def test_a_run_that_has_ended_says_why_and_how_it_goes_on(runs_dir: Path) -> None:
    run = Run(runs_dir / "20260131-091500-mnist-killed-9e9e")
    error = "RuntimeError: CUDA error: an illegal memory access was encountered, and so the end"
    (run.folder / "train.log").write_text(f"2026-01-31 23:59:59 {error}\nsome other line\n")
    state = run.folder / "checkpoints" / "last" / "state.safetensors"
    state.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"__metadata__": {"progress": json.dumps({"epoch": 6, "step": 3300})}})
    state.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    async with driving(runs_dir, run) as driver:
        await driver.sees("crashed: its process is gone", "r resumes it from epoch 6, step 3,300")
        said = " ".join(line.strip() for line in driver.text().split("\n")[1:5])
        assert error in said
        assert "r resume" in driver.text().split("\n")[-1]
        assert "p pause" not in driver.text()
        await driver.press("s")
        await driver.told("is crashed: there is nothing to stop")
        assert isinstance(driver.app.screen, RunScreen)


async def test_a_deleted_run_says_so_and_offers_nothing(runs_dir: Path) -> None:
    run = Run(runs_dir / ENDED)
    async with driving(runs_dir, run, (120, 40)) as driver:
        await driver.sees("finished", "train 0.0", "image 1/16", "val acc. 97")
        shutil.rmtree(run.folder)
        await driver.sees("deleted", "This run was deleted. What is shown was last seen")
        await looks_again(driver)
        await driver.sees("epoch 30/30", "train 0.0", "image 1/16", "val acc. 97")
        assert "crashed" not in driver.text()
        for key in ("r resume", "w weights", "←→ time"):
            assert key not in driver.text()
        for key in ("r", "s", "p"):
            await driver.press(key)
            await driver.told("was deleted: there is nothing to")
            driver.app.clear_notifications()


async def test_the_log_takes_the_place_of_the_digits(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        assert "epoch 8 is over" not in driver.text()
        await driver.press("l")
        await driver.sees("23:59:08 epoch 8 is over")
        assert "▀" not in driver.text()
        await driver.press("l")
        await driver.until(lambda: "▀" in driver.text())


async def test_the_chart_is_scaled_zoomed_moved_and_drawn_otherwise(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        whole = chart(driver)
        assert re.search("[\u2800-\u28ff]", whole)
        for key in ("plus", "equals_sign"):
            await driver.press(key)
            await driver.sees("└3.3k", "step 6.6k")
            await driver.press("less_than_sign")
            await driver.sees("└2.48k", "step 5.78k")
            await driver.press("greater_than_sign")
            await driver.sees("└3.3k", "step 6.6k")
            await driver.press("comma")
            await driver.sees("└2.48k")
            await driver.press("full_stop")
            await driver.press("minus")
            await driver.until(lambda: chart(driver) == whole)
        await driver.press("plus", "plus")
        await driver.press("0")
        await driver.until(lambda: chart(driver) == whole)
        await driver.press("y")
        await driver.sees("0.0819┤", "0.00909┤")
        await driver.press("y")
        await driver.until(lambda: chart(driver) == whole)
        await driver.press("m")
        await driver.until(lambda: chart(driver) != whole)
        await driver.press("m", "m")
        await driver.until(lambda: chart(driver) == whole)
        await driver.press("B")
        await driver.until(lambda: re.search("[▖▗▘▝▙▟]", chart(driver)))
        await driver.press("B")
        await driver.until(lambda: "*" in chart(driver))


async def test_a_narrow_terminal_shows_one_view_at_a_time(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (50, 24)) as driver:
        await driver.sees("original 0")
        await driver.press("v")
        await driver.sees("noisy 9.7 dB")
        assert "original" not in driver.text()


async def test_back_to_the_list(runs_dir: Path) -> None:
    for key in ("escape", "backspace"):
        async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
            await driver.press(key)
            await shows(driver, RunsScreen)


async def test_playing_with_a_run_without_weights_says_so(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (120, 40)) as driver:
        await driver.press("w")
        await driver.until(lambda: isinstance(driver.app.screen, PlaygroundScreen))
        await driver.told("has no weights yet")


async def test_new_lines_and_new_digits_appear(runs_dir: Path) -> None:
    run = Run(runs_dir / LIVE)
    async with driving(runs_dir, run) as driver:
        with (run.folder / "metrics.jsonl").open("a") as metrics:
            metrics.write('{"event": "step", "step": 7000, "loss": 0.009}\n{"event": "step", "st')
        samples = run.folder / "samples"
        (samples / "00006800.npz").write_bytes((samples / "00002200.npz").read_bytes())
        await driver.sees("step 7k", "after step 6,800", "4/4  live")


@pytest.mark.parametrize(
    ("size", "part"),
    [
        ((80, 24), "26×26 of 128×128, z: whole"),
        ((200, 60), "66×62 of 128×128, z: whole"),
        ((50, 24), "after step 10"),
    ],
    ids=str,
)
async def test_crops_of_photographs_are_shown_pixel_by_pixel_in_colour(
    tmp_path: Path, size: tuple[int, int], part: str
) -> None:
    run = photographs_run(tmp_path, "20260131-235959-camera-unet-3f2a", noisy="/somewhere/noisy")
    async with driving(tmp_path, run, size) as driver:
        await driver.sees("clean", "image 1/3", "2/2  live", part)
        assert "pred." not in driver.text()
        assert "digit" not in driver.text()
        if size[0] > 60:
            await driver.sees("noisy 28", "denoised 3", "train 0.00400", "val PSNR 33.7 dB")
            assert "denoised –" not in driver.text()
        await driver.press("left")
        await driver.sees("after step 5", "1/2")
        await driver.press("down")
        await driver.sees("image 2/3")
        pictures = driver.app.screen.query_one(Pictures)
        assert pictures._images[0][0].image.shape == (3, 128, 128)
        await driver.press("z")
        await driver.until(lambda: pictures.whole)
        await driver.pilot.pause()
        assert driver.app.screen.region.contains_region(pictures.region)


async def test_what_is_said_of_crops_follows_their_room(tmp_path: Path) -> None:
    """Also where it changes by itself, as on a busy machine, long after the screen's size."""
    run = photographs_run(tmp_path, "20260131-235959-camera-unet-3f2a")
    async with driving(tmp_path, run) as driver:
        await driver.sees("26×26 of 128×128")
        screen = driver.app.screen
        assert isinstance(screen, RunScreen)
        driver.app.refresh_seconds = 600
        before = screen.looks
        await driver.until(lambda: screen.looks > before and screen.settled, "the last look")
        screen.query_one(Pictures).styles.height = 10
        await driver.sees("26×18 of 128×128")


async def test_the_log_in_place_of_crops_says_nothing_of_their_size(tmp_path: Path) -> None:
    run = photographs_run(tmp_path, "20260131-235959-camera-unet-3f2a")
    async with driving(tmp_path, run) as driver:
        await driver.sees("26×26 of 128×128")
        await driver.press("l")
        await driver.until(lambda: "of 128×128" not in driver.text())
        await driver.press("l")
        await driver.sees("26×26 of 128×128")


async def test_true_colours_are_offered_where_there_are_256(tmp_path: Path) -> None:
    run = photographs_run(tmp_path, "20260131-235959-camera-unet-3f2a")
    async with driving(tmp_path, run, (120, 40)) as driver:
        await driver.sees("F3: true colours")
        await driver.press("f3")
        await driver.until(lambda: "F3: true colours" not in driver.text())


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_a_loss_against_noisy_images_is_named_so(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    run = photographs_run(tmp_path, "20260131-235959-takes-unet-3f2a", supervision="noise2noise")
    async with driving(tmp_path, run, size) as driver:
        await driver.sees("noisy loss 0.00400", "val 0.00300", "noisy PSNR 33.7 dB", "other take")
        await driver.sees("noisy loss, log")
        legend = next(line for line in driver.text().split("\n") if "└" in line)
        assert "train" in legend
        assert "val" in legend
        captions = next(line for line in driver.text().split("\n") if "other take" in line)
        assert "dB" not in captions


async def test_of_noisy_images_alone_there_are_two_views(tmp_path: Path) -> None:
    run = photographs_run(tmp_path, "20260131-235959-alone-unet-3f2a", supervision="noise2self")
    async with driving(tmp_path, run) as driver:
        await driver.sees("noisy", "denoised", "39×26 of 128×128", "noisy loss 0.00400")
        assert "original" not in driver.text()
        assert "clean" not in driver.text()


def is_seen(driver: Driver, pattern: str) -> bool:
    return bool(re.search(pattern, driver.text()))


async def test_the_chart_shows_other_metrics_over_steps_epochs_or_time(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        of_devices = ("use, %", "GPU memory, GiB", "GPU power, W")
        of_training = ("val PSNR, dB", "val accuracy, %", "learning rate", "images/s")
        for title in (*of_training, *of_devices, "loss, log"):
            await driver.press("M")
            await driver.sees(title)
        for key, below in (
            ("X", r"━ train .* epoch 12 "),
            ("left_parenthesis", r"\nepoch 12 ━"),
            ("X", r"━ train .* time \d"),
            ("X", r"━ train .* step 6.6k"),
        ):
            await driver.press(key)
            await driver.until(partial(is_seen, driver, below), below)


async def test_a_large_screen_has_charts_of_all_metrics(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (200, 60)) as driver:
        await driver.sees("val PSNR, dB", "val accuracy, %", "learning rate", "images/s")
        await driver.sees("use, %", "GPU memory, GiB", "GPU power, W")
        assert "learn…" not in driver.text()  # The name of a line is whole, or only in the title.
        await driver.press("left_parenthesis")
        await driver.sees("PSNR 20.733", "accuracy 97.333", "━ 0.0008", "━ 82 ━ 30", "GPU 0 580")


def shown(driver: Driver) -> RunScreen:
    assert isinstance(driver.app.screen, RunScreen)
    return driver.app.screen


async def test_the_next_run_is_opened_without_going_back(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("o", "enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        among = shown(driver)._among
        first = shown(driver).run_shown
        place = among.index(first)
        await driver.press("right_square_bracket")
        await driver.until(lambda: shown(driver).run_shown == among[place + 1])
        await driver.press("left_square_bracket", "left_square_bracket")
        if place == 0:
            await driver.told("there is no run before")
        await driver.press("escape")
        await driver.until(lambda: not isinstance(driver.app.screen, RunScreen))


async def test_a_size_that_comes_when_all_is_over_is_let_go(tmp_path: Path) -> None:
    """As where someone quits while the terminal changes: widgets are gone one after the other."""
    run = photographs_run(tmp_path, "20260131-235959-camera-unet-3f2a")
    async with driving(tmp_path, run) as driver:
        screen = driver.app.screen
        assert isinstance(screen, RunScreen)
        await driver.sees("26×26 of 128×128")
        driver.app.exit()
        await screen.query_one("#side").remove()
        screen.on_resize()
        await screen.query_one(Pictures).remove()
        screen._show_pictures()
