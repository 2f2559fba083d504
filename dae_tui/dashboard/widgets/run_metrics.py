"""The metrics of a run: losses, accuracy, speed, best epoch."""

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.content.learning import NOISY_LOSS, Learning
from dae_tui.dashboard.content.names import short
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.runs.event_files.tags import measures
from dae_tui.runs.folder.summary import duration, number
from dae_tui.runs.watching.run_watch import RunView
from dae_tui.system.printable import printable

NONE = "–"
WORDS = ("noise", "data", "net", "on")


class RunMetrics(Lines):
    """Pairs of a name and a value, two to a line; the most important come first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pairs: list[tuple[str, str]] = []

    def show(self, view: RunView, learning: Learning) -> None:
        self._pairs = metrics_of(view, learning)
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        dim = self.colour("text-muted")
        shown = self._pairs[: 2 * height]
        if not _fit_beside(shown, width):
            return [_pair(pair, dim, width) for pair in self._pairs[:height]]
        lengths = [cell_len(f"{name} {value}") for name, value in shown]
        # The left column may take what the right one does not need.
        left, right = max(lengths[::2], default=0), max(lengths[1::2], default=0)
        column = max(width // 2, min(left + 1, width - right))
        lines: list[Text | Strip] = []
        for start in range(0, len(shown), 2):
            pairs = shown[start : start + 2]
            rooms = (column - 1, width - column) if len(pairs) == 2 else (width,)
            cells = [_pair(pair, dim, room) for pair, room in zip(pairs, rooms, strict=True)]
            lines.append(Text(" ", no_wrap=True).join(cells))
        return lines


def _fit_beside(pairs: list[tuple[str, str]], width: int) -> bool:
    """Whether two pairs fit into a line, but for words such as the noise, which may be cut."""
    lengths = [cell_len(f"{name} {value}") for name, value in pairs if name not in WORDS]
    return max(lengths[::2], default=0) + 1 + max(lengths[1::2], default=0) <= width


def _pair(pair: tuple[str, str], dim: Style, width: int) -> Text:
    name, value = pair
    cell = Text.assemble((f"{name} ", dim), value, no_wrap=True)
    cell.truncate(width, overflow="ellipsis", pad=True)
    return cell


def metrics_of(view: RunView, learning: Learning) -> list[tuple[str, str]]:
    """Names and values of a run's metrics, the most important first."""
    if view.foreign:
        return _logged_of(view)
    status, summary = view.status, view.summary
    best = view.curves.best or {}
    noisy, test = learning.noisy_loss, summary.test_accuracy
    measured = [
        ("val acc.", _text(summary.val_accuracy, "{:.2f} %")),
        ("val noisy PSNR" if noisy else "val PSNR", _text(summary.val_psnr, "{:.1f} dB")),
    ]
    if summary.val_loss is not None:  # What the first validation does not measure, none will.
        measured = [(name, value) for name, value in measured if value != NONE]
    pairs = [
        (NOISY_LOSS if noisy else "train", _text(summary.loss, "{:.5f}")),
        ("val", _text(summary.val_loss, "{:.5f}")),
        *measured,
        # Of the test images, so not beside the PSNR of the validation images.
        *([] if test is None else [("test acc.", f"{test:.2f} %")]),
        ("best", _best(best)),
        ("time", NONE if summary.seconds is None else duration(summary.seconds)),
        ("step", _text(summary.step, "{:,.0f}")),
        ("lr", _text(number(status.get("lr")), "{:.2g}")),
        ("img/s", NONE if not summary.images_per_second else short(summary.images_per_second)),
        ("left", NONE if summary.seconds_left is None else duration(summary.seconds_left)),
        ("noise", learning.noise or NONE),
        ("data", (summary.data or NONE).rsplit("/", 1)[-1]),
        ("net", summary.network or NONE),
        ("prec.", str(status.get("precision") or NONE)),
    ]
    device = view.meta.get("device")
    if isinstance(device, str):
        pairs.append(("on", device))
    return [(name, printable(value)) for name, value in pairs]


def _logged_of(view: RunView) -> list[tuple[str, str]]:
    """The newest value of every tag that another program logs, losses first."""
    tags = [tag for each in measures(view.series).values() for tag in each]
    return [(printable(tag), f"{view.series[tag].last:.5g}") for tag in tags]


def _text(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)


def _best(best: dict[str, object]) -> str:
    """The lowest validation loss and its epoch."""
    epoch, loss = number(best.get("epoch")), number(best.get("val_loss"))
    if epoch is None:
        return NONE
    return f"{NONE if loss is None else f'{loss:.5f}'} ({epoch:.0f})"
