"""The table of a benchmark as plain data: a row for each view, method and noise."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # The dashboard starts without NumPy.
    import numpy as np
    from numpy.typing import NDArray

from dae_tui.system.printable import shortened

# The noise of pairs, which was not added by this program.
AS_GIVEN = "as given"
# Which images of a folder are measured: those held out of training, or all.
TEST_SPLIT, ALL_IMAGES = SPLITS = ("test", "all")
TEXTS = ("view", "method", "noise", "setting")


@dataclass(frozen=True)
class BenchmarkRow:
    """One line of the table; None is a metric that does not apply."""

    view: str
    """`original`, `noisy` or `denoised`."""
    method: str | None
    """The method that denoised; for a noisy row, the oracle that replaced the classifier."""
    noise: str | None
    accuracy: float | None
    """The classifier's accuracy in percent; None without classifier or labels."""
    accuracy_low: float | None
    """Ends of the 95 % Wilson interval, percent."""
    accuracy_high: float | None
    psnr: float | None
    """dB, averaged over images; None for the originals, for which it is infinite."""
    ssim: float | None
    """Averaged over images; None below 7×7 pixels."""
    images_per_second: float | None
    """Of the method alone, with the images in memory; None if nothing is denoised."""
    psnr_fitted: float | None = None
    """dB after the gain and offset that fit each image best to its clean one; pairs only."""
    sharpness: float | None = None
    """The share of the original's edges that is kept, averaged over images."""
    edge_energy: float | None = None
    """The energy of the edges over that of the original, if requested."""
    edge_width: float | None = None
    """Pixels over which an edge rises from 10 to 90 %, if requested; not of noisy images."""
    difference: float | None = None
    """To the best method at this noise: points of accuracy, or dB without a classifier."""
    p_value: float | None = None
    """The probability that chance alone gives so large a difference, on the same images."""
    setting: str | None = None
    """The setting to which a filter was tuned."""
    parameters: int | None = None
    multiply_adds: int | None = None
    """Of a network, for one image."""
    peak_bytes: int | None = None
    """Memory that one image takes, without the parameters."""
    accuracy_spread: float | None = None
    """The standard deviation of the accuracy over the noise seeds, if there are several."""
    per_class: list[float | None] | None = None
    """Accuracy in percent for each class that has images, if requested."""
    confusion: list[list[int]] | None = None
    """How often each class (rows) was predicted as each (columns), if requested."""


@dataclass(frozen=True)
class Example:
    """The first test images in one view."""

    title: str
    """`original`, `noisy`, or the method."""
    images: "NDArray[np.uint8]"
    """(n, C, H, W)."""
    psnr: list[float] | None
    predictions: list[int] | None


@dataclass(frozen=True)
class Table:
    """A benchmark: its protocol, and a row per view, method and noise."""

    protocol: dict[str, Any]
    rows: list[BenchmarkRow]
    examples: list[Example] = field(default_factory=list)
    """At the first noise."""

    def as_json(self) -> dict[str, Any]:
        return {"protocol": self.protocol, "rows": [dataclasses.asdict(row) for row in self.rows]}

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "Table":
        """Read a result of `as_json`, without the examples; an older version may lack metrics.

        Raises ValueError for anything that is no table.
        """
        rows = [_row(row) for row in stored["rows"]]
        noise, images = stored["protocol"].get("noise"), stored["protocol"].get("images")
        listed = isinstance(noise, list) and all(isinstance(each, str) for each in noise)
        if not rows or not _is_count(images) or not (listed or isinstance(noise, str)):
            raise ValueError("it lacks rows, or does not say of which images and noise")
        for name, fits in (("seed", _is_count), ("seeds", _is_count), ("match_noisy", _is_number)):
            value = stored["protocol"].get(name)
            if value is not None and not fits(value):
                raise ValueError(f"its {name} is {shortened(repr(value))}")
        return Table(stored["protocol"], rows)


def _row(stored: dict[str, Any]) -> BenchmarkRow:
    """A row with its metrics as numbers and its names as text. Raises ValueError."""
    values = {each.name: stored.get(each.name) for each in dataclasses.fields(BenchmarkRow)}
    for name, value in values.items():
        if value is not None and not _KINDS.get(name, _is_number)(value):
            raise ValueError(f"its {name} is {shortened(repr(value))}")
    if values["view"] is None:
        raise ValueError("a row has no view")
    if (values["accuracy_low"] is None) != (values["accuracy_high"] is None):
        raise ValueError("a row has half an interval")
    return BenchmarkRow(**values)  # type: ignore[arg-type]


def _is_number(value: Any) -> bool:
    """Whether it is a finite number; integers beyond the range of floats are not."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


_KINDS: dict[str, Callable[[Any], bool]] = {
    **{name: lambda value: isinstance(value, str) for name in TEXTS},
    "per_class": lambda value: (
        isinstance(value, list) and all(each is None or _is_number(each) for each in value)
    ),
    "confusion": lambda value: (
        isinstance(value, list)
        and all(isinstance(row, list) and all(map(_is_count, row)) for row in value)
    ),
}


def rank(row: BenchmarkRow) -> tuple[float, float]:
    """The key by which methods are ranked: accuracy if there is any, then PSNR."""
    return row.accuracy or 0.0, row.psnr or 0.0
