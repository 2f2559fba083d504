"""`dae benchmark scaling`: how many processes pay, by a cost model."""

from dataclasses import asdict
from typing import Annotated

import typer

from commands.options import JsonOption
from dae_tui.core.config import default_config
from dae_tui.core.speed.scaling import Machine, Scaling, model_scaling, stops_paying


def scaling(
    images_per_second: Annotated[
        float,
        typer.Option(min=1, help="Of one process, as dae train and dae benchmark speed print it."),
    ],
    network: Annotated[
        str, typer.Argument(help="Whose gradients are exchanged: autoencoder, unet, …")
    ] = "autoencoder",
    batch_size: Annotated[
        int, typer.Option(min=2, help="Images of a step, of all together.")
    ] = 100,
    bandwidth: Annotated[
        float, typer.Option(min=0.001, help="GB a second between processes.")
    ] = 10.0,
    latency: Annotated[float, typer.Option(min=0, help="Microseconds of a message.")] = 20.0,
    drawing: Annotated[
        float, typer.Option(min=0, help="Microseconds in which an image gets its noise.")
    ] = 0.1,
    json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Say how many processes pay before they are started. This is a model and no measurement.

    A step takes what its share of the batch takes to compute, and what the exchange of gradients
    (a ring all-reduce) takes beyond the backward pass, behind which it is hidden.
    """
    config = default_config(network)
    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from commands.speed_tables import Grid, show_grids
    from commands.terminal import print_json, stdout
    from dae_tui.core.distributed import batch_norms
    from dae_tui.core.weights import count_parameters
    from models.registry import build

    built = build(config.network, config.settings)
    parameters, norms = count_parameters(built), len(batch_norms(built))
    machine = Machine(
        images_per_second,
        parameters,
        bandwidth * 1e9,
        latency * 1e-6,
        drawing * 1e-6,
        # The loss; statistics of each batch normalisation, and their gradients back.
        barriers=1 + 2 * norms,
    )
    shared = model_scaling(machine, batch_size)
    growing = model_scaling(machine, batch_size, grows=True)
    if json:
        print_json(
            {
                "machine": asdict(machine),
                "batch_size": batch_size,
                "shared": [asdict(each) for each in shared],
                "growing": [asdict(each) for each in growing],
            }
        )
        return
    rows = [
        (str(one.processes), *_cells(one), *_cells(other))
        for one, other in zip(shared, growing, strict=True)
    ]
    columns = (
        "processes",
        f"images/s, {batch_size} shared",
        "efficiency",
        "waiting",
        f"images/s, {batch_size} each",
        "efficiency",
        "waiting",
    )
    remark = " ".join(
        [
            f"{parameters:,} parameters, {bandwidth:g} GB/s, {latency:g} µs a message, "
            f"{drawing:g} µs an image to draw: a model.",
            _sentence(f"A batch of {batch_size} that is shared", shared),
            _sentence(f"A batch of {batch_size} each", growing),
        ]
    )
    grid = Grid(f"{config.network}: how many processes pay", columns, rows, remark)
    show_grids([grid], stdout(), markdown=markdown)


def _cells(found: Scaling) -> tuple[str, str, str]:
    return (
        f"{found.images_per_second:,.0f}",
        f"{100 * found.efficiency:.0f} %",
        f"{100 * found.exchange:.0f} %",
    )


def _sentence(subject: str, found: list[Scaling]) -> str:
    most = stops_paying(found)
    if most is None:
        return f"{subject} pays up to {found[-1].processes} and beyond."
    return f"{subject} pays up to {most}."
