"""The form that starts a training."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static

from dae_tui.blocks import Graphics
from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens import new_run
from dae_tui.dashboard.screens.help import Help
from dae_tui.dashboard.screens.new_run import Choice, NewRunScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.training_form import FieldError, defaults, read_form
from dae_tui.errors import RunError
from dae_tui.runs.layout import CONFIG, STATUS, write_json
from dae_tui.runs.reader import Run

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def form(tmp_path: Path) -> AsyncIterator[tuple[Pilot[None], NewRunScreen]]:
    """The form at 80×24, opened as a person opens it."""
    app = DashboardApp(tmp_path / "runs", tmp_path / "data", Graphics.COLORS_256)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert isinstance(app.screen, NewRunScreen)
        screen = app.screen
        await until(pilot, lambda: command(screen) != "")
        yield pilot, screen


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await pilot.pause(0.05)


def text(screen: NewRunScreen, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


def command(screen: NewRunScreen) -> str:
    return text(screen, "#command")


def value(screen: NewRunScreen, key: str) -> str:
    field = screen.query_one(f"#{key}")
    assert isinstance(field, Input | Choice)
    return str(field.value)


async def fill(pilot: Pilot[None], screen: NewRunScreen, key: str, typed: str) -> None:
    """Type into a field in place of what it holds."""
    screen.query_one(f"#{key}", Input).focus()
    await pilot.press("home", "shift+end", "delete", *[NAMED.get(key, key) for key in typed])
    await pilot.pause()


NAMED = {":": "colon", ".": "full_stop", "-": "minus", "/": "slash", ",": "comma", " ": "space"}


class Detached:
    """Stands for `detach`: notes what is asked for, and starts nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[Run, Mapping[str, Any] | None]] = []
        self.failure: RunError | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, run: Run, config: Mapping[str, Any] | None, options: list[str]) -> None:
        self.asked.append((run, config))
        self.go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        assert config is not None
        run.folder.mkdir(parents=True)
        write_json(run.folder / CONFIG, config)
        write_json(run.folder / STATUS, {"state": "finished"})


@pytest.fixture
def detached(monkeypatch: pytest.MonkeyPatch) -> Detached:
    stand_in = Detached()
    monkeypatch.setattr(new_run, "detach", stand_in)
    return stand_in


async def test_the_form_shows_the_defaults_and_their_command(tmp_path: Path) -> None:
    async with form(tmp_path) as (_, screen):
        assert value(screen, "epochs") == "100"
        assert value(screen, "noise") == "gaussian:0.5"
        assert command(screen) == (
            "$ dae train autoencoder --data mnist --noise gaussian:0.5 --detach"
        )
        assert text(screen, "#said") == ""


async def test_every_field_fits_on_a_small_terminal(tmp_path: Path) -> None:
    async with form(tmp_path) as (_, screen):
        assert screen.query_one("#form").max_scroll_y == 0
        for key in screen.values():
            assert screen.query_one(f"#{key}").region.height == 1
            assert screen.region.contains_region(screen.query_one(f"#{key}").region)


async def test_every_option_comes_into_the_command(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        for key, typed in {
            "noise": "poisson:30",
            "epochs": "3",
            "batch_size": "50",
            "lr": "0.01",
            "shift": "2",
            "widths": "8,16",
            "seed": "7",
            "device": "cpu",
            "name": "tiny",
            "classifier": "mnist-classifier",
        }.items():
            await fill(pilot, screen, key, typed)
        for key, chosen in {
            "network": "dense",
            "optimizer": "sgd",
            "schedule": "constant",
            "loss": "l1",
            "precision": "fp32",
        }.items():
            screen.query_one(f"#{key}", Choice).value = chosen
        screen.query_one("#clip", Checkbox).focus()
        await pilot.press("space")
        await until(pilot, lambda: "--no-clip" in command(screen))

        assert command(screen) == (
            "$ dae train dense --data mnist --noise poisson:30 --widths 8,16 --no-clip"
            " --epochs 3 --batch-size 50 --lr 0.01 --optimizer sgd --schedule constant"
            " --loss l1 --shift 2 --seed 7 --classifier mnist-classifier"
            " --precision fp32 --device cpu --name tiny --detach"
        )


async def test_another_network_has_other_defaults(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        screen.query_one("#network", Choice).value = "classifier"
        await until(pilot, lambda: value(screen, "epochs") == "30")

        assert value(screen, "noise") == "none"
        assert value(screen, "loss") == "cross-entropy"
        assert value(screen, "lr") == "0.003"
        assert value(screen, "shift") == "2"
        assert command(screen) == "$ dae train classifier --data mnist --detach"

        screen.query_one("#network", Choice).value = "dense"
        await until(pilot, lambda: value(screen, "epochs") == "100")
        assert value(screen, "loss") == "mse"
        assert value(screen, "noise") == "gaussian:0.5"


async def test_what_was_typed_outlasts_other_defaults(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        await fill(pilot, screen, "epochs", "100")
        await fill(pilot, screen, "data", "digits")
        assert value(screen, "epochs") == "100"

        await fill(pilot, screen, "epochs", "")
        assert "--epochs" not in command(screen)
        await fill(pilot, screen, "data", "mnist")
        await fill(pilot, screen, "data", "digits")
        assert value(screen, "epochs") == "50"


@pytest.mark.parametrize(
    ("key", "typed", "said"),
    [
        ("epochs", "0", "epochs 0 cannot be: it is at least 1"),
        ("epochs", "many", "the epochs 'many' is not a whole number"),
        ("batch_size", "1", "batch size 1 cannot be"),
        ("lr", "nan", "the learning rate is nan"),
        ("seed", "3000000000", "the seed is 3000000000: it is at most"),
        ("noise", "fog:1", "fog"),
        ("noise", "none", "a denoiser needs noise to learn from"),
        ("data", "mnits", "there is no data set 'mnits': use mnist"),
        ("data", "x" * 300, "there is no data set"),
        ("widths", "8,x", "cannot read the widths '8,x'"),
        ("classifier", "nobody", "there are no weights 'nobody'"),
        ("device", "tpu", "there is no device 'tpu'"),
        ("name", "a/b", "a run cannot be named 'a/b'"),
    ],
)
async def test_each_mistake_is_known_by_its_field(
    tmp_path: Path, key: str, typed: str, said: str
) -> None:
    values = defaults("autoencoder", "mnist") | {key: typed}
    with pytest.raises(FieldError) as failure:
        read_form(values, tmp_path)
    assert said in f"{failure.value.message}: {failure.value.hint}"
    assert failure.value.fields == (key,)


async def test_a_mistake_is_said_and_its_field_marked_and_nothing_starts(
    tmp_path: Path, detached: Detached
) -> None:
    async with form(tmp_path) as (pilot, screen):
        await fill(pilot, screen, "epochs", "0")
        await fill(pilot, screen, "noise", "none")
        await until(pilot, lambda: "needs noise to learn from" in text(screen, "#said"))
        assert [str(label.id) for label in screen.query(".label.-bad")] == [
            "label-noise",
            "label-epochs",
        ]
        assert text(screen, "#label-noise") == "! noise"

        await fill(pilot, screen, "noise", "")
        assert text(screen, "#said") == "epochs 0 cannot be: it is at least 1"
        assert text(screen, "#label-noise") == "noise"

        await pilot.press("f5")
        await pilot.pause()
        assert detached.asked == []
        assert screen.focused is screen.query_one("#epochs")
        await pilot.press("f6")
        await pilot.pause()
        assert pilot.app.clipboard == ""


async def test_the_command_is_copied(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, _):
        await pilot.press("f6")
        await pilot.pause()

        assert pilot.app.clipboard == (
            "dae train autoencoder --data mnist --noise gaussian:0.5 --detach"
        )


async def test_a_start_opens_the_run(tmp_path: Path, detached: Detached) -> None:
    async with form(tmp_path) as (pilot, screen):
        (tmp_path / "pictures").mkdir()
        await fill(pilot, screen, "name", "tiny")
        screen.query_one("#data", Input).value = str(tmp_path / "pictures" / ".." / "pictures")
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))

        ((run, config),) = detached.asked
        assert run.folder.parent == (tmp_path / "runs").resolve()
        assert "-tiny-" in run.name
        assert config is not None
        assert config["data"] == str(tmp_path / "pictures")
        assert config["data_dir"] == str((tmp_path / "data").resolve())
        assert not screen.is_attached
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))


async def test_the_button_starts_too_and_from_another_mode(
    tmp_path: Path, detached: Detached
) -> None:
    app = DashboardApp(tmp_path / "runs", tmp_path / "data", Graphics.COLORS_256)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "n")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.click("#start")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert len(detached.asked) == 1
        await pilot.press("3")
        await until(pilot, lambda: type(app.screen).__name__ == "CompareScreen")


async def test_while_it_starts_no_second_run_does(tmp_path: Path, detached: Detached) -> None:
    detached.go_on.clear()
    async with form(tmp_path) as (pilot, screen):
        await pilot.press("f5", "f5")
        await until(pilot, lambda: len(detached.asked) == 1)
        assert text(screen, "#said") == "starting…"
        await pilot.press("f5")
        detached.go_on.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        assert len(detached.asked) == 1


async def test_a_failed_start_is_told_and_keeps_what_was_typed(
    tmp_path: Path, detached: Detached
) -> None:
    detached.failure = RunError("the folder [b]x[/b] cannot be written", "choose another")
    async with form(tmp_path) as (pilot, screen):
        await fill(pilot, screen, "epochs", "3")
        await pilot.press("f5")
        await until(pilot, lambda: text(screen, "#said") not in ("", "starting…"))

        said = "the folder [b]x[/b] cannot be written: choose another"
        assert text(screen, "#said") == said
        assert value(screen, "epochs") == "3"
        assert screen.focused is screen.query_one("#epochs")

        detached.failure = None
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


@pytest.mark.parametrize("fails", [True, False])
async def test_the_form_can_be_left_while_it_starts(
    tmp_path: Path, detached: Detached, fails: bool
) -> None:
    detached.go_on.clear()
    detached.failure = RunError("no [room]") if fails else None
    async with form(tmp_path) as (pilot, _):
        await pilot.press("f5")
        await until(pilot, lambda: len(detached.asked) == 1)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        detached.go_on.set()
        expected = "no [room]" if fails else "is under way"
        await until(
            pilot,
            lambda: any(expected in each.message for each in pilot.app._notifications),
        )
        assert isinstance(pilot.app.screen, RunsScreen)


async def test_letters_go_into_the_fields_and_nowhere_else(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        await fill(pilot, screen, "name", "")
        await pilot.press(*"qn123gt", "question_mark")
        assert value(screen, "name") == "qn123gt?"

        screen.query_one("#optimizer").focus()
        await pilot.press(*"qn123gt", "question_mark")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert pilot.app.is_running
        assert len(pilot.app.screen_stack) == 2


async def test_arrows_and_enter_go_from_field_to_field(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        screen.query_one("#data").focus()
        await pilot.press("down")
        assert screen.focused is screen.query_one("#noise")
        await pilot.press("up", "up")
        assert screen.focused is screen.query_one("#network")
        await pilot.press("down", "enter")
        assert screen.focused is screen.query_one("#noise")


async def test_a_choice_is_made_with_keys(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        screen.query_one("#network").focus()
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: value(screen, "network") == "dense")
        await pilot.press("enter")
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.screen is screen


async def test_help_and_escape(tmp_path: Path) -> None:
    async with form(tmp_path) as (pilot, screen):
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, Help))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
