"""The playground: any image, with any noise or its own, denoised by any weights.

Torch is imported in the worker, when the screen is opened for the first time.
"""

import asyncio
import gc
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from dae_tui.dashboard.content.names import shortened_name
from dae_tui.dashboard.content.playground_request import (
    FIRST_NOISE,
    LEVELS,
    PlaygroundRequest,
    Source,
    folders_of,
    next_level,
    next_strength,
    source_of,
)
from dae_tui.dashboard.context import Failed, context_of
from dae_tui.dashboard.screens.dialogs.open_image import OpenImage
from dae_tui.dashboard.screens.shared.image_keys import PAN_KEYS, VIEW_KEY, WHOLE_KEY
from dae_tui.dashboard.widgets.charts.bars import Bars, Prediction
from dae_tui.dashboard.widgets.fields import Field, Fields
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.dashboard.widgets.pictures import Picture, Pictures
from dae_tui.errors import DaeError, WeightsError
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.model_cards import published, read_metadata, weights_name
from dae_tui.spec.noise_spec import KINDS, NoiseSpec, NoiseStage
from dae_tui.spec.table import AS_GIVEN
from dae_tui.spec.training_config import DATA_SETS, is_pairs
from dae_tui.system.printable import printable
from dae_tui.system.regular_files import is_folder

if TYPE_CHECKING:
    from dae_tui.core.playground import Playground, PlaygroundResult

Choice = TypeVar("Choice")
# Weights that are chosen for each image, as `dae denoise` does.
AUTOMATIC = "auto"
NEWEST_RUNS = 20
LINES_AROUND = 4
BARS_LINES, BARS_LINES_TALL = 5, 10
# A result that takes longer is announced.
SOON_SECONDS = 0.5
IMAGE = Binding.Group("image", compact=True)
LEVEL = Binding.Group("level", compact=True)


class PlaygroundScreen(Screen[None]):
    """One image in three views, with the classes predicted for them, updated at every key."""

    BINDINGS = [
        Binding("left", "image(-1)", "image before", group=IMAGE, key_display="←"),
        Binding("right", "image(1)", "next image", group=IMAGE, key_display="→"),
        Binding("up,k", "level(1)", "raise the level", group=LEVEL),
        Binding("down,j", "level(-1)", "lower the level", group=LEVEL),
        Binding("e", "kind(1)", "kind", tooltip="Next kind of noise"),
        Binding("E", "kind(-1)", "kind before", tooltip="Kind of noise before", show=False),
        Binding("space", "new_noise", "noise", tooltip="Draw new noise"),
        Binding("plus,equals_sign", "strength(1)", "take away more", key_display="+", show=False),
        Binding("minus", "strength(-1)", "take away less of the noise", show=False),
        Binding("w", "weights(1)", "weights", tooltip="Next weights"),
        Binding("W", "weights(-1)", "weights before", tooltip="Weights before", show=False),
        Binding("d", "data(1)", "data", tooltip="Next data set or folder; leaves an image file"),
        Binding("a", "any_image", "any image", tooltip="Another image, at random", show=False),
        Binding("i", "open_image", "open", tooltip="Open an image file or a folder of your own"),
        WHOLE_KEY,
        *PAN_KEYS,
        VIEW_KEY,
        Binding("escape,backspace", "app.back", "back to the runs", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.title = "the playground"
        self.request = PlaygroundRequest()
        self.result: PlaygroundResult | None = None
        """What is shown."""
        self.shown: PlaygroundRequest | None = None
        """The request that was answered last, with a result or a reason."""
        self.reason = "loading torch and weights …"
        """Why nothing is shown; empty where something is."""
        self._weights: list[Path | None] = [None]
        self._sources: list[Source] = []
        self._busy = False
        self._levels = {kind: level for kind, (level, _) in LEVELS.items()}
        self._wanted = asyncio.Event()
        self._playground: Playground | None = None
        self._at: tuple[int, int] | None = None
        """The first row and column that are shown of a large image, counted in all of it; None
        where most is to be seen."""

    def compose(self) -> ComposeResult:
        yield Heading(first="dae playground")
        yield Fields(id="what")
        yield Fields(id="noise")
        yield Static(id="reason", markup=False)
        yield Pictures(id="pictures")
        yield Bars(id="bars")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Pictures).enlarge = True
        self._show()
        self._answer()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def choose_weights(self, run: Run) -> None:
        """Take the weights of a run, and its images if they are here."""
        try:
            weights = run.best_weights()
        except WeightsError as failure:
            self.post_message(Failed(failure))
            return
        if self._weights and weights not in self._weights:
            self._weights.append(weights)
        wanted = source_of(run.config())
        here = wanted.folder or not self._sources or wanted in self._sources
        if not wanted.data or not here:
            self._want(weights=weights)
            return
        if self._sources and wanted not in self._sources:
            self._sources.append(wanted)
        self._want(weights=weights, **self._from(wanted))

    def _from(self, source: Source) -> dict[str, object]:
        """The changes for the images of a source: their own noise if they have any."""
        noise = None if source.as_given else self.request.noise
        if self.request.file or self.request.source.as_given:
            noise = self._noise_of(source)
        return {"source": source, "file": None, "number": 0, "noise": noise}

    def _noise_of(self, source: Source) -> NoiseStage | None:
        """What is added first to the images of a source: nothing to those that have noise."""
        return None if source.as_given else FIRST_NOISE

    def _want(self, **changes: object) -> None:
        """Ask for another result; requests in between are skipped."""
        if changes.keys() & {"source", "file", "number"}:
            self._at, changes = None, {"centre": None, **changes}
        self.request = replace(self.request, **changes)  # type: ignore[arg-type]
        self._wanted.set()
        if self.is_attached:
            self._show_fields()

    @work
    async def _answer(self) -> None:
        """Answer the newest request whenever there is one."""
        self._weights, self._sources = await asyncio.to_thread(self._offers)
        self._first_request()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            request = self.request
            announced = self.set_timer(SOON_SECONDS, self._announce)
            seen = await asyncio.to_thread(self._compute, request)
            announced.stop()
            self._busy = False
            if isinstance(seen, str):
                self.reason = seen
            else:
                self.result, self.reason = seen, ""
            self.shown = request
            self._show()

    def _first_request(self) -> None:
        """Ask for what was chosen before anything was loaded, else for the first of all."""
        wanted, mnist = self.request, Source("mnist")
        if wanted.weights not in self._weights:
            self._weights.append(wanted.weights)
        if wanted.source.folder and wanted.source not in self._sources:
            self._sources.append(wanted.source)
        elif wanted.source not in self._sources:
            self._want(source=mnist if mnist in self._sources else self._sources[0])
        self._want()

    def _announce(self) -> None:
        """Say that a result takes a while."""
        self._busy = True
        self._show_fields()

    def _offers(self) -> tuple[list[Path | None], list[Source]]:
        """Weights and images to choose from. In a thread: importing torch takes seconds."""
        try:
            from dae_tui.core.playground import Playground, data_sets
        except (ImportError, OSError) as failure:
            self.reason = f"torch cannot be loaded: {failure}"
            return [None], [Source("digits")]
        # Torch brings half a million objects. The garbage collector stops everything while it
        # walks them: better now than while keys are pressed.
        gc.collect()
        self._playground = Playground(context_of(self).data_dir)
        runs = context_of(self).places.local_runs()[::-1]
        weights = [run.weights for run in runs]
        trained = [path for path in weights if path.is_file() and _denoises(path)]
        offered = [path for path in published().values() if _denoises(path)]
        # Those for digits first, as digits are what is shown first.
        offered.sort(key=_for_photographs)
        sets = [Source(name) for name in data_sets(context_of(self).data_dir)]
        return [None, *offered, *trained[:NEWEST_RUNS]], [*sets, *folders_of(runs[:NEWEST_RUNS])]

    def _compute(self, request: PlaygroundRequest) -> "PlaygroundResult | str":
        """The result, or why there is none. In a thread."""
        if self._playground is None:
            return self.reason
        try:
            source = request.source
            self._playground.use(request.weights, source.data, request.file, source.noisy)
            stages = () if request.noise is None else (request.noise,)
            noise = NoiseSpec.of(*stages)
            return self._playground.result(
                request.number, noise, request.seed, request.strength, request.centre
            )
        except DaeError as failure:
            return "; ".join(filter(None, (failure.message, failure.hint)))
        except (RuntimeError, ValueError, OSError, MemoryError) as failure:
            # From torch, for images that are too small or too large for a network.
            return (str(failure).strip() or type(failure).__name__).splitlines()[0]

    def _show(self) -> None:
        """Redraw everything; widgets send only the lines that differ to the terminal."""
        if not self.is_attached:
            return
        self._show_fields()
        result, bars, pictures = self.result, self.query_one(Bars), self.query_one(Pictures)
        seen = result is not None and not self.reason
        reason = self.query_one("#reason", Static)
        reason.update(printable(self.reason))
        reason.display, pictures.display, bars.display = not seen, seen, seen
        if result is None or not seen:
            return
        width, height = self.size
        views, count = list(result.views), len(result.views)
        room = height - LINES_AROUND
        digits = pictures.layout_for(width, room, views=count)
        bars_lines = BARS_LINES_TALL if room >= BARS_LINES_TALL + digits.lines else BARS_LINES
        if not result.probabilities:
            bars_lines = 1
        shown = pictures.layout_for(width, max(2, room - bars_lines), result.size, count)
        pictures.styles.height = rows = min(shown.lines, max(2, room - 1))
        bars.styles.height = max(1, room - rows)
        as_given = self.shown is not None and self.shown.noise is None
        telling = 2 if as_given and result.paired else 1
        pictures.at = self._in_part(result)
        pictures.show([[_picture(result, view) for view in views]], telling=telling)
        predictions = [Prediction(of, result.label) for of in result.probabilities.values()]
        if predictions and shown.views == 1:
            predictions = [predictions[pictures.view % count]]
        part = pictures.words(shown, result.size)
        bars.show(predictions, shown.cell, part or "no bars: there is no classifier here")

    def _show_fields(self) -> None:
        request, result = self.request, self.result
        busy = [("loading …", "warning")] if self._playground is None else []
        busy = busy or ([("computing …", "warning")] if self._busy else [])
        about = []
        if result is not None:
            about = [(result.found, "text-muted")] if result.found else []
            if result.trained:
                about.append((f"weights trained on {result.trained}", "text-muted"))
        self.query_one(Heading).show(*busy, *about)
        count = result.count if result else 0
        image = f"{request.number % count + 1}/{count}" if count else "…"
        if result and result.number == request.number % count:
            image += "" if result.label is None else f" is {result.label}"
            image += f" {result.about}" if result.about else ""
        name = weights_name(request.weights) if request.weights else AUTOMATIC
        if request.weights is None and result is not None and result.found:
            name = f"{AUTOMATIC}: {result.weights or 'none'}"
        data = request.file.name if request.file else request.source.name or "…"
        self.query_one("#what", Fields).show(
            Field("weights", shortened_name(name, 24), "weights(1)", "weights(-1)"),
            Field("file" if request.file else "data", shortened_name(data, 14), "data(1)"),
            Field("image", image, "image(1)", "image(-1)"),
        )
        noise = request.noise
        fields = [Field("noise", noise.kind if noise else AS_GIVEN, "kind(1)", "kind(-1)")]
        if noise is not None:
            level = f"{noise.low:g}" if noise.low else "0, no noise"
            fields += [
                Field(KINDS[noise.kind].level, level, "level(1)", "level(-1)"),
                Field("new noise", "", "new_noise"),
            ]
        if request.strength < 1:
            fields.append(Field("strength", f"{request.strength:g}", "strength(1)", "strength(-1)"))
        self.query_one("#noise", Fields).show(*fields, Field("open", "", "open_image"))

    def action_image(self, by: int) -> None:
        self._want(number=self.request.number + by)

    def action_any_image(self) -> None:
        self._want(number=random.randrange(self.result.count if self.result else 1))

    def action_level(self, by: int) -> None:
        """Raise or lower the level of the noise, within the limits of its kind."""
        if self.request.noise is None:
            self.notify("the noise is as given: e adds some", timeout=2)
            return
        kind = self.request.noise.kind
        self._levels[kind] = next_level(kind, self._levels[kind], by)
        self._want(noise=NoiseStage(kind, self._levels[kind], self._levels[kind]))

    def action_strength(self, by: int) -> None:
        """Take more or less of the noise away."""
        self._want(strength=next_strength(self.request.strength, by))

    def action_kind(self, by: int) -> None:
        """Take another kind of noise, at its last level, or the image as given."""
        noise = self.request.noise
        kind = _step([AS_GIVEN, *LEVELS], noise.kind if noise else AS_GIVEN, by)
        level = self._levels.get(kind)
        self._want(noise=None if level is None else NoiseStage(kind, level, level))

    def action_new_noise(self) -> None:
        self._want(seed=self.request.seed + 1)

    def action_weights(self, by: int) -> None:
        if self._playground is not None:
            self._want(weights=_step(self._weights, self.request.weights, by))

    def action_data(self, by: int) -> None:
        """The next data set or folder; from an image file back to the images before it."""
        if self.request.file is not None:
            noise = self._noise_of(self.request.source)
            self._want(file=None, number=0, noise=noise)
        elif self._sources:
            self._want(**self._from(_step(self._sources, self.request.source, by)))

    def action_next_view(self) -> None:
        self.query_one(Pictures).next_view()
        self._show()

    def action_whole(self) -> None:
        """Show all of a large image, or a part of it pixel by pixel."""
        self.query_one(Pictures).toggle_whole()
        self._show()

    def action_pan(self, down: int, right: int) -> None:
        """Move the part that is shown of a large image by half of it."""
        result, pictures = self.result, self.query_one(Pictures)
        if result is None or pictures.whole:
            self.notify("all of it is shown: z shows a part", timeout=2)
            return
        window, part = pictures.window, result.part
        height, width = (part.height, part.width) if part else result.size
        top, left = self._at or (
            window.top + (part.top if part else 0),
            window.left + (part.left if part else 0),
        )
        top = min(max(0, top + down * max(1, window.height // 2)), max(0, height - window.height))
        left = min(max(0, left + right * max(1, window.width // 2)), max(0, width - window.width))
        self._at = top, left
        rows, columns = result.size
        if part and not (
            part.top <= top <= part.top + rows - window.height
            and part.left <= left <= part.left + columns - window.width
        ):
            # Beyond the part that was denoised: another one.
            self._want(centre=(top + window.height // 2, left + window.width // 2))
            return
        self._show()

    def _in_part(self, result: "PlaygroundResult") -> tuple[int, int] | None:
        """The first row and column that are shown, in the part that was denoised."""
        if self._at is None or result.part is None:
            return self._at
        return self._at[0] - result.part.top, self._at[1] - result.part.left

    @work
    async def action_open_image(self) -> None:
        """Ask for a file or a folder and show it."""
        text = await self.app.push_screen_wait(OpenImage())
        if not text:
            return
        path = Path(text).expanduser()
        # In a thread: the disk may be slow.
        if not await asyncio.to_thread(is_folder, path):
            # It may have noise of its own: `e` adds some.
            self._want(file=path, number=0, noise=None)
            return
        source = Source(str(path), as_given=await asyncio.to_thread(is_pairs, path))
        if source not in self._sources:
            self._sources.append(source)
        self._want(**self._from(source))


def _step(of: list[Choice], now: Choice, by: int) -> Choice:
    return of[(of.index(now) + by) % len(of)] if now in of else of[0]


def _for_photographs(path: Path) -> bool:
    return read_metadata(path).get("data") not in DATA_SETS


def _denoises(path: Path) -> bool:
    try:
        return NETWORKS[read_metadata(path)["network"]].task == "denoise"
    except WeightsError:
        return False


def _picture(result: "PlaygroundResult", view: str) -> Picture:
    image, decibels = result.views[view], result.psnr.get(view)
    caption = "clean" if view == "original" and result.paired else view
    if decibels is not None:
        caption += f" {decibels:.1f} dB" if math.isfinite(decibels) else " exact"
    if view not in result.probabilities:
        return Picture(image, caption)
    predicted = int(result.probabilities[view].argmax())
    right = None if result.label is None else predicted == result.label
    return Picture(image, caption, str(predicted), right)
