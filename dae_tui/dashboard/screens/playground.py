"""The playground: any digit or image, with any noise, denoised by any weights.

Torch is imported in the worker, when the screen is opened for the first time.
"""

import asyncio
import gc
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer, Static

from dae_tui.dashboard.context import Failed, context_of
from dae_tui.dashboard.screens.open_image import OpenImage
from dae_tui.dashboard.widgets.bars import Bars, Prediction
from dae_tui.dashboard.widgets.digits import GAP, Digits, Picture, rows_of
from dae_tui.dashboard.widgets.fields import Field, Fields
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.errors import DaeError, WeightsError
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.reader import Run, list_runs
from dae_tui.spec.model_cards import published, read_metadata, weights_name
from dae_tui.spec.noise_spec import KINDS, NoiseSpec, NoiseStage
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import fit_crop, shrink, views_that_fit

if TYPE_CHECKING:
    from dae_tui.core.playground import Playground, PlaygroundResult

Choice = TypeVar("Choice")
# First level and step of each kind of noise; where the step is 0, the level doubles.
LEVELS = {
    "gaussian": (0.5, 0.05),
    "poisson": (4.0, 0.0),
    "speckle": (0.5, 0.05),
    "salt-pepper": (0.2, 0.05),
    "impulse": (0.2, 0.05),
    "uniform": (0.5, 0.05),
    "masking": (0.5, 0.05),
    "stripes": (0.3, 0.05),
    "quantize": (2.0, 1.0),
}
FIRST_NOISE = NoiseStage("gaussian", 0.5, 0.5)
LEAST_PEAK, MOST_PEAK = 2.0**-4, 2.0**19
NEWEST_RUNS = 20
# Larger images are shrunk; smaller ones, which are digits, may lose their border.
LARGEST_WHOLE = 32
LINES_AROUND = 4
BARS_LINES, BARS_LINES_TALL = 5, 10
DIGIT = Binding.Group("digit", compact=True)
LEVEL = Binding.Group("level", compact=True)


@dataclass(frozen=True)
class PlaygroundRequest:
    """What to show."""

    weights: Path | None = None
    data: str = ""
    file: Path | None = None
    number: int = 0
    noise: NoiseStage = FIRST_NOISE
    seed: int = 0


class PlaygroundScreen(Screen[None]):
    """One image in three views, with the classes predicted for them, updated at every key."""

    BINDINGS = [
        Binding("left", "digit(-1)", "digit before", group=DIGIT, key_display="←"),
        Binding("right", "digit(1)", "next digit", group=DIGIT, key_display="→"),
        Binding("up", "level(1)", "raise the level", group=LEVEL, key_display="↑"),
        Binding("down", "level(-1)", "lower the level", group=LEVEL, key_display="↓"),
        Binding("k", "kind(1)", "kind", tooltip="Next kind of noise"),
        Binding("K", "kind(-1)", "kind before", tooltip="Kind of noise before", show=False),
        Binding("space,r", "new_noise", "noise", tooltip="Draw new noise"),
        Binding("w", "weights(1)", "weights", tooltip="Next weights"),
        Binding("W", "weights(-1)", "weights before", tooltip="Weights before", show=False),
        Binding("d", "data(1)", "data", tooltip="Next data set; leaves an image file"),
        Binding("x", "any_digit", "any digit", tooltip="A random digit", show=False),
        Binding("i", "open_image", "image", tooltip="Open an image file of your own"),
        Binding("v", "next_view", "next view, on a narrow terminal", show=False),
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
        self._weights: list[Path] = []
        self._data: list[str] = []
        self._levels = {kind: level for kind, (level, _) in LEVELS.items()}
        self._wanted = asyncio.Event()
        self._playground: Playground | None = None

    def compose(self) -> ComposeResult:
        yield Heading(first="dae playground")
        yield Fields(id="what")
        yield Fields(id="noise")
        yield Static(id="reason", markup=False)
        yield Digits(id="digits")
        yield Bars(id="bars")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._show()
        self._answer()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def choose_weights(self, run: Run) -> None:
        """Take the weights of a run."""
        try:
            weights = run.best_weights()
        except WeightsError as failure:
            self.post_message(Failed(failure))
            return
        if self._weights and weights not in self._weights:
            self._weights.append(weights)
        self._want(weights=weights)

    def _want(self, **changes: object) -> None:
        """Ask for another result; requests in between are skipped."""
        self.request = replace(self.request, **changes)  # type: ignore[arg-type]
        self._wanted.set()
        if self.is_attached:
            self._show_fields()

    @work
    async def _answer(self) -> None:
        """Answer the newest request whenever there is one."""
        self._weights, self._data = await asyncio.to_thread(self._offers)
        if self.request.weights is None:
            self._want(weights=self._weights[0] if self._weights else None)
        elif self.request.weights not in self._weights:
            self._weights.append(self.request.weights)
        self._want(data="mnist" if "mnist" in self._data else self._data[0])
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            request = self.request
            seen = await asyncio.to_thread(self._compute, request)
            if isinstance(seen, str):
                self.reason = seen
            else:
                self.result, self.reason = seen, ""
            self._show()
            self.shown = request

    def _offers(self) -> tuple[list[Path], list[str]]:
        """Weights and data sets to choose from. In a thread: importing torch takes seconds."""
        try:
            from dae_tui.core.playground import Playground, data_sets
        except (ImportError, OSError) as failure:
            self.reason = f"torch cannot be loaded: {failure}"
            return [], ["digits"]
        # Torch brings half a million objects. The garbage collector stops everything while it
        # walks them: better now than while keys are pressed.
        gc.collect()
        self._playground = Playground(context_of(self).data_dir)
        runs = [run.weights for run in reversed(list_runs(context_of(self).runs_dir))]
        trained = [path for path in runs if path.is_file() and _denoises(path)]
        offered = [path for path in published().values() if _denoises(path)]
        return offered + trained[:NEWEST_RUNS], data_sets(context_of(self).data_dir)

    def _compute(self, request: PlaygroundRequest) -> "PlaygroundResult | str":
        """The result, or why there is none. In a thread."""
        if self._playground is None:
            return self.reason
        if request.weights is None:
            return "there are no weights: train some with dae train"
        try:
            self._playground.use(request.weights, request.data, request.file)
            return self._playground.result(
                request.number, NoiseSpec((request.noise,)), request.seed
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
        result, bars, digits = self.result, self.query_one(Bars), self.query_one(Digits)
        seen = result is not None and not self.reason
        reason = self.query_one("#reason", Static)
        reason.update(printable(self.reason))
        reason.display, digits.display, bars.display = not seen, seen, seen
        if result is None or not seen:
            return
        width, height = self.size
        shown = views_that_fit(width)
        room = height - LINES_AROUND
        bars_lines = BARS_LINES_TALL if room >= BARS_LINES_TALL + rows_of(28, 0) else BARS_LINES
        if not result.probabilities:
            bars_lines = 1
        images = {
            view: _fitted(image, (width + GAP) // shown - GAP, room - bars_lines - 1)
            for view, image in result.views.items()
        }
        side = max(images["original"].shape)
        border = fit_crop(width, 3, GAP, side) if shown == 3 else 0
        digits.styles.height = rows = min(rows_of(side, border), max(2, room - 1))
        bars.styles.height = max(1, room - rows)
        digits.show([[_picture(result, view, image) for view, image in images.items()]])
        predictions = [Prediction(of, result.label) for of in result.probabilities.values()]
        if predictions and shown == 1:
            predictions = [predictions[digits.view % 3]]
        cell = min(side - 2 * border, width)
        bars.show(predictions, cell, "no bars: there is no classifier for these images")

    def _show_fields(self) -> None:
        request, result = self.request, self.result
        busy = [("loading …", "warning")] if self._playground is None else []
        trained = [] if result is None else [(f"weights trained on {result.trained}", "text-muted")]
        self.query_one(Heading).show(*busy, *trained)
        count = result.count if result else 0
        digit = f"{request.number % count + 1}/{count}" if count else "…"
        if result and result.label is not None and result.number == request.number % count:
            digit += f" is {result.label}"
        name = weights_name(request.weights) if request.weights else "…"
        data = request.file.name if request.file else request.data or "…"
        self.query_one("#what", Fields).show(
            Field("weights", _short(name, 22), "weights(1)", "weights(-1)"),
            Field("image" if request.file else "data", _short(data, 14), "data(1)"),
            Field("digit", digit, "digit(1)", "digit(-1)"),
        )
        kind = request.noise.kind
        level = f"{request.noise.low:g}" if request.noise.low else "0, no noise"
        self.query_one("#noise", Fields).show(
            Field("noise", kind, "kind(1)", "kind(-1)"),
            Field(KINDS[kind].level, level, "level(1)", "level(-1)"),
            Field("new noise", "", "new_noise"),
            Field("open image", "", "open_image"),
        )

    def action_digit(self, by: int) -> None:
        self._want(number=self.request.number + by)

    def action_any_digit(self) -> None:
        self._want(number=random.randrange(self.result.count if self.result else 1))

    def action_level(self, by: int) -> None:
        """Raise or lower the level of the noise, within the limits of its kind."""
        kind = self.request.noise.kind
        self._levels[kind] = next_level(kind, self._levels[kind], by)
        self._want(noise=NoiseStage(kind, self._levels[kind], self._levels[kind]))

    def action_kind(self, by: int) -> None:
        """Take another kind of noise, at its last level."""
        kind = _step(list(LEVELS), self.request.noise.kind, by)
        self._want(noise=NoiseStage(kind, self._levels[kind], self._levels[kind]))

    def action_new_noise(self) -> None:
        self._want(seed=self.request.seed + 1)

    def action_weights(self, by: int) -> None:
        if self.request.weights is not None and self._weights:
            self._want(weights=_step(self._weights, self.request.weights, by))

    def action_data(self, by: int) -> None:
        """The next data set; from an image file back to the data set before it."""
        if self.request.file is not None:
            self._want(file=None, number=0)
        elif self._data:
            self._want(data=_step(self._data, self.request.data, by), number=0)

    def action_next_view(self) -> None:
        self.query_one(Digits).next_view()
        self._show()

    @work
    async def action_open_image(self) -> None:
        """Ask for a file and show it."""
        text = await self.app.push_screen_wait(OpenImage())
        if text:
            self._want(file=Path(text).expanduser(), number=0)


def next_level(kind: str, level: float, by: int) -> float:
    """The next higher or lower level, within the limits of the kind."""
    step = LEVELS[kind][1]
    if not step:
        return min(max(level * 2.0**by, LEAST_PEAK), MOST_PEAK)
    return min(max(round(level + by * step, 6), KINDS[kind].low), KINDS[kind].high)


def _step(of: list[Choice], now: Choice, by: int) -> Choice:
    return of[(of.index(now) + by) % len(of)] if now in of else of[0]


def _denoises(path: Path) -> bool:
    try:
        return NETWORKS[read_metadata(path)["network"]].task == "denoise"
    except WeightsError:
        return False


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _fitted(image: NDArray[np.float32], columns: int, rows: int) -> NDArray[np.floating]:
    return image if max(image.shape) <= LARGEST_WHOLE else shrink(image, columns, max(2, rows))


def _picture(result: "PlaygroundResult", view: str, image: NDArray[np.floating]) -> Picture:
    decibels = result.psnr.get(view)
    caption = view
    if decibels is not None:
        caption += f" {decibels:.1f} dB" if math.isfinite(decibels) else " exact"
    if view not in result.probabilities:
        return Picture(image, caption)
    predicted = int(result.probabilities[view].argmax())
    right = None if result.label is None else predicted == result.label
    return Picture(image, caption, str(predicted), right)
