"""`dae benchmark scaling`: how many processes are worth using, by a cost model."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dae_tui.commands.options import JsonOption
from dae_tui.core.speed.process_count import (
    PAYS,
    PROCESSES,
    Machine,
    Scaling,
    model_scaling,
    stops_paying,
)
from dae_tui.errors import UsageError
from dae_tui.spec.training_config import TrainingConfig, default_config

if TYPE_CHECKING:
    from dae_tui.commands.benchmarking.speed_tables import Grid

NONE = "–"


def scaling(
    images_per_second: Annotated[
        float,
        typer.Option(
            min=1,
            max=1e9,
            help="Speed of one process, as dae train and dae benchmark speed print it.",
        ),
    ],
    network: Annotated[
        str, typer.Argument(help="The network to train: autoencoder, unet, …")
    ] = "autoencoder",
    batch_size: Annotated[
        int, typer.Option(min=2, max=10_000_000, help="Images per step, over all processes.")
    ] = 100,
    bandwidth: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="GB per second between processes.")
    ] = 10.0,
    latency: Annotated[
        float, typer.Option(min=0, max=1e6, help="Microseconds per message.")
    ] = 20.0,
    drawing: Annotated[
        float,
        typer.Option(min=0, max=1e6, help="Microseconds to draw an image and its noise."),
    ] = 0.1,
    json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Estimate how many processes are worth using. This is a model, not a measurement.

    A step takes the time to compute its share of the batch, and the part of the exchange of
    gradients (a ring all-reduce) that the backward pass does not hide.
    """
    config = default_config(network)
    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from dae_tui.commands.benchmarking.speed_tables import show_grids
    from dae_tui.commands.output.terminal import print_json, stdout

    parameters, norms = _sizes(config)
    machine = Machine(
        images_per_second,
        parameters,
        bandwidth * 1e9,
        latency * 1e-6,
        drawing * 1e-6,
        # The loss; statistics of each batch normalisation, and their gradients back.
        barriers=1 + 2 * norms,
    )
    able = [count for count in PROCESSES if _can_share(batch_size, count)]
    shared = model_scaling(machine, batch_size, able)
    growing = model_scaling(machine, batch_size, grows=True)
    if json:
        print_json(_as_json(machine, batch_size, shared, growing))
        return
    grid = _grid(config.network, machine, batch_size, shared, growing)
    show_grids([grid], stdout(), markdown=markdown)


def _sizes(config: TrainingConfig) -> tuple[int, int]:
    """The number of parameters of a network, and of its batch normalisations."""
    from dae_tui.core.training.distributed import batch_norms
    from dae_tui.core.weights.weights_file import count_parameters
    from dae_tui.models.registry import build

    network = build(config.network, config.settings)
    return count_parameters(network), len(batch_norms(network))


def _as_json(
    machine: Machine, batch_size: int, shared: Sequence[Scaling], growing: Sequence[Scaling]
) -> dict[str, Any]:
    return {
        "machine": asdict(machine),
        "batch_size": batch_size,
        "shared": [asdict(each) for each in shared],
        "growing": [asdict(each) for each in growing],
    }


def _can_share(batch_size: int, processes: int) -> bool:
    """Whether dae train would let so many processes share a batch."""
    from dae_tui.core.training.distributed import Group

    try:
        Group(size=processes).check(batch_size)
    except UsageError:
        return False
    return True


def _grid(
    network: str,
    machine: Machine,
    batch_size: int,
    shared: Sequence[Scaling],
    growing: Sequence[Scaling],
) -> "Grid":
    """The table; it has no numbers where processes cannot share the batch equally."""
    from dae_tui.commands.benchmarking.speed_tables import Grid

    of_shared = {one.processes: _cells(one) for one in shared}
    rows = [
        (
            str(each.processes),
            *of_shared.get(each.processes, (NONE, NONE, NONE)),
            *_cells(each),
        )
        for each in growing
    ]
    columns = (
        "processes",
        f"images/s,\n{batch_size} shared",
        "efficiency",
        "waiting",
        f"images/s,\n{batch_size} each",
        "efficiency",
        "waiting",
    )
    remark = [
        f"{machine.parameters:,} parameters, {machine.bandwidth / 1e9:g} GB/s, "
        f"{machine.latency * 1e6:g} µs per message, {machine.drawing * 1e6:g} µs to draw an image: "
        f"a model. Doubling the processes pays off if it gives at least {PAYS:g} times the images "
        "per second.",
        _sentence(f"Sharing a batch of {batch_size}", shared),
        _sentence(f"A batch of {batch_size} each", growing),
    ]
    if len(shared) < len(growing):
        remark.append(f"{NONE}: the batch has no equal parts of two images or more.")
    return Grid(f"{network}: how many processes pay off", columns, rows, " ".join(remark))


def _cells(found: Scaling) -> tuple[str, str, str]:
    return (
        f"{found.images_per_second:,.0f}",
        f"{100 * found.efficiency:.0f} %",
        f"{100 * found.exchange:.0f} %",
    )


def _sentence(subject: str, found: Sequence[Scaling]) -> str:
    most = stops_paying(found) or found[-1].processes
    beyond = " and beyond" if most == PROCESSES[-1] else ""
    return f"{subject} pays off up to {most} processes{beyond}."
