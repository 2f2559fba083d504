"""Every key of the playground, on the embedded digits."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from dae_tui.core.playground import Part
from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.content.playground_request import LEVELS, Source, next_level, source_of
from dae_tui.dashboard.context import PlayWith
from dae_tui.dashboard.screens.dialogs.help import Help, keys_of
from dae_tui.dashboard.screens.dialogs.open_image import OpenImage
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.widgets.charts.bars import Bars
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import KINDS, NoiseStage
from dae_tui.terminal.graphics import Graphics

SMALL, LARGE = (80, 24), (120, 40)


class Player:
    """Presses keys and waits until they have been answered."""

    def __init__(self, pilot: Pilot[None], screen: PlaygroundScreen) -> None:
        self.pilot, self.screen = pilot, screen

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain: {self.screen.reason}"
            await self.pilot.pause(0.02)

    async def settled(self) -> None:
        """Until what is shown is what was asked for."""
        await self.pilot.pause()
        screen = self.screen
        await self.until(lambda: screen.shown == screen.request)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settled()

    def text(self, selector: str | type[Lines]) -> str:
        found = self.screen.query(selector).first()
        widget = cast(Lines, found)
        return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


@asynccontextmanager
async def playing(
    tmp_path: Path,
    size: tuple[int, int] = SMALL,
    runs: Path | None = None,
    graphics: Graphics = Graphics.COLORS_256,
) -> AsyncIterator[Player]:
    app = DashboardApp(runs or tmp_path / "runs", tmp_path, graphics)
    async with app.run_test(size=size) as pilot:
        await pilot.press("2")
        await pilot.pause()
        assert isinstance(app.screen, PlaygroundScreen)
        player = Player(pilot, app.screen)
        await player.settled()
        yield player


def play(tmp_path: Path, act: Callable[[Player], Awaitable[None]], **options: Any) -> None:
    """Act in a playground."""

    async def run() -> None:
        async with playing(tmp_path, **options) as player:
            await act(player)

    asyncio.run(run())


def noise_of(player: Player) -> NoiseStage | None:
    return player.screen.request.noise


def kind(player: Player) -> str:
    noise = noise_of(player)
    assert noise is not None
    return noise.kind


def a_run(tmp_path: Path, weights: str = "mnist-autoencoder") -> Run:
    run = Run(tmp_path / "runs" / "20260131-235959-mine-3f2a")
    run.weights.parent.mkdir(parents=True)
    (run.folder / "config.json").write_text("{}")
    shutil.copy(published()[weights], run.weights)
    return run


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_it_shows_the_views_and_all_ten_probabilities(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def act(player: Player) -> None:
        captions = player.text("#pictures").splitlines()[0]
        assert captions.count("pred") == 3
        assert captions.count("dB") == 2
        bars = player.text("#bars")
        assert bars.count("%") == 30
        assert "✓" in bars
        assert "sigma 0.5" in player.text("#noise")
        assert "is" in player.text("#what")
        assert player.screen.query_one(Bars).region.bottom <= size[1] - 1

    play(tmp_path, act, size=size)


def test_left_right_and_a_choose_the_digit(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        numbers = [0]
        for key in ("right", "left", "left"):
            await player.press(key)
            assert player.screen.result is not None
            numbers.append(player.screen.result.number)
        assert numbers == [0, 1, 0, 381]
        seen = set()
        for _ in range(5):
            await player.press("a")
            assert player.screen.result is not None
            seen.add(player.screen.result.number)
        assert len(seen) > 1

    play(tmp_path, act)


def test_up_and_down_choose_the_level(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        before = player.screen.result
        assert before is not None
        await player.press("up")
        assert "sigma 0.55" in player.text("#noise")
        assert player.screen.result is not None
        assert player.screen.result.psnr["noisy"] < before.psnr["noisy"]
        await player.press("down", "down")
        assert "sigma 0.45" in player.text("#noise")
        await player.press(*["down"] * 12)
        assert "sigma 0, no noise" in player.text("#noise")

    play(tmp_path, act)


@pytest.mark.slow
def test_plus_and_minus_choose_how_much_noise_is_taken_away(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        before = player.screen.result
        assert before is not None
        assert "strength" not in player.text("#noise")
        await player.press("minus", "minus", "minus")
        assert "strength 0.7" in player.text("#noise")
        result = player.screen.result
        assert result is not None
        noisy, denoised = before.views["noisy"], before.views["denoised"]
        expected = noisy + 0.7 * (denoised - noisy)
        assert np.abs(result.views["denoised"] - expected).max() < 1e-5
        await player.press(*["minus"] * 12)
        assert "strength 0" in player.text("#noise")
        await player.press(*["plus"] * 12)
        assert player.screen.request.strength == 1
        assert "strength" not in player.text("#noise")

    play(tmp_path, act)


@pytest.mark.slow
def test_e_goes_through_the_kinds_and_each_keeps_its_level(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        await player.press("up")
        seen = []
        for _ in [*LEVELS, "as given"]:
            await player.press("e")
            assert not player.screen.reason
            noise = player.screen.request.noise
            seen.append(noise.kind if noise else "as given")
        assert sorted(seen) == sorted([*KINDS, "as given"])
        assert noise_of(player) == NoiseStage("gaussian", 0.55, 0.55)
        await player.press("E")
        assert noise_of(player) is None
        await player.press("E")
        assert kind(player) == list(LEVELS)[-1]

    play(tmp_path, act)


@pytest.mark.slow
def test_the_ratio_of_a_compression_is_a_level(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        for _ in LEVELS:
            if kind(player) == "compress":
                break
            await player.press("e")
        assert noise_of(player) == NoiseStage("compress", 48, 48)
        assert "ratio 48" in player.text("#noise")
        before = player.screen.result
        await player.press("up", "up")
        after = player.screen.result
        assert "ratio 64" in player.text("#noise")
        assert before is not None
        assert after is not None
        assert after.psnr["noisy"] < before.psnr["noisy"]

    play(tmp_path, act)


def test_new_noise_is_other_noise_on_the_same_digit(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        before = player.screen.result
        await player.press("space")
        after = player.screen.result
        assert before is not None
        assert after is not None
        assert (before.views["original"] == after.views["original"]).all()
        assert (before.views["noisy"] != after.views["noisy"]).any()

    play(tmp_path, act)


def for_photographs(name: str) -> bool:
    return not name.startswith("mnist")


@pytest.mark.slow
def test_w_goes_through_published_weights_and_those_of_runs(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    broken = tmp_path / "runs" / "20260201-000000-broken-0000"
    shutil.copytree(run.folder, broken)
    Run(broken).weights.write_bytes(b"broken")

    async def act(player: Player) -> None:
        others = "classifier", "features", "oracle", "codec"
        denoisers = [name for name in published() if not name.endswith(others)]
        denoisers.sort(key=for_photographs)
        assert "weights auto: mnist" in player.text("#what")
        await player.press("w")
        for name in (*denoisers, "mine-3f2a"):
            assert name in player.text("#what")
            await player.press("w")
        assert "weights auto" in player.text("#what")
        await player.press("W")
        assert player.screen.request.weights == run.weights

    play(tmp_path, act)


def test_d_goes_through_the_data_sets_on_disk(tmp_path: Path, mnist_dir: Path) -> None:
    (tmp_path / "MNIST").symlink_to(mnist_dir / "MNIST")

    async def act(player: Player) -> None:
        assert "data mnist" in player.text("#what")
        await player.press("d")
        assert "data digits" in player.text("#what")
        assert player.screen.result is not None
        assert player.screen.result.count == 382

    play(tmp_path, act)


@pytest.mark.slow
def test_i_opens_an_image_of_any_size_and_d_leaves_it(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.full((90, 61), 128, np.uint8))

    async def act(player: Player) -> None:
        async def open_image(path: str) -> None:
            await player.pilot.press("i")
            await player.until(lambda: isinstance(player.pilot.app.screen, OpenImage))
            player.pilot.app.screen.query_one(Input).value = path
            await player.press("enter")

        await open_image(str(tmp_path / "own.npy"))
        assert "file own.npy" in player.text("#what")
        assert "of 61×90, z: whole" in player.text("#bars")
        assert noise_of(player) is None  # It may have noise of its own.
        assert "no noise found" in str(player.text(Heading))
        while "mnist-dense" not in player.text("#what"):  # It takes digits alone.
            await player.press("w")
        assert "28×28" in player.screen.reason
        assert player.screen.query_one("#reason").display
        await player.press("W")
        assert "denoised" in player.text("#pictures")
        await open_image(str(tmp_path / "none.png"))
        assert "cannot be read" in player.screen.reason
        await player.press("d")
        assert "data digits" in player.text("#what")
        assert kind(player) == "gaussian"
        before = player.screen.request
        await player.pilot.press("i")
        await player.until(lambda: isinstance(player.pilot.app.screen, OpenImage))
        await player.press("escape")
        assert player.pilot.app.screen is player.screen
        assert player.screen.request == before

    play(tmp_path, act)


@pytest.mark.slow
def test_the_part_of_a_large_image_is_moved_pixel_by_pixel(tmp_path: Path) -> None:
    image = np.tile(np.arange(600, dtype=np.uint16) * 100, (60, 1))
    np.save(tmp_path / "own.npy", image)

    async def act(player: Player) -> None:
        await player.pilot.press("i")
        await player.until(lambda: isinstance(player.pilot.app.screen, OpenImage))
        player.pilot.app.screen.query_one(Input).value = str(tmp_path / "own.npy")
        await player.press("enter")
        await player.press("w")
        pictures = player.screen.query_one(Pictures)
        await player.press(*["less_than_sign"] * 12, *["left_curly_bracket"] * 2)
        assert player.screen.result is not None
        assert (player.screen.result.part, pictures.at) == (Part(0, 0, 60, 600), (0, 0))
        await player.press("greater_than_sign", "shift+down")
        assert pictures.at == (pictures.window.height // 2, pictures.window.width // 2)
        await player.press(*["greater_than_sign"] * 20, *["right_curly_bracket"] * 2)
        assert player.screen.result.part == Part(0, 88, 60, 600)
        assert pictures.window.left == 512 - pictures.window.width
        assert pictures.window.top == 60 - pictures.window.height
        await player.press("d")
        assert pictures.at is None

    play(tmp_path, act, size=(200, 24))


def test_digits_are_as_large_as_the_screen_allows(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        pictures = player.screen.query_one(Pictures)
        assert pictures.size.height == 1 + 28
        assert len(player.text("#pictures").splitlines()[1].rstrip()) == 3 * 57 - 1
        assert player.text("#bars").count("%") == 30

    play(tmp_path, act, size=(200, 60))


def test_a_click_on_a_field_does_what_its_key_does(tmp_path: Path) -> None:
    async def click(player: Player, field: str, word: str, dx: int = 0) -> None:
        x = player.text(field).index(word) + dx
        await player.pilot.click(field, offset=(x, 0))
        await player.settled()

    async def act(player: Player) -> None:
        await click(player, "#noise", "gaussian")
        assert kind(player) == "poisson"
        await click(player, "#noise", "‹")
        assert kind(player) == "gaussian"
        await click(player, "#noise", "sigma")
        assert player.screen.request.noise == NoiseStage("gaussian", 0.55, 0.55)
        await click(player, "#noise", "new noise")
        assert player.screen.request.seed == 1
        await click(player, "#what", "image ", -2)
        assert player.screen.request.number == -1
        await click(player, "#what", "weights ")
        assert "mnist-autoencoder" in player.text("#what")

    play(tmp_path, act)


def test_v_shows_the_next_view_on_a_narrow_terminal(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        assert "original" in player.text("#pictures")
        await player.press("v")
        assert "noisy" in player.text("#pictures")
        assert player.text("#bars").count("%") == 10

    play(tmp_path, act, size=(50, 30))


def test_escape_goes_back_to_the_runs(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        await player.pilot.press("escape")
        await player.until(lambda: player.pilot.app.current_mode == "runs")

    play(tmp_path, act)


def test_every_key_is_described_in_the_help(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        rows = keys_of(cast("Screen[object]", player.screen))
        described = " ".join(keys for keys, _ in rows).split()
        assert {"←", "→", "↑", "↓", "k", "j", "e", "E", "w", "W", "d", "a", "i", "v"} <= {
            *described
        }
        await player.pilot.press("question_mark")
        await player.until(lambda: isinstance(player.pilot.app.screen, Help))

    play(tmp_path, act)


def test_ascii_has_no_other_characters(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        for part in ("#what", "#noise", "#pictures", "#bars"):
            assert player.text(part).isascii(), part

    play(tmp_path, act, graphics=Graphics.ASCII)


def test_the_weights_of_a_run_are_taken(tmp_path: Path) -> None:
    run = a_run(tmp_path, "mnist-dense")

    async def act(player: Player) -> None:
        player.screen.choose_weights(run)
        await player.settled()
        assert "mine-3f2a" in player.text("#what")
        assert not player.screen.reason

    play(tmp_path, act)


def test_a_run_without_weights_is_told_of(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        before = player.screen.request
        player.screen.choose_weights(Run(tmp_path / "none"))
        assert player.screen.request == before
        await player.pilot.pause()
        assert [note.severity for note in player.pilot.app._notifications] == ["error"]

    play(tmp_path, act)


def test_weights_chosen_before_anything_is_loaded_are_taken(tmp_path: Path) -> None:
    run = a_run(tmp_path)

    async def go() -> None:
        app = DashboardApp(tmp_path / "runs", tmp_path, Graphics.COLORS_256)
        async with app.run_test(size=SMALL) as pilot:
            app.post_message(PlayWith(run))
            while not isinstance(app.screen, PlaygroundScreen):
                await pilot.pause()
            player = Player(pilot, app.screen)
            await player.settled()
            assert "mine-3f2a" in player.text("#what")

    asyncio.run(go())


def test_classifiers_are_refused_with_a_reason(tmp_path: Path) -> None:
    run = a_run(tmp_path, "mnist-classifier")

    async def act(player: Player) -> None:
        player.screen.choose_weights(run)
        await player.settled()
        assert "not to denoise" in player.screen.reason
        assert not player.screen.query_one(Pictures).display
        await player.press("w")
        assert not player.screen.reason

    play(tmp_path, act)


@pytest.mark.slow
def test_many_keys_at_once_end_at_the_last_request(tmp_path: Path) -> None:
    async def act(player: Player) -> None:
        await player.press(*["right"] * 40)
        assert player.screen.result is not None
        assert player.screen.result.number == 40

    play(tmp_path, act)


def test_levels_stay_within_what_the_kinds_allow() -> None:
    for kind, (start, _) in LEVELS.items():
        allowed = KINDS[kind]
        for by in (1, -1):
            level = start
            for _ in range(300):
                level = next_level(kind, level, by)
            assert allowed.low <= level <= allowed.high
            assert level > allowed.low or allowed.low_included


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Ten pairs of red images of 40×50 pixels."""
    generator = np.random.default_rng(0)
    for number in range(10):
        clean = np.zeros((40, 50, 3))
        clean[..., 0] = 0.5 + number / 40
        noisy = (clean + generator.normal(0, 0.1, clean.shape)).clip(0, 1)
        for side, image in (("clean", clean), ("noisy", noisy)):
            folder = tmp_path / "photos" / side
            folder.mkdir(parents=True, exist_ok=True)
            pixels = (image * 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


async def open_path(player: Player, path: Path) -> None:
    await player.pilot.press("i")
    await player.until(lambda: isinstance(player.pilot.app.screen, OpenImage))
    player.pilot.app.screen.query_one(Input).value = str(path)
    await player.pilot.press("enter")
    await player.until(lambda: player.screen.request.source.data == str(path))
    await player.settled()


def test_a_folder_of_pairs_is_shown_as_given_and_with_other_noise(
    tmp_path: Path, pairs: Path
) -> None:
    async def act(player: Player) -> None:
        await open_path(player, pairs)
        assert "data photos" in player.text("#what")
        assert "image 1/10 test" in player.text("#what")
        assert player.text("#noise").strip().startswith("‹ noise as given ›")
        assert "clean" in player.text("#pictures")
        assert "noisy 2" in player.text("#pictures")
        assert "26×36 of 50×40, z: whole" in player.text("#bars")
        await player.press("up")  # There is no level.
        assert noise_of(player) is None
        await player.press("e")
        assert "sigma 0.5" in player.text("#noise")
        assert "clean" in player.text("#pictures")
        await player.press("z")
        assert "50×40 in 26×21, z: part" in player.text("#bars")
        await player.press("right")
        assert "image 2/10" in player.text("#what")
        await player.press("d")
        assert player.screen.request.source.data == "digits"
        assert kind(player) == "gaussian"
        await player.press("d")
        assert "data photos" in player.text("#what")
        assert noise_of(player) is None

    play(tmp_path, act)


def test_a_folder_of_noisy_images_has_two_views_as_given(tmp_path: Path, pairs: Path) -> None:
    async def act(player: Player) -> None:
        await open_path(player, pairs / "noisy")
        await player.press("E")
        captions = player.text("#pictures").splitlines()[0]
        assert captions.split() == ["noisy", "denoised"]

    play(tmp_path, act)


def test_a_run_brings_its_folder_along(tmp_path: Path, pairs: Path) -> None:
    run = a_run(tmp_path)
    config = {"network": "unet", "data": str(pairs), "noise": "none"}
    (run.folder / "config.json").write_text(json.dumps(config))

    async def act(player: Player) -> None:
        player.screen.choose_weights(run)
        await player.settled()
        assert "data photos" in player.text("#what")
        assert "noise as given" in player.text("#noise")
        await player.press("d")
        assert player.screen.request.source.data == "digits"

    play(tmp_path, act)


def test_the_folders_of_runs_are_offered(tmp_path: Path, pairs: Path) -> None:
    run = a_run(tmp_path)
    config = {"network": "unet", "data": str(pairs), "noise": "none"}
    (run.folder / "config.json").write_text(json.dumps(config))

    async def act(player: Player) -> None:
        await player.press("d")
        assert player.screen.request.source == Source(str(pairs), as_given=True)

    play(tmp_path, act)


def test_the_images_of_a_run_are_those_it_was_trained_on_if_they_are_here(
    tmp_path: Path, pairs: Path
) -> None:
    folder, noisy = str(pairs / "clean"), str(pairs / "noisy")

    assert source_of({"data": "mnist"}) == Source("mnist")
    assert source_of({"data": folder, "noise": "gaussian:0.1"}) == Source(folder)
    assert source_of({"data": folder, "noisy": noisy}) == Source(folder, noisy, as_given=True)
    assert source_of({"data": str(tmp_path / "gone")}) == Source()
    assert source_of({"data": folder, "noisy": str(tmp_path / "gone")}) == Source()
    assert source_of({"data": 5, "noisy": [], "network": {}}) == Source()
