"""A figure that may be missing, and then says why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """A figure, or the reason why there is none."""

    value: float | None
    reason: str = ""
