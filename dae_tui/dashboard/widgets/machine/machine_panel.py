"""How busy GPUs, processor and memory are, and were."""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.devices.machine import Gpu, Machine
from dae_tui.devices.reading import Reading
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import ASCII_BARS, BARS, Graphics
from dae_tui.terminal.plot import Line, Marks, plot

GIB = 2**30
LEAST_HISTORY, HISTORY = 30, 240
WARM, HOT = 80.0, 90.0
# With at least so many free lines, the history is also drawn as a chart.
CHART_LINES = 5


@dataclass
class History:
    """Percentages of the last readings."""

    values: deque[float | None] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def bars(self, width: int, graphics: Graphics) -> str:
        """The newest values as one character each, from 0 to 100 percent."""
        bars = ASCII_BARS if graphics is Graphics.ASCII else BARS
        shown = list(self.values)[-width:] if width > 0 else []
        return "".join(
            " " if value is None else bars[round(min(max(value, 0), 100) / 100 * (len(bars) - 1))]
            for value in shown
        ).rjust(max(0, width))


class MachinePanel(Lines):
    """One to three lines for each GPU, then the processor and the memory."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._machine: Machine | None = None
        self._instead = ""
        self._histories: dict[str, History] = {}

    def show(self, machine: Machine) -> None:
        self._machine = machine
        self._note("cpu", machine.cpu_utilisation)
        self._note("memory", _share(machine.memory_used, machine.memory_total))
        for gpu in machine.gpus:
            self._note(gpu.uuid, gpu.utilisation)
            self._note(f"{gpu.uuid} memory", _share(gpu.memory_used, gpu.memory_total))
        self.redraw()

    def tell(self, words: str) -> None:
        """Say something in place of the figures of this machine."""
        self._instead = words
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        machine = self._machine
        if machine is None:
            return [self._dim(self._instead)] if self._instead else []
        host = self._host(machine, width)
        room = height - len(host)
        gpus: list[Text] = []
        for gpu in machine.gpus:
            lines_of_all = 2 * len(machine.gpus) + bool(machine.gpu_reason)
            gpus += self._gpu(gpu, width, whole=lines_of_all <= room)
        if machine.gpu_reason:
            gpus.append(self._dim(("more GPUs: " if gpus else "GPU  ") + machine.gpu_reason))
        if len(gpus) > room:
            hidden = len(gpus) - max(0, room - 1)
            kept = max(0, room - 1)
            lost = sum(gpu.lost_since is not None for gpu in machine.gpus[kept:])
            words = f"{hidden} more{f', {lost} lost' if lost else ''}: 4 shows all"
            gpus = [*gpus[:kept], self._dim(words)]
        lines: list[Text | Strip] = [*gpus, *host]
        if height - len(lines) >= CHART_LINES:
            lines += self._chart(machine, width, height - len(lines))
        return lines

    def _chart(self, machine: Machine, width: int, height: int) -> list[Text]:
        """A chart of how busy the first GPU was, or the processor where there is none."""
        name, key = (
            (f"GPU{machine.gpus[0].index}", machine.gpus[0].uuid)
            if machine.gpus
            else ("CPU", "cpu")
        )
        values = np.array(
            [math.nan if value is None else value for value in self._histories[key].values],
            np.float64,
        )
        # The newest reading is at the right edge.
        drawing = plot(
            [Line(np.arange(1.0 - len(values), 1.0), values)],
            width,
            height - 2,
            (1.0 - max(LEAST_HISTORY, len(values)), 0.0),
            log=False,
            smoothing=0.0,
            marks=Marks.ASCII if self.graphics is Graphics.ASCII else Marks.BRAILLE,
            y_range=(0.0, 100.0),
        )
        rows = [Text(row, self.colour("success"), no_wrap=True) for row in drawing.rows]
        return [Text(), self._dim(f"{name} 0–100 %, the last {len(values)} readings"), *rows]

    def _host(self, machine: Machine, width: int) -> list[Text]:
        cores = f"{machine.cpu_count} core{'s' if machine.cpu_count != 1 else ''}"
        return [
            self._line(f"CPU {_percent(machine.cpu_utilisation):>4}", "cpu", cores, width),
            self._line(
                f"RAM {_gib(machine.memory_used)}/{_gib(machine.memory_total)} GiB",
                "memory",
                "",
                width,
            ),
        ]

    def _gpu(self, gpu: Gpu, width: int, whole: bool) -> list[Text]:
        """The lines of one GPU; `whole` shows its memory on a line of its own."""
        name = printable(gpu.name).removeprefix("NVIDIA ").removeprefix("GeForce ")
        warmth = f"{_rounded(gpu.temperature)}°C {_rounded(gpu.power)}W"
        memory = f"{_gib(gpu.memory_used)}/{_gib(gpu.memory_total)} GiB"
        if gpu.silence and gpu.power.value is gpu.temperature.value is None:
            words = self._dim(f"GPU{gpu.index} {name}: {gpu.silence}")
            if gpu.lost_since is None:
                return [words]
            # What it did before stays, below or where there is room for it.
            line = words if whole else self._line(words.plain, gpu.uuid, "", width)
            line.stylize(self.colour("error"), 0, len(words))
            return [line, self._line("  use", gpu.uuid, "", width)] if whole else [line]
        if not whole:
            return [
                self._line(
                    f"GPU{gpu.index} {_percent(gpu.utilisation):>4} {memory}",
                    gpu.uuid,
                    warmth,
                    width,
                )
            ]
        head = f"GPU{gpu.index} {name[: max(4, width - 30)]} {_percent(gpu.utilisation):>4}"
        return [
            self._line(head, gpu.uuid, warmth, width),
            self._line(f"  mem {memory}", f"{gpu.uuid} memory", "", width),
        ]

    def _line(self, left: str, history: str, right: str, width: int) -> Text:
        """Words at both edges, with the history in between."""
        room = width - len(left) - len(right) - 1 - bool(right)
        known = self._histories.get(history)
        bars = known.bars(room, self.graphics) if known and room > 2 else " " * max(0, room)
        text = Text(f"{left} ", no_wrap=True)
        latest = known.values[-1] if known and known.values else None
        text.append(bars, self._warmth(latest))
        if right:
            text.append(f" {right}")
        return text

    def _warmth(self, percent: float | None) -> str:
        return str(self.colour(warmth_of(percent)))

    def _dim(self, words: str) -> Text:
        return Text(printable(words), self.colour("text-muted"), no_wrap=True, overflow="ellipsis")

    def _note(self, key: str, reading: Reading) -> None:
        self._histories.setdefault(key, History()).values.append(reading.value)


def warmth_of(percent: float | None) -> str:
    """The colour of the theme for so many percent."""
    if percent is None:
        return "text-muted"
    return "success" if percent < WARM else ("warning" if percent < HOT else "error")


def _share(used: Reading, total: Reading) -> Reading:
    """Percent of the whole."""
    if used.value is None or not total.value:
        return Reading(None, used.reason or total.reason)
    return Reading(100 * used.value / total.value)


def _percent(reading: Reading) -> str:
    return "–" if reading.value is None else f"{reading.value:.0f}%"


def _rounded(reading: Reading) -> str:
    return "–" if reading.value is None else f"{reading.value:.0f}"


def _gib(reading: Reading) -> str:
    return "–" if reading.value is None else f"{reading.value / GIB:.1f}"
