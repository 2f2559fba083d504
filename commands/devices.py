"""`dae devices`: what the GPUs, the processor and the memory of this machine are doing."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import JsonOption
from dae_tui.devices.gpu_processes import HIDDEN
from dae_tui.devices.reading import Reading
from dae_tui.errors import UsageError
from dae_tui.system.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dae_tui.devices.machine import Gpu, Machine

app = options.subcommand()

GIB = 2**30
# The first reading waits so long: utilisation of the processor needs a span of time.
FIRST_SECONDS = 0.2
LEAST_INTERVAL, MOST_INTERVAL = 0.1, 86400.0
MISSING = "–"
UNITS = {
    "utilisation": "use",
    "memory_used": "memory",
    "power": "power",
    "power_limit": "power limit",
    "temperature": "temperature",
    "clock": "clock",
}


@app.command(
    cls=grouped(
        {},
        ("dae devices", "GPUs with the processes on them, processor and memory, once."),
        ("dae devices --watch --interval 5", "Again every five seconds, until Ctrl-C."),
        ("dae devices --watch --json >> machine.jsonl", "An object a line, for other programs."),
    )
)
def devices(
    json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C.")] = False,
    interval: Annotated[
        float,
        typer.Option("--interval", metavar="SECONDS", help="Between two readings; at least 0.1."),
    ] = 1.0,
) -> None:
    """Show GPUs (NVML), CPU and memory: utilisation, power, temperature.

    GPUs are counted as CUDA counts them here: CUDA_VISIBLE_DEVICES is honoured.
    """
    if not LEAST_INTERVAL <= interval <= MOST_INTERVAL:
        raise UsageError(
            f"--interval cannot be {interval:g}",
            f"use {LEAST_INTERVAL:g} to {MOST_INTERVAL:g} seconds",
        )
    from dae_tui.commands.output.terminal import print_json, stdout

    readings = _readings(interval if watch else None)
    if json:
        for machine in readings:
            print_json(machine.as_json())
        return
    console = stdout()
    if watch and sys.stdout.isatty() and not console.is_dumb_terminal:
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            # Rich hides the cursor, and a process that is killed would leave it hidden.
            console.show_cursor()
            for machine in readings:
                live.update(_draw(machine), refresh=True)
        return
    for machine in readings:
        console.print(_draw(machine))


def _readings(interval: float | None) -> "Iterator[Machine]":
    """One reading of the machine, or one every `interval` seconds."""
    from dae_tui.devices.monitor import Monitor

    monitor = Monitor()
    try:
        time.sleep(FIRST_SECONDS)
        yield monitor.read(processes=True)
        while interval is not None:
            time.sleep(interval)
            yield monitor.read(processes=True)
    finally:
        monitor.close()


def _draw(machine: "Machine") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if machine.gpus:
        parts.append(_gpu_table(machine))
        if any(gpu.processes for gpu in machine.gpus):
            parts.append(_process_table(machine))
        parts += [
            Text(printable(f"GPU {gpu.index}  {_missing(gpu)}"))
            for gpu in machine.gpus
            if _missing(gpu)
        ]
    if machine.gpu_reason:
        which = "more GPUs" if machine.gpus else "GPU"
        parts.append(Text(printable(f"{which}  {machine.gpu_reason}")))
    cores = "1 core" if machine.cpu_count == 1 else f"{machine.cpu_count} cores"
    cpu, memory = machine.cpu_utilisation, machine.memory_used
    clock = time.strftime("%H:%M:%S", time.localtime(machine.time))
    for words in (
        ("CPU", f"{_rounded(cpu)} %", cores, machine.cpu_name, cpu.reason),
        ("RAM", f"{_gib(memory, machine.memory_total)} GiB", memory.reason),
        (machine.host, clock),
    ):
        parts.append(Text(printable("  ".join(word for word in words if word))))
    return Group(*parts)


def _gpu_table(machine: "Machine") -> "RenderableType":
    from dae_tui.commands.output.terminal import plain_table

    table = plain_table()
    table.add_column("GPU", justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    for heading in ("use %", "memory GiB", "power W", "°C", "MHz"):
        table.add_column(heading, justify="right", no_wrap=True)
    for gpu in machine.gpus:
        table.add_row(
            str(gpu.index),
            printable(gpu.name),
            _rounded(gpu.utilisation),
            _gib(gpu.memory_used, gpu.memory_total),
            f"{_rounded(gpu.power)}/{_rounded(gpu.power_limit)}",
            _rounded(gpu.temperature),
            _rounded(gpu.clock),
        )
    return table


def _process_table(machine: "Machine") -> "RenderableType":
    from dae_tui.commands.output.terminal import plain_table

    table = plain_table()
    for heading in ("GPU", "pid", "GiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("user", no_wrap=True)
    table.add_column("command", overflow="fold")
    for gpu in machine.gpus:
        for process in gpu.processes:
            memory = process.memory.value
            table.add_row(
                str(gpu.index),
                str(process.pid),
                MISSING if memory is None else f"{memory / GIB:.1f}",
                printable(process.user or MISSING),
                printable(process.command or HIDDEN),
            )
    return table


def _missing(gpu: "Gpu") -> str:
    """Which values of a GPU are missing, by reason; the reason alone where all are missing."""
    fields: dict[str, list[str]] = {}
    for field, unit in UNITS.items():
        reading: Reading = getattr(gpu, field)
        if reading.value is None:
            fields.setdefault(reading.reason, []).append(unit)
    return "; ".join(
        gpu.silence or reason if len(units) == len(UNITS) else f"{', '.join(units)}: {reason}"
        for reason, units in fields.items()
    )


def _rounded(reading: Reading) -> str:
    return MISSING if reading.value is None else f"{reading.value:.0f}"


def _gib(used: Reading, total: Reading) -> str:
    """Used and total, in GiB."""
    return "/".join(
        MISSING if reading.value is None else f"{reading.value / GIB:.1f}"
        for reading in (used, total)
    )
