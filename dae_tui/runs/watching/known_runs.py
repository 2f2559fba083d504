"""What was read of several runs, each file again only where it has changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from dae_tui.runs.folder.layout import METRICS
from dae_tui.runs.folder.reader import Run, Stamp
from dae_tui.runs.watching.curves import Curves, OverviewFollower


class KnownRuns:
    """Curves and configs. One thread at a time may ask."""

    def __init__(self) -> None:
        self._curves: dict[str, tuple[Stamp, OverviewFollower]] = {}
        self._configs: dict[str, Mapping[str, Any]] = {}

    def curves(self, run: Run) -> Curves:
        """The curves of a run: of a long one an overview. What is added is added to them."""
        run.want(curves_only=True)
        stamp = run.stamp(METRICS)
        before, follower = self._curves.get(run.key, (None, None))
        if follower is None or stamp is None:  # Without a file there are no curves.
            follower = OverviewFollower(run)
        elif stamp != before:
            follower.read()
        self._curves[run.key] = stamp, follower
        return follower.curves

    def config(self, run: Run) -> Mapping[str, Any]:
        """The config of a run, which never changes; empty until it can be read."""
        config = self._configs.get(run.key) or run.config()
        if config:
            self._configs[run.key] = config
        return config

    def forget_all_but(self, runs: Iterable[Run]) -> None:
        """Forget the curves of other runs, which may be large."""
        keys = {run.key for run in runs}
        self._curves = {key: known for key, known in self._curves.items() if key in keys}
