"""A measured value that may be missing, with the reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """A value, or the reason why there is none."""

    value: float | None
    reason: str = ""
