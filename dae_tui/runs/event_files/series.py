"""Values over steps that grow by thousands at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Series:
    """Values over ascending steps, in memory that doubles when it is full."""

    def __init__(self) -> None:
        self._steps, self._values = np.empty(64), np.empty(64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, steps: Floats, values: Floats) -> None:
        """Append values, (N,) both. Steps that a resumed training repeats replace earlier ones."""
        if not len(steps):
            return
        # Kept is what no later value has the step of, or one before.
        after = np.append(np.minimum.accumulate(steps[::-1])[::-1][1:], np.inf)
        kept = steps < after
        if not kept.all():
            steps, values = steps[kept], values[kept]
        steps_before, _ = self.arrays()
        first = int(np.searchsorted(steps_before, steps[0]))
        end = first + len(steps)
        # What is drawn may be a view of this memory: where values change, they get another one.
        if end > len(self._steps) or first < self._count:
            room = max(64, 2 * end)
            self._steps, self._values = (
                np.concatenate([each[:first], np.empty(room - first)])
                for each in (self._steps, self._values)
            )
        self._steps[first:end], self._values[first:end] = steps, values
        self._count = end

    def arrays(self) -> tuple[Floats, Floats]:
        """Steps and values, (N,) each, which never change."""
        return self._steps[: self._count], self._values[: self._count]

    @property
    def last(self) -> float:
        """The newest value."""
        return float(self._values[self._count - 1])
