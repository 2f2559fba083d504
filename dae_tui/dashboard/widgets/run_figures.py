"""The figures of a run: losses, accuracy, speed, best."""

from rich.cells import cell_len
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.runs.summary import duration, number
from dae_tui.runs.watching.run_watch import RunView
from dae_tui.system.printable import printable

NONE = "–"


class Figures(Lines):
    """Pairs of a name and a figure, two to a line; the most important come first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pairs: list[tuple[str, str]] = []

    def show(self, view: RunView) -> None:
        self._pairs = figures_of(view)
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        dim = self.colour("text-muted")
        shown = self._pairs[: 2 * height]
        lengths = [cell_len(f"{name} {figure}") for name, figure in shown]
        # The left column may take of the right one what that does not need.
        left, right = max(lengths[::2], default=0), max(lengths[1::2], default=0)
        column = max(width // 2, min(left + 1, width - right - 1))
        lines: list[Text | Strip] = []
        for start in range(0, len(shown), 2):
            text = Text(no_wrap=True)
            pairs = shown[start : start + 2]
            room = column - 1 if len(pairs) == 2 else width
            for name, figure in pairs:
                cell = Text.assemble((f"{name} ", dim), figure)
                cell.truncate(room, overflow="ellipsis", pad=True)
                text.append_text(cell)
                text.append(" ")
            lines.append(text)
        return lines


def figures_of(view: RunView) -> list[tuple[str, str]]:
    """Names and figures of a run, the most important first."""
    status, summary = view.status, view.summary
    best = view.curves.best or {}
    pairs = [
        ("train", _figure(summary.loss, "{:.5f}")),
        ("val", _figure(summary.val_loss, "{:.5f}")),
        (
            "test" if summary.test_accuracy is not None else "denoised",
            _figure(summary.accuracy, "{:.2f} %"),
        ),
        ("PSNR", _figure(summary.val_psnr, "{:.2f} dB")),
        ("best", _best(best)),
        ("time", NONE if summary.seconds is None else duration(summary.seconds)),
        ("step", _figure(summary.step, "{:,.0f}")),
        ("lr", _figure(number(status.get("lr")), "{:.2g}")),
        ("img/s", _figure(summary.images_per_second, "{:,.0f}")),
        ("left", NONE if summary.seconds_left is None else duration(summary.seconds_left)),
        ("noise", summary.noise or NONE),
        ("data", (summary.data or NONE).rsplit("/", 1)[-1]),
        ("net", summary.network or NONE),
        ("prec.", str(status.get("precision") or NONE)),
    ]
    device = view.meta.get("device")
    if isinstance(device, str):
        pairs.append(("on", device))
    return [(name, printable(figure)) for name, figure in pairs]


def _figure(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)


def _best(best: dict[str, object]) -> str:
    """The lowest held-out loss and its epoch."""
    epoch, loss = number(best.get("epoch")), number(best.get("val_loss"))
    if epoch is None:
        return NONE
    return f"{NONE if loss is None else f'{loss:.5f}'} ({epoch:.0f})"
