"""The form that starts a training."""

import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboard_driver import Driver, driving
from textual.widgets import Checkbox, Input, Static

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.content.training_form import FieldError, defaults, no_noise, read_form
from dae_tui.dashboard.screens import new_run
from dae_tui.dashboard.screens.dialogs.help import Help
from dae_tui.dashboard.screens.new_run import Choice, NewRunScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.data_suggester import DataSuggester
from dae_tui.errors import RunError
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.folder.layout import CONFIG, STATUS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.training_config import default_config
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def form(tmp_path: Path) -> AsyncIterator[tuple[Driver, NewRunScreen]]:
    """The form at 80×24, opened as a person opens it."""
    app = DashboardApp(tmp_path / "runs", tmp_path / "data", Graphics.COLORS_256)
    async with app.run_test(size=(80, 24)) as pilot:
        driver = Driver(app, pilot)
        await driver.press("n")
        await driver.until(lambda: isinstance(app.screen, NewRunScreen))
        assert isinstance(app.screen, NewRunScreen)
        screen = app.screen
        await driver.until(lambda: command(screen) != "")
        yield driver, screen


def text(screen: NewRunScreen, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


def command(screen: NewRunScreen) -> str:
    return text(screen, "#command")


def value(screen: NewRunScreen, key: str) -> str:
    field = screen.query_one(f"#{key}")
    assert isinstance(field, Input | Choice)
    return str(field.value)


async def fill(driver: Driver, screen: NewRunScreen, key: str, typed: str) -> None:
    """Type into a field in place of what it holds."""
    screen.query_one(f"#{key}", Input).focus()
    await driver.press("home", "shift+end", "delete", *[NAMED.get(key, key) for key in typed])
    await driver.pilot.pause()


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


@pytest.fixture(autouse=True)
def usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of runs that a command takes without --runs-dir."""
    monkeypatch.setenv("DAE_RUNS", str(tmp_path / "runs"))


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


async def test_on_a_narrow_terminal_values_are_seen_below_each_other(tmp_path: Path) -> None:
    async with driving(tmp_path, size=(40, 12)) as driver:
        await driver.press("n")
        await driver.sees("network        autoencoder", "data           mnist")
        await driver.sees("noise          gaussian:0.5")
        await driver.press(*["down"] * 12)
        await driver.sees("optimizer      adam", "learning rate  0.006")
        # What is wrong is seen as well.
        await driver.press("up", "up", "up", *"xy")
        await driver.sees("learning rate", "' is not a", "F5 start")


@pytest.mark.slow
async def test_every_option_comes_into_the_command(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
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
            "loss": "l1+0.1*edge",
        }.items():
            await fill(driver, screen, key, typed)
        for key, chosen in {
            "network": "dense",
            "optimizer": "sgd",
            "schedule": "constant",
            "precision": "fp32",
        }.items():
            screen.query_one(f"#{key}", Choice).value = chosen
        screen.query_one("#clip", Checkbox).focus()
        await driver.press("space")
        await driver.until(lambda: "--no-clip" in command(screen))

        assert command(screen) == (
            "$ dae train dense --data mnist --noise poisson:30 --widths 8,16 --no-clip"
            " --epochs 3 --batch-size 50 --lr 0.01 --optimizer sgd --schedule constant"
            " --loss 'l1+0.1*edge' --shift 2 --seed 7 --classifier mnist-classifier"
            " --precision fp32 --device cpu --name tiny --detach"
        )


async def test_another_network_has_other_defaults(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        screen.query_one("#network", Choice).value = "classifier"
        await driver.until(lambda: value(screen, "epochs") == "30")

        assert value(screen, "noise") == "none"
        assert value(screen, "loss") == "cross-entropy"
        assert value(screen, "lr") == "0.003"
        assert value(screen, "shift") == "2"
        assert command(screen) == "$ dae train classifier --data mnist --detach"

        screen.query_one("#network", Choice).value = "dense"
        await driver.until(lambda: value(screen, "epochs") == "100")
        assert value(screen, "loss") == "mse"
        assert value(screen, "noise") == "gaussian:0.5"


async def test_a_folder_of_pairs_gets_no_noise_on_top(tmp_path: Path) -> None:
    for part in ("clean", "noisy"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    values = defaults("unet", str(tmp_path / "mine"))
    config = default_config("unet", str(tmp_path / "mine"))
    assert (values["noise"], values["lr"]) == ("", str(config.lr))
    assert (values["patch"], values["augment"]) == (str(config.patch), True)
    config, _ = read_form(values, tmp_path / "runs")
    assert (config.noise, config.pairs) == ("none", True)
    assert defaults("unet", str(tmp_path))["noise"] == "gaussian:0.5"


async def test_noisy_images_alone_are_learnt_from_if_that_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "noisy.tif").write_bytes(b"")
    for data in ("mine", "noisy.tif"):
        values = defaults("unet", str(tmp_path / data), "noise2self")
        expected = default_config("unet", str(tmp_path / data), supervision="noise2self")
        assert (values["noise"], values["lr"]) == ("", str(expected.lr))
        assert no_noise("unet", str(tmp_path / data), "noise2self") == "none needed: noisy images"
        config, _ = read_form(values, tmp_path / "runs")
        assert (config.supervision, config.noise) == ("noise2self", "none")
    with pytest.raises(FieldError) as failure:
        read_form(defaults("unet", str(tmp_path / "noisy.tif")), tmp_path / "runs")
    assert failure.value.fields == ("data",)


async def test_the_supervision_decides_the_other_defaults(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    async with form(tmp_path) as (driver, screen):
        screen.query_one("#network", Choice).value = "unet"
        screen.query_one("#data", Input).value = str(tmp_path / "mine")
        screen.query_one("#supervision", Choice).value = "neighbor2neighbor"
        await driver.until(lambda: "--supervision neighbor2neighbor" in command(screen))
        assert "--noise" not in command(screen)
        assert value(screen, "noise") == ""
        assert screen.query_one("#noise", Input).placeholder == "none needed: noisy images"
        assert value(screen, "patch") == "64"
        screen.query_one("#supervision", Choice).value = "auto"
        await driver.until(lambda: "--supervision" not in command(screen))
        assert value(screen, "noise") == "gaussian:0.5"


@pytest.mark.slow
async def test_what_was_typed_outlasts_other_defaults(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "epochs", "100")
        await fill(driver, screen, "data", "digits")
        assert value(screen, "epochs") == "100"

        await fill(driver, screen, "epochs", "")
        assert "--epochs" not in command(screen)
        await fill(driver, screen, "data", "mnist")
        await fill(driver, screen, "data", "digits")
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
        ("noise", "none", "autoencoder needs noise to train with"),
        ("supervision", "noise2self", "mnist has no images for noise2self: name a folder"),
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


@pytest.mark.slow
async def test_a_mistake_is_said_and_its_field_marked_and_nothing_starts(
    tmp_path: Path, detached: Detached
) -> None:
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "epochs", "0")
        await fill(driver, screen, "noise", "none")
        await driver.until(lambda: "needs noise to train with" in text(screen, "#said"))
        assert "epochs 0 cannot be: it is at least 1" in text(screen, "#said")
        assert [str(label.id) for label in screen.query(".label.-bad")] == [
            "label-noise",
            "label-epochs",
        ]
        assert text(screen, "#label-noise") == "! noise"

        await fill(driver, screen, "noise", "")
        assert text(screen, "#said") == "epochs 0 cannot be: it is at least 1"
        assert text(screen, "#label-noise") == "noise"

        await driver.press("f5")
        await driver.pilot.pause()
        assert detached.asked == []
        assert screen.focused is screen.query_one("#epochs")
        await driver.press("f6")
        await driver.pilot.pause()
        assert driver.app.clipboard == ""


@pytest.mark.slow
async def test_the_command_is_sent_to_the_clipboard_and_shown_to_select(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await driver.press("f6")
        whole = "dae train autoencoder --data mnist --noise gaussian:0.5 --detach"
        await driver.sees("hold shift and drag", "tmux")
        assert driver.app.clipboard == whole
        await driver.pilot.resize_terminal(40, 24)
        await driver.sees("dae train autoencoder --data mnist \\")
        lines = [line.rstrip() for line in driver.text().split("\n")]
        first = lines.index("dae train autoencoder --data mnist \\")
        assert lines[first + 1] == "--noise gaussian:0.5 --detach"
        await driver.press("escape")
        await driver.until(lambda: driver.app.screen is screen)


async def test_the_command_names_another_folder_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAE_RUNS")
    async with form(tmp_path) as (_, screen):
        assert command(screen).endswith(f"--runs-dir {tmp_path / 'runs'} --detach")
    monkeypatch.chdir(tmp_path)
    async with form(tmp_path) as (_, screen):
        assert "--runs-dir" not in command(screen)


async def test_a_shift_that_leaves_nothing_is_refused_while_it_is_typed(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "shift", "99")
        assert "moves images of 28×28 out of sight" in text(screen, "#said")
        assert text(screen, "#label-shift") == "! shift"


async def test_a_start_opens_the_run(tmp_path: Path, detached: Detached) -> None:
    async with form(tmp_path) as (driver, screen):
        (tmp_path / "pictures").mkdir()
        await fill(driver, screen, "name", "tiny")
        screen.query_one("#data", Input).value = str(tmp_path / "pictures" / ".." / "pictures")
        await driver.press("f5")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))

        ((run, config),) = detached.asked
        assert run.folder.parent == (tmp_path / "runs").resolve()
        assert "-tiny-" in run.name
        assert config is not None
        assert config["data"] == str(tmp_path / "pictures")
        assert config["data_dir"] == str((tmp_path / "data").resolve())
        assert not screen.is_attached
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, RunsScreen))


@pytest.mark.slow
async def test_the_button_starts_too_and_from_another_mode(
    tmp_path: Path, detached: Detached
) -> None:
    app = DashboardApp(tmp_path / "runs", tmp_path / "data", Graphics.COLORS_256)
    async with app.run_test(size=(80, 24)) as pilot:
        driver = Driver(app, pilot)
        await driver.press("3", "n")
        await driver.until(lambda: isinstance(app.screen, NewRunScreen))
        await driver.pilot.click("#start")
        await driver.until(lambda: isinstance(app.screen, RunScreen))
        assert len(detached.asked) == 1
        await driver.press("3")
        await driver.until(lambda: type(app.screen).__name__ == "CompareScreen")


async def test_while_it_starts_no_second_run_does(tmp_path: Path, detached: Detached) -> None:
    detached.go_on.clear()
    async with form(tmp_path) as (driver, screen):
        await driver.press("f5", "f5")
        await driver.until(lambda: len(detached.asked) == 1)
        assert text(screen, "#said") == "starting…"
        await driver.press("f5")
        detached.go_on.set()
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        assert len(detached.asked) == 1


async def test_a_failed_start_is_told_and_keeps_what_was_typed(
    tmp_path: Path, detached: Detached
) -> None:
    detached.failure = RunError("the folder [b]x[/b] cannot be written", "choose another")
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "epochs", "3")
        await driver.press("f5")
        await driver.until(lambda: text(screen, "#said") not in ("", "starting…"))

        said = "the folder [b]x[/b] cannot be written: choose another"
        assert text(screen, "#said") == said
        assert value(screen, "epochs") == "3"
        assert screen.focused is screen.query_one("#epochs")

        detached.failure = None
        await driver.press("f5")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))


@pytest.mark.slow
@pytest.mark.parametrize("fails", [True, False])
async def test_the_form_can_be_left_while_it_starts(
    tmp_path: Path, detached: Detached, fails: bool
) -> None:
    detached.go_on.clear()
    detached.failure = RunError("no [room]") if fails else None
    async with form(tmp_path) as (driver, _):
        await driver.press("f5")
        await driver.until(lambda: len(detached.asked) == 1)
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, RunsScreen))
        detached.go_on.set()
        expected = "no [room]" if fails else "has started"
        await driver.told(expected)
        assert isinstance(driver.app.screen, RunsScreen)


@pytest.mark.slow
async def test_letters_go_into_the_fields_and_nowhere_else(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "name", "")
        await driver.press(*"qn123gt", "question_mark")
        assert value(screen, "name") == "qn123gt?"

        screen.query_one("#optimizer").focus()
        await driver.press(*"qn123gt", "question_mark")
        await driver.pilot.pause()
        assert driver.app.screen is screen
        assert driver.app.is_running
        assert len(driver.app.screen_stack) == 2


async def test_arrows_and_enter_go_from_field_to_field(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        screen.query_one("#data").focus()
        await driver.press("down")
        assert screen.focused is screen.query_one("#supervision")
        await driver.press("up", "up")
        assert screen.focused is screen.query_one("#network")
        await driver.press("down", "enter")
        assert screen.focused is screen.query_one("#supervision")


async def test_a_choice_is_made_with_keys(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        screen.query_one("#network").focus()
        names = list(NETWORKS)
        after = names[names.index(value(screen, "network")) + 1]
        await driver.press("enter", "down", "enter")
        await driver.until(lambda: value(screen, "network") == after)
        await driver.press("enter")
        await driver.press("escape")
        await driver.pilot.pause()
        assert driver.app.screen is screen


@pytest.mark.slow
async def test_help_and_escape(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await driver.press("f1")
        await driver.until(lambda: isinstance(driver.app.screen, Help))
        await driver.press("escape")
        await driver.until(lambda: driver.app.screen is screen)
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, RunsScreen))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A folder of pairs, without any."""
    for part in ("clean", "noisy"):
        (tmp_path / "photos" / part).mkdir(parents=True)
    return tmp_path / "photos"


@pytest.mark.slow
async def test_a_training_on_pairs_is_started_without_noise(
    tmp_path: Path, pairs: Path, detached: Detached
) -> None:
    async with form(tmp_path) as (driver, screen):
        screen.query_one("#network", Choice).value = "unet"
        await fill(driver, screen, "data", str(pairs))
        await driver.sees("none needed: pairs")
        assert value(screen, "noise") == ""
        assert value(screen, "patch") == str(default_config("unet", str(pairs)).patch)
        assert screen.query_one("#augment", Checkbox).value
        assert "--noise" not in command(screen)
        assert text(screen, "#said") == ""
        await driver.press("f5")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        ((_, config),) = detached.asked
        assert config is not None
        assert (config["data"], config["noise"]) == (str(pairs), "none")


@pytest.mark.slow
async def test_back_from_pairs_there_is_noise_again(tmp_path: Path, pairs: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "data", str(pairs))
        await fill(driver, screen, "data", "mnist")
        assert value(screen, "noise") == "gaussian:0.5"
        assert value(screen, "patch") == "0"
        assert not screen.query_one("#augment", Checkbox).value


async def test_crops_and_their_augmentation_come_into_the_command(tmp_path: Path) -> None:
    async with form(tmp_path) as (driver, screen):
        await fill(driver, screen, "patch", "32")
        screen.query_one("#augment", Checkbox).value = True
        await driver.until(lambda: "--patch 32 --augment" in command(screen))
        await fill(driver, screen, "patch", "x")
        assert "the crops 'x' is not a whole number" in text(screen, "#said")


async def test_two_takes_need_no_noise_either(tmp_path: Path) -> None:
    for part in ("a", "b"):
        (tmp_path / "takes" / part).mkdir(parents=True)
    assert no_noise("unet", str(tmp_path / "takes")) == "none needed: takes"
    assert no_noise("unet", str(tmp_path)) == ""
    assert no_noise("classifier", str(tmp_path / "takes")) == ""
    assert no_noise("unet", "") == ""


async def test_a_path_is_completed_as_it_is_typed(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos.png").touch()
    (tmp_path / ".hidden").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    suggest = DataSuggester().get_suggestion

    assert await suggest(f"{tmp_path}/ph") == str(pairs)
    assert await suggest("~/ph") == "~/photos"
    assert await suggest(f"{pairs}/") == f"{pairs}/clean"
    assert await suggest(f"{tmp_path}/.h") == f"{tmp_path}/.hidden"
    assert await suggest(f"{tmp_path}/none/x") is None
    assert await suggest("fa") == "fashion-mnist"
    assert await suggest("photos") is None
