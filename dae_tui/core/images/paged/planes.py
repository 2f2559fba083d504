"""The planes of an array of many axes, read and written box by box.

An array is stored in chunks, each of which may hold parts of many planes. To unpack a chunk once,
and not for each plane, planes are taken box by box: a box is as many of them as a chunk holds, or
fewer where they would take too much memory.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOX_BYTES = 1 << 26
"""Of the planes that are unpacked together."""


class Planes:
    """The order in which the planes of an array are taken."""

    def __init__(
        self, shape: Sequence[int], chunks: Sequence[int], plane_axes: int, itemsize: int
    ) -> None:
        """Plan it.

        Args:
            shape: of the array.
            chunks: the shape of what it is stored in.
            plane_axes: the last axes, which are a plane.
            itemsize: the bytes of a value.
        """
        self._axes = len(shape) - plane_axes
        self._lead = tuple(shape[: self._axes])
        self.plane = tuple(shape[self._axes :])
        bytes_ = math.prod(self.plane) * itemsize
        self._box = _box(self._lead, tuple(chunks[: self._axes]), bytes_)
        index = np.indices(self._lead, np.int32).reshape(self._axes, math.prod(self._lead))
        box = index // np.array(self._box, np.int32)[:, None]
        if self._axes:
            order = np.lexsort((*index[::-1], *box[::-1]))
            index = index[:, order]
        self._index = index.T

    def __len__(self) -> int:
        """How many planes there are."""
        return len(self._index)

    def index(self, number: int) -> tuple[int, ...]:
        """Where a plane lies along the other axes."""
        return tuple(self._index[number].tolist())

    def box(self, index: Sequence[int]) -> tuple[slice, ...]:
        """The box that a plane is in, by its place along the other axes."""
        return tuple(
            slice(at // side * side, min((at // side + 1) * side, end))
            for at, side, end in zip(index, self._box, self._lead, strict=True)
        )

    def inside(self, index: Sequence[int]) -> tuple[int, ...]:
        """Where it lies in its box."""
        return tuple(at % side for at, side in zip(index, self._box, strict=True))

    def ends_box(self, number: int) -> bool:
        """Whether a plane is the last of its box."""
        last = number + 1 == len(self)
        return last or self.box(self.index(number)) != self.box(self.index(number + 1))


def _box(lead: tuple[int, ...], chunks: tuple[int, ...], plane: int) -> tuple[int, ...]:
    """The shape of the boxes for planes of so many bytes."""
    box = [min(chunk, side) for chunk, side in zip(chunks, lead, strict=True)]
    while math.prod(box) * plane > BOX_BYTES and max(box, default=1) > 1:
        longest = box.index(max(box))
        box[longest] = -(-box[longest] // 2)
    # Many chunks of a few bytes are faster together.
    while box and box[-1] < lead[-1] and 8 * math.prod(box) * plane <= BOX_BYTES:
        box[-1] *= 2
    return tuple(box)


class PlaneReader:
    """Reads planes, and remembers the last box."""

    def __init__(self, array: Any, planes: Planes) -> None:
        self._array, self._planes = array, planes
        self._box: tuple[slice, ...] | None = None
        self._values: NDArray[Any] = np.empty(0)

    def read(self, index: Sequence[int]) -> NDArray[Any]:
        """A plane by its place along the other axes."""
        box = self._planes.box(index)
        if box != self._box:
            self._values = np.empty(0)  # Two boxes would be in memory otherwise.
            self._values = np.asarray(self._array[box])
            self._box = box
        values: NDArray[Any] = self._values[self._planes.inside(index)]
        return values


class PlaneWriter:
    """Takes all planes in the order of `Planes`, and writes a box when it is complete."""

    def __init__(self, array: Any, planes: Planes) -> None:
        self._array, self._planes = array, planes
        self._values: NDArray[Any] | None = None
        self._next = 0

    def write(self, plane: NDArray[Any]) -> None:
        """Take the next plane."""
        index = self._planes.index(self._next)
        box = self._planes.box(index)
        if self._values is None:
            sides = (part.stop - part.start for part in box)
            self._values = np.empty((*sides, *self._planes.plane), plane.dtype)
        self._values[self._planes.inside(index)] = plane
        if self._planes.ends_box(self._next):
            self._array[box] = self._values
            self._values = None
        self._next += 1
