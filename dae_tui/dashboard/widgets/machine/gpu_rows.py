"""A line or two for every GPU, processor, memory and disk, each with its history."""

from collections.abc import Sequence

from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.dashboard.widgets.machine.machine_panel import GIB, History, warmth_of
from dae_tui.devices.machine import Gpu, Machine
from dae_tui.devices.reading import Reading
from dae_tui.system.printable import printable

NAME = 12
# The cells before a history.
WORDS = 54
# The cells of a history that says something.
LEAST_HISTORY = 6
NONE = "–"


class GpuRows(Lines):
    """All of the machine, in as many lines as `lines` says."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._machine: Machine | None = None
        self._disk = Reading(None, "not read"), Reading(None, "not read")
        self._histories: dict[str, History] = {}

    def show(self, machine: Machine, disk: tuple[Reading, Reading]) -> None:
        """Show a reading, and how much of the disk is used, and there is, in bytes."""
        self._machine, self._disk = machine, disk
        self._note("cpu", machine.cpu_utilisation)
        self._note("ram", _share(machine.memory_used, machine.memory_total))
        self._note("disk", _share(*disk))
        for gpu in machine.gpus:
            self._note(_key(gpu), gpu.utilisation)
            self._note(f"{_key(gpu)} memory", _share(gpu.memory_used, gpu.memory_total))
        self.redraw()

    def lines(self, room: int) -> int:
        """How many lines it takes of so many: two to a GPU where that leaves a half."""
        gpus = len(self._machine.gpus) if self._machine else 0
        whole = bool(gpus) and 2 * gpus + 4 <= room // 2
        return self._head + gpus * (2 if whole else 1) + 3 + bool(self._reason())

    @property
    def _head(self) -> int:
        return 1 if self._machine and self._machine.gpus else 0

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        machine = self._machine
        if machine is None:
            return []
        whole = height >= self._head + 2 * len(machine.gpus) + 3 + bool(self._reason())
        lines: list[Text | Strip] = []
        if machine.gpus:
            columns = f"GPU {'name':<{NAME}} use   memory GiB    power W    °C   MHz"
            lines.append(Text(columns, self.colour("text-muted"), no_wrap=True))
        for gpu in machine.gpus:
            lines.append(self._gpu(gpu, width))
            if whole:
                lines.append(self._memory(gpu, width))
        if self._reason():
            lines.append(Text(printable(self._reason()), self.colour("text-muted"), no_wrap=True))
        return [*lines, *self._host(machine, width)]

    def _reason(self) -> str:
        """Why there are no GPUs, or no more."""
        machine = self._machine
        if machine is None or not machine.gpu_reason:
            return ""
        return f"{'more GPUs' if machine.gpus else 'GPU'}  {machine.gpu_reason}"

    def _gpu(self, gpu: Gpu, width: int) -> Text:
        name = printable(gpu.name).removeprefix("NVIDIA ").removeprefix("GeForce ")
        left = f"{gpu.index:>3} {name[:NAME]:<{NAME}} "
        if gpu.silence:
            # What it did before it was lost stays.
            line = self._line(f"{left + printable(gpu.silence):<{WORDS}}", _key(gpu), width)
            line.stylize(self.colour("error"), len(left), WORDS)
            return line
        memory = f"{_gib(gpu.memory_used)}/{_gib(gpu.memory_total)}"
        power = f"{_rounded(gpu.power)}/{_rounded(gpu.power_limit)}"
        left += f"{_rounded(gpu.utilisation):>3}% {memory:>12} {power:>10} "
        left += f"{_rounded(gpu.temperature):>5} {_rounded(gpu.clock):>5}"
        return self._line(left, _key(gpu), width)

    def _memory(self, gpu: Gpu, width: int) -> Text:
        share = _share(gpu.memory_used, gpu.memory_total)
        reason = "" if gpu.silence else gpu.utilisation.reason or gpu.process_reason
        left = f"{'':<{4 + NAME}} {_rounded(share):>3}% of memory   {printable(reason)}"
        return self._line(f"{left:<{WORDS}}", f"{_key(gpu)} memory", width)

    def _host(self, machine: Machine, width: int) -> list[Text]:
        cores = f"{machine.cpu_count} core{'s' if machine.cpu_count != 1 else ''}"
        words = f"{cores}  {printable(machine.cpu_name)}"
        rows = (
            ("CPU", machine.cpu_utilisation, words, "cpu"),
            ("RAM", *self._amount(machine.memory_used, machine.memory_total), "ram"),
            ("disk", *self._amount(*self._disk), "disk"),
        )
        return [
            self._line(f"{name:<4} {_rounded(share):>3}%  {about[:42]:<42}", history, width)
            for name, share, about, history in rows
        ]

    def _amount(self, used: Reading, total: Reading) -> tuple[Reading, str]:
        reason = printable(used.reason or total.reason)
        return _share(used, total), reason or f"{_gib(used)}/{_gib(total)} GiB"

    def _line(self, left: str, history: str, width: int) -> Text:
        known = self._histories[history]
        room = width - len(left) - 1
        text = Text(f"{left} ", no_wrap=True)
        if room >= LEAST_HISTORY:
            name = warmth_of(known.values[-1])
            text.append(known.bars(room, self.graphics), self.colour(name))
        return text

    def _note(self, key: str, reading: Reading) -> None:
        self._histories.setdefault(key, History()).values.append(reading.value)


def _key(gpu: Gpu) -> str:
    """Of its history: one that never answered has no UUID."""
    return gpu.uuid or f"GPU {gpu.index}"


def reasons_of(gpus: Sequence[Gpu]) -> list[str]:
    """Why NVML does not say which processes are on some GPUs."""
    silent = [gpu for gpu in gpus if gpu.process_reason and not gpu.silence]
    return [f"GPU {gpu.index}: {gpu.process_reason}" for gpu in silent]


def _share(used: Reading, total: Reading) -> Reading:
    if used.value is None or not total.value:
        return Reading(None, used.reason or total.reason)
    return Reading(100 * used.value / total.value)


def _rounded(reading: Reading) -> str:
    return NONE if reading.value is None else f"{reading.value:.0f}"


def _gib(reading: Reading) -> str:
    return NONE if reading.value is None else f"{reading.value / GIB:.1f}"
