"""Runs that are broken, deleted or killed, and names that would confuse a terminal."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from dashboard_driver import Driver, driving
from dashboard_example import LIVE

from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.runs.layout import CONFIG, CONTROL, LOCK, LOG, META, METRICS, SAMPLES, STATUS
from dae_tui.runs.reader import Run

pytestmark = pytest.mark.asyncio
FILES = (CONFIG, META, STATUS, METRICS, LOG, CONTROL, LOCK)
ENDED = "20260130-101500-mnist-dense-77c1"
KILLED_SOON = """
import sys, time
from pathlib import Path
from dae_tui.runs.layout import State
from dae_tui.runs.writer import RunWriter
with RunWriter(Path(sys.argv[1])) as writer:
    writer.describe({"network": "autoencoder", "epochs": 9}, {})
    writer.status(State.RUNNING, epoch=3)
    print("under way", flush=True)
    time.sleep(600)
"""


async def looks_again(driver: Driver) -> None:
    """Wait for a look that began after now."""
    before = driver.app.screen.looks  # type: ignore[attr-defined]
    await driver.until(lambda: driver.app.screen.looks > before + 1, "two looks")  # type: ignore[attr-defined]


async def survives(runs_dir: Path, run: Run, *words: str) -> None:
    """The run's own screen and the list show it, with either scale."""
    async with driving(runs_dir, run, (120, 40)) as driver:
        await driver.sees("GPU0", *words)
        await driver.press("y", "m", "left")
        await looks_again(driver)
        assert isinstance(driver.app.screen, RunScreen)
        await driver.press("escape")
        await driver.sees("5 runs", "mnist-dense-77c1", *words)


@pytest.mark.parametrize("garbage", [b"", b"\xff\0[{" * 99, b'[1, "a"]\n', b"{}\n" * 9])
async def test_garbage_in_every_file(runs_dir: Path, garbage: bytes) -> None:
    run = Run(runs_dir / ENDED)
    for name in FILES:
        (run.folder / name).write_bytes(garbage)
    for sample in (run.folder / SAMPLES).iterdir():
        sample.write_bytes(garbage)
    await survives(runs_dir, run, "crashed")


async def test_values_of_the_wrong_kind(runs_dir: Path) -> None:
    run = Run(runs_dir / ENDED)
    known = {name: json.loads((run.folder / name).read_text()) for name in (CONFIG, META, STATUS)}
    for shown in (run, None):
        async with driving(runs_dir, shown, (200, 60)) as driver:
            for wrong in (None, [], {}, "x", True, -1, 1e308, 10**400):
                for name, values in known.items():
                    text = json.dumps(dict.fromkeys(values, wrong) | {"state": "failed"})
                    (run.folder / name).write_text(text)
                await looks_again(driver)
            await driver.sees("mnist-dense-77c1", "failed")


@pytest.mark.parametrize("missing", [*FILES, SAMPLES, "checkpoints"])
async def test_a_missing_file(runs_dir: Path, missing: str) -> None:
    run = Run(runs_dir / ENDED)
    with suppress(FileNotFoundError):
        path = run.folder / missing
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    await survives(runs_dir, run, "crashed" if missing == STATUS else "finished")


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


LOSSES = {
    "none that is finite": [None, "NaN", None],
    "the last is not": [0.1, 0.05, None],
    "every second is not": [0.1, None, 0.1, None, 0.1],
    "none is positive": [0.0, -0.5, -1.0],
    "all are zero": [0.0, 0.0],
    "all are the same": [0.25, 0.25, 0.25],
    "all are beyond all measure": [1.7e308, 1.7e308, 1.7e308],
    "some are beyond all measure": [1.7e308, -1.7e308, 1e308, 1e-320],
    "one alone": [0.5],
    "so large that a twentieth more is the same": [1e17, 1e17],
}


@pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES)
async def test_losses_that_are_no_curve(runs_dir: Path, losses: list[float | None]) -> None:
    run = Run(runs_dir / ENDED)
    events = [
        {"event": event, "step": step, name: loss}
        for step, loss in enumerate(losses)
        for event, name in (("step", "loss"), ("validation", "val_loss"))
    ]
    (run.folder / METRICS).write_text("".join(json.dumps(event) + "\n" for event in events))
    await survives(runs_dir, run, "finished")


def pack(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


PIXELS = np.zeros((2, 1, 28, 28), np.uint8)
SAMPLE_FILES = {
    "nothing": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[:700]),
    "one view": pack(original=PIXELS),
    "no digits": pack(original=PIXELS[:0], noisy=PIXELS[:0], denoised=PIXELS[:0]),
    "two sizes": pack(original=PIXELS, noisy=PIXELS[..., :9], denoised=PIXELS),
    "objects": lambda path: np.savez(path, original=np.array([{}, []], object)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("write", SAMPLE_FILES.values(), ids=SAMPLE_FILES)
async def test_broken_digits_say_why(runs_dir: Path, write: Callable[[Path], object]) -> None:
    run = Run(runs_dir / LIVE)
    newest = run.folder / SAMPLES / "00006600.npz"
    whole = newest.read_bytes()
    write(newest)
    async with driving(runs_dir, run) as driver:
        await driver.sees("00006600.npz", "3/3")
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
    for size in ((80, 24), (50, 24), (200, 60)):
        async with driving(runs_dir, run, size) as driver:
            await driver.sees("after step 9,900", "▀")


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


async def test_a_run_that_is_deleted_is_no_longer_marked(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("end", "space", "end", "x", "y")
        await driver.sees("4 runs")
        await driver.until(lambda: "marked" not in driver.text())
        assert not (runs_dir / ENDED).exists()


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


@pytest.mark.parametrize("words", [MARKUP, ESCAPES, SURROGATE, CONTROLS, WIDE], ids=ascii)
async def test_words_that_would_confuse_a_terminal(runs_dir: Path, words: str) -> None:
    run = Run(runs_dir / ENDED)
    texts = {"network": words, "data": words, "noise": words, "epochs": 30}
    (run.folder / CONFIG).write_text(json.dumps(texts))
    (run.folder / META).write_text(json.dumps({"device": words}))
    status = json.loads((run.folder / STATUS).read_text()) | {
        "state": "failed",
        "reason": words,
        "precision": words,
    }
    (run.folder / STATUS).write_text(json.dumps(status))
    (run.folder / LOG).write_bytes(f"2026-01-31 23:59:59 {words}\n".encode(errors="surrogatepass"))
    for shown in (None, run):
        async with driving(runs_dir, shown, (200, 60)) as driver:
            await driver.sees("mnist-dense-77c1", "failed")
            text = driver.text()
            text.encode()
            assert not any(ord(character) < 32 for character in text.replace("\n", ""))
            assert text.count("\n") == 59
            assert "".join(c if c.isprintable() else " " for c in words).strip() in text


@pytest.mark.parametrize("label", [b"[red]x[", b"[b", b"a\x1b[31mb", b"a\xffb"], ids=ascii)
async def test_names_that_would_confuse_a_terminal(runs_dir: Path, label: bytes) -> None:
    run = Run(runs_dir / f"20260601-000000-{os.fsdecode(label)}-0001")
    shutil.copytree(runs_dir / ENDED, run.folder)
    async with driving(runs_dir) as driver:
        await driver.sees("6 runs")
        await driver.press("space", "home", "x")
        await driver.sees("Delete")
        await driver.press("n", "question_mark")
        await driver.sees("Keys of")
        await driver.press("escape", "p")
        await driver.told("nothing to pause")
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        await looks_again(driver)
        await driver.press("question_mark")
        await driver.sees("Keys of")
        await driver.press("escape")
        shutil.rmtree(run.folder)
        await driver.sees("deleted")
        await driver.told("was deleted")
        for notice in driver.app._notifications:
            assert not notice.markup
            assert notice.message.replace("\n", "").isprintable()
        text = driver.text()
        text.encode()
        assert not any(ord(character) < 32 for character in text.replace("\n", ""))


async def test_a_folder_of_runs_that_is_not_there_or_a_file(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        async with driving(folder, size=(100, 24)) as driver:
            await driver.sees("0 runs", f"No runs in {folder} yet", "dae train --data digits")
            await driver.press("enter", "space", "p", "s", "x", "o", "end", "home")
            await looks_again(driver)
            assert isinstance(driver.app.screen, RunsScreen)
