"""The parts of the screens, each alone in an app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pynvml
import pytest
from fake_nvml import GIB, FakeGpu, FakeNvml
from rich.text import Text
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip

from dae_tui.dashboard.content.names import short
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.dashboard.widgets.log_tail import LogTail
from dae_tui.dashboard.widgets.machine.machine_panel import MachinePanel
from dae_tui.dashboard.widgets.pictures import Picture, Pictures
from dae_tui.dashboard.widgets.run_metrics import RunMetrics
from dae_tui.devices.monitor import Monitor
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio


class Alone(App[None]):
    """An app of one widget."""

    CSS = "Lines { width: 1fr; height: 1fr; }"
    graphics: reactive[Graphics] = reactive(Graphics.COLORS_256)

    def __init__(self, widget: Lines, graphics: Graphics) -> None:
        super().__init__()
        self.set_reactive(Alone.graphics, graphics)
        self._widget = widget

    def compose(self) -> ComposeResult:
        yield self._widget


@asynccontextmanager
async def alone(
    widget: Lines, size: tuple[int, int], graphics: Graphics = Graphics.COLORS_256
) -> AsyncIterator[App[None]]:
    app = Alone(widget, graphics)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app


def read(widget: Lines) -> list[str]:
    """The lines as a person reads them."""
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


class Words(Lines):
    """Lines that a test sets."""

    words: list[str] = []  # noqa: RUF012 - replaced as a whole.

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        return [Text(line) for line in self.words]


async def test_only_the_lines_that_changed_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = Words()
    async with alone(widget, (10, 4)):
        sent: list[Region] = []
        monkeypatch.setattr(widget, "refresh", lambda *regions, **_: sent.extend(regions))
        widget.words = ["one", "two", "three"]
        widget.redraw()
        assert sent == [Region(0, y, 10, 1) for y in range(3)]
        sent.clear()
        widget.redraw()
        assert sent == []
        widget.words = ["one", "2", "three"]
        widget.redraw()
        assert sent == [Region(0, 1, 10, 1)]


async def test_lines_are_filled_up_and_cut() -> None:
    widget = Words()
    async with alone(widget, (10, 3)):
        widget.words = [
            "short",
            "longer than the widget",
            "字字字字字字",
            "one too many",
        ]
        widget.redraw()
        assert [widget.render_line(y).cell_length for y in range(3)] == [10] * 3
        assert read(widget) == ["short", "longer tha", "字字字字字"]


@pytest.mark.parametrize(
    ("width", "height", "digits", "across", "cell"),
    [
        (80, 14, 1, 1, 26),
        (86, 15, 1, 1, 28),
        (88, 15, 1, 1, 28),
        (120, 24, 1, 1, 28),
        (200, 30, 4, 2, 28),
        (50, 15, 1, 1, 28),
    ],
)
async def test_as_many_digits_as_there_is_room_for(
    width: int, height: int, digits: int, across: int, cell: int
) -> None:
    widget = Pictures()
    image = np.full((28, 28), 0.5)
    async with alone(widget, (width, height)):
        shown = widget.layout_for(width, height)
        assert shown.across * shown.down == digits
        one = [Picture(image, view, "7", view == "a") for view in "abc"]
        widget.show([one] * digits)
        lines = read(widget)
        assert lines[0].count("pred. 7") == (1 if width < 60 else 3 * across)
        pictures = lines[1].split()
        assert pictures == ["▀" * cell] * len(pictures)
        assert len(pictures) == lines[0].count("pred. 7")
        if width >= 60:
            assert lines[0].count("pred. 7 ✗") == 2 * across
        assert sum("▀" in line for line in lines) == cell // 2 * (digits // across)
        assert shown.down * shown.lines <= height


async def test_no_digits_say_why() -> None:
    widget = Pictures()
    async with alone(widget, (80, 14)):
        widget.show([], "00000007.npz is gone")
        assert "00000007.npz is gone" in read(widget)[1]


def large() -> list[Picture]:
    """A red image of 128×128 pixels, with detail in one corner, in three views."""
    image = np.zeros((3, 128, 128))
    image[0] = 0.8
    image[0, :20:2, :20] = 0.4
    return [Picture(image, view) for view in ("clean", "noisy 20.0 dB", "denoised 30.0 dB")]


@pytest.mark.parametrize(
    ("size", "cells", "part"),
    [
        ((80, 14), (26, 13), "26×26 of 128×128"),
        ((200, 32), (66, 31), "66×62 of 128×128"),
        ((50, 14), (50, 13), "50×26 of 128×128"),
    ],
    ids=str,
)
async def test_a_part_of_a_large_image_is_shown_in_colour(
    size: tuple[int, int], cells: tuple[int, int], part: str
) -> None:
    widget = Pictures()
    async with alone(widget, size, Graphics.TRUECOLOR):
        widget.show([large()])
        captions, *rows = read(widget)
        views = 3 if size[0] >= 60 else 1
        assert captions.split()[0] == "clean"
        assert ("noisy 20.0 dB" in captions) == (views == 3)
        assert rows == [" ".join(["▀" * cells[0]] * views)] * cells[1]
        assert widget.words(widget.layout_for(*size, (128, 128)), (128, 128)) == f"{part}, z: whole"
        colours = {
            segment.style.color.triplet.hex
            for y in range(1, size[1])
            for segment in widget.render_line(y)
            if segment.text.strip() and segment.style and segment.style.color
            if segment.style.color.triplet
        }
        # The detail is there, though it is in the corner.
        assert colours == {"#650000", "#ca0000"}


async def test_a_large_image_can_be_shown_whole() -> None:
    widget = Pictures()
    async with alone(widget, (80, 14)):
        widget.show([large()])
        before = read(widget)
        widget.toggle_whole()
        shown = widget.layout_for(80, 14, (128, 128))
        assert widget.words(shown, (128, 128)) == "128×128 in 26×26, z: part"
        assert read(widget) == before  # As many cells, but of other colours.
        assert widget.words(widget.layout_for(80, 14), (28, 28)) == ""
        assert widget.words(widget.layout_for(400, 70, (128, 128)), (128, 128)) == "128×128"
        widget.toggle_whole()
        shown = widget.layout_for(80, 14, (128, 128))
        assert widget.words(shown, (128, 128)).endswith("z: whole")


async def test_of_large_images_the_next_view_shows_the_same_part_on_a_narrow_terminal() -> None:
    widget = Pictures()
    async with alone(widget, (50, 14)):
        widget.show([large()])
        first = [list(widget.render_line(y)) for y in range(1, 14)]
        widget.next_view()
        assert read(widget)[0] == "noisy 20.0 dB"
        assert [list(widget.render_line(y)) for y in range(1, 14)] == first


async def test_a_caption_is_cut_before_the_prediction_is() -> None:
    widget = Pictures()
    async with alone(widget, (80, 14), Graphics.ASCII):
        picture = Picture(np.zeros((28, 28)), "denoised 20.1 dB and more", "7", False)
        widget.show([[picture] * 3])
        assert read(widget)[0].startswith("denoised 20.1 d… pred. 7 x denoised")


async def test_a_heading_leaves_out_what_has_no_room_and_cuts_what_says_much() -> None:
    widget = Heading()
    async with alone(widget, (40, 1)):
        widget.show(("name", "bold"), ("failed", "error"), ("1m40s left and more", ""))
        assert read(widget) == [" dae  name  failed  1m40s left and more"]
        widget.show(("a-run-with-a-name", "bold"), ("failed", "error"), ("12.1k images/s", ""))
        assert read(widget) == [" dae  a-run-with-a-name  failed"]
        widget.show(("run", "bold"), ("failed", "error"), ("it diverged in the first step", ""))
        assert read(widget) == [" dae  run  failed  it diverged in the f…"]
        widget.show(("x" * 60, "bold"), ("failed", "error"))
        assert read(widget)[0].endswith("x…")


async def test_the_last_lines_of_a_log() -> None:
    widget = LogTail()
    async with alone(widget, (20, 2)):
        assert read(widget)[0] == " the log is empty"
        widget.show(["first", "2026-01-31 23:59:59 epoch 1 [b] is over", "last"])
        assert read(widget) == [" [b] is over", " last"]
        widget.scroll_lines(-2)
        assert read(widget) == [" first", " 23:59:59 epoch 1"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (950, "950"), (999.6, "1k"), (12_345, "12.3k"), (999_999, "1M"), (2e9, "2G")],
)
async def test_short_counts(count: float, text: str) -> None:
    assert short(count) == text


def monitor(*gpus: FakeGpu, **options: Any) -> Monitor:
    return Monitor({}, FakeNvml(*gpus, **options))


@asynccontextmanager
async def panel(
    looks: Monitor, size: tuple[int, int], graphics: Graphics = Graphics.COLORS_256
) -> AsyncIterator[MachinePanel]:
    widget = MachinePanel()
    async with alone(widget, size, graphics):
        widget.show(looks.read())
        yield widget


async def test_a_machine_without_a_gpu_says_why() -> None:
    async with panel(monitor(), (60, 4)) as widget:
        gpu, cpu, memory, rest = read(widget)
        assert gpu.startswith("GPU  ")
        assert len(gpu) > 8
        assert cpu.startswith("CPU ")
        assert memory.startswith("RAM ")
        assert rest == ""


async def test_one_gpu_with_room() -> None:
    async with panel(monitor(FakeGpu()), (44, 5)) as widget:
        widget.show(monitor(FakeGpu(percent=0)).read())
        head, memory, *_ = read(widget)
        assert head.startswith("GPU0 H200")
        assert head.endswith("▇▁ 54°C 612W")
        assert memory.startswith("  mem 12.0/139.0 GiB")


async def test_one_gpu_in_four_lines_as_the_smallest_run_screen_has_them() -> None:
    async with panel(monitor(FakeGpu()), (35, 4)) as widget:
        lines = read(widget)
        assert [line[:4] for line in lines] == ["GPU0", "  me", "CPU ", "RAM "]


async def test_eight_gpus_in_six_lines() -> None:
    gpus = [FakeGpu(uuid=f"GPU-{n}") for n in range(8)]
    async with panel(monitor(*gpus), (44, 6)) as widget:
        lines = read(widget)
        assert [line[:4] for line in lines] == ["GPU0", "GPU1", "GPU2", "5 mo", "CPU ", "RAM "]
        assert lines[3] == "5 more: 4 shows all"
        assert lines[0].split() == ["GPU0", "87%", "12.0/139.0", "GiB", "▇", "54°C", "612W"]


async def test_figures_that_are_missing_are_dashes() -> None:
    gpu = FakeGpu(failures={"PowerUsage": pynvml.NVMLError_NotSupported})
    async with panel(monitor(gpu), (44, 5)) as widget:
        assert "54°C –W" in read(widget)[0]


async def test_figures_that_fit_beside_each_other_are_whole() -> None:
    widget = RunMetrics()
    async with alone(widget, (35, 3)):
        widget._pairs = [
            ("train", "0.00432"),
            ("val", "0.00488"),
            ("val acc.", "91.49 %"),
            ("val PSNR", "23.5 dB"),
            ("best", "0.00482 (129)"),
            ("time", "3m02s"),
        ]
        widget.redraw()
        assert read(widget) == [
            "train 0.00432      val 0.00488",
            "val acc. 91.49 %   val PSNR 23.5 dB",
            "best 0.00482 (129) time 3m02s",
        ]


async def test_a_lost_gpu_says_so() -> None:
    gpu = FakeGpu()
    looks = monitor(gpu, FakeGpu(uuid="GPU-1"))
    async with panel(looks, (70, 8)) as widget:
        gpu.failures["*"] = pynvml.NVMLError_GpuIsLost
        widget.show(looks.read())
        text = "\n".join(read(widget))
        assert "lost" in text
        assert "CPU " in text


async def test_the_history_grows_from_the_right() -> None:
    gpu = FakeGpu(percent=0)
    looks = monitor(gpu)
    async with panel(looks, (60, 5)) as widget:
        for percent in (50, 100):
            gpu.percent = percent
            widget.show(looks.read())
        assert read(widget)[0].endswith("  ▁▅█ 54°C 612W")


async def test_a_high_panel_draws_how_busy_it_was_in_ascii_too() -> None:
    for graphics in (Graphics.COLORS_256, Graphics.ASCII):
        looks = monitor(FakeGpu(percent=100, used=139 * GIB))
        async with panel(looks, (60, 16), graphics) as widget:
            lines = read(widget)
            assert any(line.startswith("GPU0 0") for line in lines)
            drawn = "".join(line for line in lines if not line.startswith("GPU0"))
            assert drawn.isascii() == (graphics is Graphics.ASCII)
