"""The variance of measured noise over the intensity, as a figure."""

from pathlib import Path

from dae_tui.core.evaluation.figures.benchmark_figures import axes_of, finish, save
from dae_tui.core.noise.measured.measurement import Measurement


def write_variance_figure(path: Path, found: Measurement) -> None:
    """Write a figure of the variance over the intensity, measured and by the spec.

    The ending of `path` says the format: see `figures.FORMATS`. Raises OSError.
    """
    figure, axes = axes_of(6, 4)
    axes.plot(found.intensities, found.variances * 255**2, "o", label="measured")
    axes.plot(found.intensities, found.fitted * 255**2, label=str(found.spec))
    axes.set_ylim(bottom=0)
    finish(axes, "intensity", "variance, of 255²")
    save(figure, path)
