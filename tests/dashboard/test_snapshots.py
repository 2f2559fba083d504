"""What the screens look like, as pictures: look at them when they change.

`pytest tests/dashboard/test_snapshots.py --snapshot-update` makes them anew.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dashboard_example import (
    LIVE,
    EightGpus,
    FakeMonitor,
    compressions,
    example_result,
    photographs_run,
    sweep_runs,
)
from fake_ssh import FakeSsh
from textual.pilot import Pilot

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.dashboard.themes import Theme
from dae_tui.devices.reading import Reading
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.places import Places
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.host_watch import HostState, HostWatch
from dae_tui.terminal.graphics import Graphics

SIZES = [(80, 24), (120, 40)]
EVERY_SIZE = [(40, 12), (60, 20), *SIZES, (200, 60)]
# Most screens are drawn at two sizes each time, and at the others with the slow tests.
AND_SLOWLY = [
    size if size in SIZES else pytest.param(size, marks=pytest.mark.slow) for size in EVERY_SIZE
]
SMALL_AND_LARGE = (SIZES[0], EVERY_SIZE[-1])
AND_SLOWLY_BETWEEN = [
    size if size in SMALL_AND_LARGE else pytest.param(size, marks=pytest.mark.slow)
    for size in EVERY_SIZE
]
Compare = Callable[..., bool]
REFUSED = "ssh: connect to host gpu2 port 22: Connection refused"


@pytest.fixture(autouse=True)
def _messages_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that vanish after seconds would be in the picture of a quick machine only."""
    notify = DashboardApp.notify

    def notify_for_long(app: DashboardApp, *words: Any, timeout: float = 0, **how: Any) -> None:
        notify(app, *words, timeout=600, **how)

    monkeypatch.setattr(DashboardApp, "notify", notify_for_long)


def dashboard(
    runs_dir: Path, *, live: bool = False, name: str = "", **options: Any
) -> DashboardApp:
    graphics = options.pop("graphics", Graphics.COLORS_256)
    run = Run(runs_dir / (name or LIVE)) if live or name else None
    # One look: histories of several would grow with the time that a machine takes.
    return DashboardApp(
        runs_dir,
        Path("data"),
        graphics,
        run=run,
        refresh_seconds=600,
        monitor=options.pop("monitor", None) or FakeMonitor({}),
        **options,
    )


async def settle(pilot: Pilot[None]) -> None:
    """Wait until the screen has shown its first look, and what came of it."""
    deadline = time.monotonic() + 20
    still = 0
    while still < 5:
        assert time.monotonic() < deadline
        await pilot.pause(0.05)
        screen = pilot.app.screen
        still = still + 1 if not isinstance(screen, LiveScreen) or screen.settled else 0
        rest = getattr(screen, "_rest", None)
        still = 0 if rest is not None and rest._task and not rest._task.done() else still


def press(*keys: str) -> Callable[[Pilot[None]], Any]:
    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)

    return act


@pytest.mark.parametrize("size", EVERY_SIZE, ids=str)
def test_a_run(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    assert snap_compare(dashboard(runs_dir, live=True), terminal_size=size, run_before=settle)


@pytest.mark.parametrize("graphics", [Graphics.COLORS_256, Graphics.TRUECOLOR], ids=str)
@pytest.mark.parametrize("size", AND_SLOWLY_BETWEEN, ids=str)
def test_a_run_on_photographs(
    snap_compare: Compare, runs_dir: Path, size: tuple[int, int], graphics: Graphics
) -> None:
    name = "20260131-235959-camera-unet-3f2a"
    run = photographs_run(runs_dir, name, supervision="noise2noise")
    app = DashboardApp(
        runs_dir, Path("data"), graphics, run=run, refresh_seconds=600, monitor=FakeMonitor({})
    )
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", EVERY_SIZE, ids=str)
def test_the_list_of_runs(
    snap_compare: Compare,
    runs_dir: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The clock, and which lines are glanced at: the times in them have more digits or fewer.
    monkeypatch.setattr("dae_tui.dashboard.run_list.run_columns.age", lambda _: "2 h")
    monkeypatch.setattr("dae_tui.dashboard.run_list.run_columns._curve", lambda *_: "█▅▃▂▂▁▁▁▁▁")
    assert snap_compare(dashboard(runs_dir), terminal_size=size, run_before=press("space"))


@pytest.mark.parametrize("size", AND_SLOWLY_BETWEEN, ids=str)
def test_a_slow_host_and_a_lost_one(
    snap_compare: Compare,
    runs_dir: Path,
    tmp_path: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeSsh(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    for host in ("gpu1", "gpu2"):
        name = f"20260131-220000-mnist-{host}-00a1"
        shutil.copytree(runs_dir / "20260130-101500-mnist-dense-77c1", tmp_path / host / name)
    # What changes from second to second.
    monkeypatch.setattr("dae_tui.dashboard.run_list.run_columns.age", lambda _: "2 h")
    monkeypatch.setattr("dae_tui.dashboard.run_list.run_columns._curve", lambda *_: "█▅▃▂▂▁▁▁▁▁")
    monkeypatch.setattr("dae_tui.runs.ssh_hosts.host_watch.age", lambda _: "12 s")
    there = [Address(host, f"~/{host}") for host in ("gpu1", "gpu2")]
    places = Places([runs_dir, *there], cache=tmp_path / "cache")
    places.read_now()
    # Both are read once, and then one is slow and one lost.
    states = {
        "gpu1": HostState("gpu1", connected=True, since=0.0, owed_since=0.0),
        "gpu2": HostState("gpu2", connected=False, since=0.0, reason=REFUSED),
    }
    monkeypatch.setattr(HostWatch, "start", lambda _: None)
    monkeypatch.setattr(
        HostWatch, "state", property(lambda watch: states[watch.folders[0].address.host])
    )
    app = dashboard(runs_dir, places=places)
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_a_run_that_crashed(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    app = dashboard(runs_dir, name="20260131-091500-mnist-killed-9e9e")
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_a_smoothed_chart_with_a_cursor(
    snap_compare: Compare, runs_dir: Path, size: tuple[int, int]
) -> None:
    keys = ("m", "m", *["left_parenthesis"] * 9, "left")
    app = dashboard(runs_dir, live=True)
    assert snap_compare(app, terminal_size=size, run_before=press(*keys))


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_comparing(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    assert snap_compare(dashboard(runs_dir), terminal_size=size, run_before=press("3"))


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_comparing_compressions(
    snap_compare: Compare, runs_dir: Path, size: tuple[int, int]
) -> None:
    compressions(runs_dir)
    app = dashboard(runs_dir)
    assert snap_compare(app, terminal_size=size, run_before=press("3", "C"))


@pytest.mark.parametrize("size", EVERY_SIZE, ids=str)
def test_a_group(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    sweep_runs(tmp_path)
    app = dashboard(tmp_path)
    assert snap_compare(app, terminal_size=size, run_before=press("S"))


@pytest.mark.parametrize("size", AND_SLOWLY_BETWEEN, ids=str)
def test_a_group_as_lines(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    sweep_runs(tmp_path)
    app = dashboard(tmp_path)
    assert snap_compare(app, terminal_size=size, run_before=press("S", "v", "down"))


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_the_playground(
    snap_compare: Compare,
    runs_dir: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A look of its own making: what a network makes of noise differs in the last bit between CPUs.
    monkeypatch.setattr("dae_tui.core.playground.Playground.use", lambda *_: None)
    monkeypatch.setattr("dae_tui.core.playground.Playground.result", lambda *_: example_result())

    async def play(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("2")
        deadline = time.monotonic() + 60
        while not (isinstance(pilot.app.screen, PlaygroundScreen) and pilot.app.screen.shown):
            assert time.monotonic() < deadline
            await pilot.pause(0.05)
        await settle(pilot)

    assert snap_compare(dashboard(runs_dir), terminal_size=size, run_before=play)


@pytest.mark.parametrize("size", AND_SLOWLY_BETWEEN, ids=str)
def test_the_machine(
    snap_compare: Compare,
    runs_dir: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gib = Reading(2.0**30)
    monkeypatch.setattr("dae_tui.dashboard.screens.machine._disk", lambda _: (gib, gib))
    assert snap_compare(dashboard(runs_dir), terminal_size=size, run_before=press("4"))


@pytest.mark.parametrize("screen", ["machine", "run"])
@pytest.mark.parametrize("size", AND_SLOWLY_BETWEEN, ids=str)
def test_a_gpu_that_was_lost(
    snap_compare: Compare,
    runs_dir: Path,
    size: tuple[int, int],
    screen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gib = Reading(2.0**30)
    monkeypatch.setattr("dae_tui.dashboard.screens.machine._disk", lambda _: (gib, gib))
    monkeypatch.setattr("time.localtime", time.gmtime)

    async def look_twice(pilot: Pilot[None]) -> None:
        await press(*("4" if screen == "machine" else ""))(pilot)
        shown = pilot.app.screen
        assert isinstance(shown, LiveScreen)
        shown.look_soon()
        await settle(pilot)

    app = dashboard(runs_dir, live=screen == "run", monitor=EightGpus())
    assert snap_compare(app, terminal_size=size, run_before=look_twice)


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_a_new_run(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    assert snap_compare(dashboard(runs_dir), terminal_size=size, run_before=press("n"))


@pytest.mark.parametrize("size", AND_SLOWLY, ids=str)
def test_the_keys(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    app = dashboard(runs_dir, live=True)
    assert snap_compare(app, terminal_size=size, run_before=press("question_mark"))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_light_theme(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    app = dashboard(runs_dir, live=True, theme=Theme.LIGHT)
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_colour(
    snap_compare: Compare,
    runs_dir: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = dashboard(runs_dir, live=True, graphics=Graphics.SHADES)
    assert snap_compare(app, terminal_size=size, run_before=settle)


def test_no_runs_say_what_to_do(
    snap_compare: Compare, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAE_RUNS", "none")  # Else its path, which is another at every run.
    app = dashboard(Path("none"))
    assert snap_compare(app, terminal_size=(80, 24), run_before=settle)
