"""Runs that are broken, deleted or killed, and names that would confuse a terminal."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard_driver import driving, looks_again
from dashboard_example import LIVE

from dae_tui.dashboard.context import OpenRun
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.runs.folder.layout import CONFIG, CONTROL, LOCK, LOG, META, METRICS, SAMPLES, STATUS
from dae_tui.runs.folder.reader import Run
from dae_tui.system.printable import printable

pytestmark = pytest.mark.asyncio
FILES = (CONFIG, META, STATUS, METRICS, LOG, CONTROL, LOCK)
ENDED = "20260130-101500-mnist-dense-77c1"
KILLED_SOON = """
import sys, time
from pathlib import Path
from dae_tui.dashboard.context import OpenRun
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.writer import RunWriter
with RunWriter(Path(sys.argv[1])) as writer:
    writer.describe({"network": "autoencoder", "epochs": 9}, {})
    writer.status(State.RUNNING, epoch=3)
    print("under way", flush=True)
    time.sleep(600)
"""


def copies(runs_dir: Path, count: int, name: str = ENDED) -> list[Run]:
    """Runs to be broken: broken-0000, broken-0001, …"""
    runs = [Run(runs_dir / f"20260301-000000-broken-{number:04}") for number in range(count)]
    for run in runs:
        shutil.copytree(runs_dir / name, run.folder)
    return runs


async def survive(runs_dir: Path, states: Mapping[Run, str]) -> None:
    """The list and each run's own screen show them and their states, with either scale."""
    async with driving(runs_dir, size=(120, 40)) as driver:
        await driver.sees(f"{5 + len(states)} runs")
        for run, state in states.items():
            driver.app.post_message(OpenRun(run))
            await driver.sees("GPU0", f"{run.name[16:]}  {state}")
            await driver.press("y", "m", "left")
            await looks_again(driver)
            screen = driver.app.screen
            assert isinstance(screen, RunScreen)
            assert screen.run_shown == run
        await driver.press("escape")
        await driver.sees(f"{5 + len(states)} runs")
        lines = driver.text().split("\n")
        for run, state in states.items():
            line = next(line for line in lines if line[:58].strip(" *").startswith(run.name[16:]))
            assert state in line


async def test_garbage_in_every_file(runs_dir: Path) -> None:
    every = (b"", b"\xff\0[{" * 99, b'[1, "a"]\n', b"{}\n" * 9)
    runs = copies(runs_dir, len(every))
    for run, garbage in zip(runs, every, strict=True):
        for name in FILES:
            (run.folder / name).write_bytes(garbage)
        for sample in (run.folder / SAMPLES).iterdir():
            sample.write_bytes(garbage)
    await survive(runs_dir, dict.fromkeys(runs, "crashed"))


@pytest.mark.slow
async def test_values_of_the_wrong_kind(runs_dir: Path) -> None:
    run = Run(runs_dir / ENDED)
    known = {name: json.loads((run.folder / name).read_text()) for name in (CONFIG, META, STATUS)}
    wrongs: tuple[Any, ...] = (None, [], {}, "x", True, -1, 1e308, 10**400)
    for shown in (run, None):
        async with driving(runs_dir, shown, (200, 60)) as driver:
            for wrong in wrongs:
                for name, values in known.items():
                    text = json.dumps(dict.fromkeys(values, wrong) | {"state": "failed"})
                    (run.folder / name).write_text(text)
                await looks_again(driver)
            await driver.sees("mnist-dense-77c1", "failed")


@pytest.mark.slow
async def test_a_missing_file(runs_dir: Path) -> None:
    names = (*FILES, SAMPLES, "checkpoints")
    states = {}
    for run, missing in zip(copies(runs_dir, len(names)), names, strict=True):
        with suppress(FileNotFoundError):
            path = run.folder / missing
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        states[run] = "crashed" if missing == STATUS else "finished"
    await survive(runs_dir, states)


async def test_a_line_that_is_half_written_is_read_when_it_is_whole(runs_dir: Path) -> None:
    run = Run(runs_dir / LIVE)
    async with driving(runs_dir, run) as driver:
        await driver.sees("step 6.6k")
        with (run.folder / METRICS).open("a") as metrics:
            metrics.write('{"event": "step", "step": 9000, "lo')
            metrics.flush()
            await looks_again(driver)
            await driver.sees("step 6.6k")
            metrics.write('ss": 0.01}\n')
            metrics.flush()
            await driver.sees("step 9k")


LOSSES: tuple[list[float | str | None], ...] = (
    [None, "NaN", None],
    [0.1, 0.05, None],
    [0.1, None, 0.1, None, 0.1],
    [0.0, -0.5, -1.0],
    [0.0, 0.0],
    [0.25, 0.25, 0.25],
    [1.7e308, 1.7e308, 1.7e308],
    [1.7e308, -1.7e308, 1e308, 1e-320],
    [0.5],
    [1e17, 1e17],  # A twentieth more is the same.
)


@pytest.mark.slow
async def test_losses_that_are_no_curve(runs_dir: Path) -> None:
    runs = copies(runs_dir, len(LOSSES))
    for run, losses in zip(runs, LOSSES, strict=True):
        events = [
            {"event": event, "step": step, name: loss}
            for step, loss in enumerate(losses)
            for event, name in (("step", "loss"), ("validation", "val_loss"))
        ]
        (run.folder / METRICS).write_text("".join(json.dumps(event) + "\n" for event in events))
    await survive(runs_dir, dict.fromkeys(runs, "finished"))


def pack(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


PIXELS = np.zeros((2, 1, 28, 28), np.uint8)
SAMPLE_FILES: tuple[Callable[[Path], object], ...] = (
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:700]),
    pack(original=PIXELS),
    pack(original=PIXELS[:0], noisy=PIXELS[:0], denoised=PIXELS[:0]),
    pack(original=PIXELS, noisy=PIXELS[..., :9], denoised=PIXELS),
    lambda path: np.savez(path, original=np.array([{}, []], object)),
    become_a_folder,
)


@pytest.mark.slow
async def test_broken_digits_say_why(runs_dir: Path) -> None:
    whole = (runs_dir / LIVE / SAMPLES / "00006600.npz").read_bytes()
    runs = copies(runs_dir, len(SAMPLE_FILES), LIVE)
    async with driving(runs_dir) as driver:
        for run, write in zip(runs, SAMPLE_FILES, strict=True):
            newest = run.folder / SAMPLES / "00006600.npz"
            write(newest)
            driver.app.post_message(OpenRun(run))
            await driver.sees(run.name[16:], "00006600.npz", "3/3")
            assert "▀" not in driver.text()
            await driver.press("left")
            await driver.sees("original 0", "2/3")
            await driver.press("right")
            await driver.sees("00006600.npz")
            if newest.is_file():  # Not yet whole, on a network file system: it is looked at again.
                newest.write_bytes(whole)
                await driver.sees("original 0", "3/3")


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 3, 300, 200), (2, 1, 27, 13)], ids=str)
async def test_digits_of_any_size(runs_dir: Path, shape: tuple[int, ...]) -> None:
    run = Run(runs_dir / LIVE)
    pixels = np.full(shape, 99, np.uint8)
    np.savez(run.folder / SAMPLES / "00009900.npz", original=pixels, noisy=pixels, denoised=pixels)
    async with driving(runs_dir, run) as driver:
        for size in ((80, 24), (50, 24), (200, 60)):
            await driver.pilot.resize_terminal(*size)
            await looks_again(driver)
            await driver.sees("after step 9,900", "▀")


@pytest.mark.slow
async def test_a_run_that_is_deleted_while_it_is_watched(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / ENDED), (120, 40)) as driver:
        await driver.sees("finished")
        shutil.rmtree(runs_dir / ENDED)
        await driver.sees("mnist-dense-77c1  deleted")
        await driver.told(f"{ENDED} was deleted")
        for key in ("p", "r", "left", "l", "y"):
            await driver.press(key)
        await looks_again(driver)
        # It did not crash: that a folder which is gone has no status.json says nothing.
        assert "crashed" not in driver.text().partition("\n")[0]
        assert "status.json" not in driver.text().partition("\n")[0]
        await driver.press("escape")
        await driver.sees("4 runs")
        assert "dense-77c1" not in driver.text()


async def test_a_run_that_is_deleted_while_it_is_listed(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.sees("5 runs", "mnist-dense-77c1")
        shutil.rmtree(runs_dir / ENDED)
        await driver.sees("4 runs")
        assert "dense-77c1" not in driver.text()


@pytest.mark.parametrize("open_it", [False, True])
async def test_a_killed_training_has_crashed_within_seconds(tmp_path: Path, open_it: bool) -> None:
    run = Run(tmp_path / "20260131-235959-killed-3f2a")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_SOON, str(run.folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        async with driving(tmp_path, run if open_it else None) as driver:
            await driver.sees("killed-3f2a", "running", "3/9")
            os.kill(process.pid, signal.SIGKILL)
            killed = time.monotonic()
            await driver.sees("killed-3f2a", "crashed")
            assert time.monotonic() - killed < 5
            if open_it:
                await driver.sees("its process is gone")
    finally:
        process.kill()
        process.communicate()


MARKUP, ESCAPES, SURROGATE, CONTROLS, WIDE = (
    "[red]x[/b]",
    "\x1b[31mred\x1b[2J",
    "\ud83dx",
    "a\nb\tc\r\x07",
    "字" * 9,
)


def assert_plain(text: str) -> None:
    """It can be sent to a terminal, and moves no cursor."""
    text.encode()
    assert not any(ord(character) < 32 for character in text.replace("\n", ""))


@pytest.mark.slow
async def test_words_that_would_confuse_a_terminal(runs_dir: Path) -> None:
    every = (MARKUP, ESCAPES, SURROGATE, CONTROLS, WIDE)
    runs = copies(runs_dir, len(every))
    for run, words in zip(runs, every, strict=True):
        texts = {"network": words, "data": words, "noise": words, "epochs": 30}
        (run.folder / CONFIG).write_text(json.dumps(texts))
        (run.folder / META).write_text(json.dumps({"device": words}))
        status = json.loads((run.folder / STATUS).read_text()) | {
            "state": "failed",
            "reason": words,
            "precision": words,
        }
        (run.folder / STATUS).write_text(json.dumps(status))
        log = f"2026-01-31 23:59:59 {words}\n".encode(errors="surrogatepass")
        (run.folder / LOG).write_bytes(log)
    async with driving(runs_dir, size=(200, 60)) as driver:
        await driver.press("v")  # The list alone, which then has every column.
        await driver.sees("10 runs", "broken-0000", "broken-0004", "reason")
        listed = driver.text()
        assert_plain(listed)
        assert listed.count("\n") == 59
        for run, words in zip(runs, every, strict=True):
            shown = printable(words).strip()
            (line,) = (line for line in listed.split("\n") if run.name[16:] in line)
            assert "failed" in line
            assert shown in line
            driver.app.post_message(OpenRun(run))
            await driver.sees("GPU0", f"{run.name[16:]}  failed", shown)
            assert_plain(driver.text())
            assert driver.text().count("\n") == 59


@pytest.mark.slow
async def test_names_that_would_confuse_a_terminal(runs_dir: Path) -> None:
    labels = (b"[red]x[", b"[b", b"a\x1b[31mb", b"a\xffb")
    runs = [Run(runs_dir / f"20260601-000000-{os.fsdecode(label)}-0001") for label in labels]
    for run in runs:
        shutil.copytree(runs_dir / ENDED, run.folder)
    async with driving(runs_dir) as driver:
        for gone in range(len(runs)):
            await driver.sees(f"{5 + len(runs) - gone} runs")
            assert_plain(driver.text())
            await driver.press("home", "space", "home", "x")
            await driver.sees("Delete")
            await driver.press("n", "question_mark")
            await driver.sees("Keys of")
            driver.app.clear_notifications()
            await driver.press("escape", "p")
            await driver.told("nothing to pause")
            await driver.press("enter")
            await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
            await looks_again(driver)
            await driver.press("question_mark")
            await driver.sees("Keys of")
            await driver.press("escape")
            screen = driver.app.screen
            assert isinstance(screen, RunScreen)
            assert screen.run_shown in runs
            shutil.rmtree(screen.run_shown.folder)
            await driver.sees("deleted")
            await driver.told("was deleted")
            for notice in driver.app._notifications:
                assert not notice.markup
                assert notice.message.replace("\n", "").isprintable()
            assert_plain(driver.text())
            await driver.press("escape")
