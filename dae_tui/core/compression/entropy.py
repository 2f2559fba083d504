"""Entropy coding of codes by a range coder (constriction), with probabilities from contexts.

Codes are coded unit by unit, each for all patches at once. What is known by then, of the patch
itself and of its four neighbours, says how active it is; together with the usual size of the unit's
codes that selects one of some hundred tables of probabilities. All of it is arithmetic of integers,
so that every machine finds the same tables.
"""

import math
from functools import cache
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from dae_tui.errors import DataError

LARGEST = 63
"""Codes up to this size have a symbol each; the last symbol announces a larger one."""
SYMBOLS = 2 * LARGEST + 2
_ESCAPED_BITS = 20
MOST_CODE = 2 ** (_ESCAPED_BITS - 1) - 1
"""The largest code there is."""
_LEAST_LEVEL, _MOST_LEVEL = -12, 14
"""Levels of usual size: 2^(level / 2)."""
LEVELS = _MOST_LEVEL - _LEAST_LEVEL + 1
_ACTIVITY = tuple(2 ** (number / 2) for number in range(-4, 5))
"""The bounds between levels of activity: shares of what is usual."""
ACTIVITIES = len(_ACTIVITY) + 1
CONTEXTS = LEVELS * ACTIVITIES
MOST_LIKELY = 1 - 2.0**-9
"""No symbol is likelier, so that a file of some bytes cannot hold any number of codes."""
SYMBOLS_A_BYTE = 3000
"""More symbols than a byte can hold: 8 / −log2(MOST_LIKELY)."""
_OWN, _NEAR = 24, 8
"""How many earlier units of a patch, and of its neighbours, tell its activity."""
_UNIT = 1024

Codes = NDArray[np.int32]


@cache
def geometric_tables() -> NDArray[np.float32]:
    """Tables (CONTEXTS, SYMBOLS) of two-sided geometric distributions, for want of learnt ones."""
    sizes = np.abs(np.arange(-LARGEST, LARGEST + 1))
    tables = np.empty((CONTEXTS, SYMBOLS))
    for level in range(LEVELS):
        for activity in range(ACTIVITIES):
            usual = 2.0 ** ((level + _LEAST_LEVEL) / 2 + 0.8 * (activity - ACTIVITIES // 2) / 2)
            decay = math.exp(-1 / usual) if usual > 0.05 else 1e-9
            # Codes are rounded towards zero: the middle is wider.
            middle = 1 - math.exp(-0.64 / usual) if usual > 0.02 else 1.0
            rest = (1 - middle) * (1 - decay) / 2
            table = np.where(sizes == 0, middle, rest * decay ** np.maximum(sizes - 1, 0))
            tables[level * ACTIVITIES + activity, :-1] = table
            tables[level * ACTIVITIES + activity, -1] = 1 - table.sum()
    return limited(tables)


def limited(tables: NDArray[np.floating]) -> NDArray[np.float32]:
    """Tables of probabilities, (…, SYMBOLS), none of which is 0 or above `MOST_LIKELY`."""
    floor = (1 - MOST_LIKELY) / SYMBOLS
    positive = np.maximum(tables, 0)
    total = positive.sum(-1, keepdims=True)
    normal = np.where(total > 0, positive / np.maximum(total, 1e-30), 1 / SYMBOLS)
    # Mixed with an even distribution, which leaves at most MOST_LIKELY + floor.
    mixed: NDArray[np.float32] = (normal * MOST_LIKELY + floor).astype(np.float32)
    return mixed


class Model:
    """The probabilities of the codes of some units."""

    def __init__(
        self, usual: NDArray[np.float64], predicted: NDArray[np.bool_], tables: NDArray[np.float32]
    ) -> None:
        """Prepare the tables.

        Args:
            usual: the mean size of the codes of each unit before rounding, (x,); of predicted
                units, that of what the prediction leaves.
            predicted: which units are predicted from the patches above and to the left, (x,).
            tables: probabilities, (CONTEXTS, SYMBOLS).
        """
        bounds = [2.0 ** ((level - 0.5) / 2) for level in range(_LEAST_LEVEL + 1, _MOST_LEVEL + 1)]
        self._levels = np.searchsorted(bounds, usual)
        self._usual = np.array([_mean_size(int(level)) for level in self._levels], dtype=np.int64)
        self.predicted = predicted
        self._tables = tables
        self._made: dict[int, Any] = {}

    def contexts(self, unit: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The context of each patch for a unit, (N, rows, columns), from the sizes of earlier ones.

        `sizes` is (N, rows, columns, x), filled up to the unit before; predicted units are 0.
        """
        counted = ~self.predicted
        own, near = max(0, unit - _OWN), max(0, unit - _NEAR)
        usual = int((self._usual * counted)[own:unit].sum())
        beside = int((self._usual * counted)[near:unit].sum())
        found = 10 * sizes[..., own:unit].sum(-1)
        around = sizes[..., near:unit].sum(-1)
        neighbours = np.zeros_like(found)
        for axis in (1, 2):
            for here, there in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
                place = [slice(None)] * 3
                other = [slice(None)] * 3
                place[axis], other[axis] = here, there
                found[tuple(place)] += 4 * around[tuple(other)]
                neighbours[tuple(place)] += 1
        expected = 10 * usual + 4 * beside * neighbours
        activity = np.full(found.shape, ACTIVITIES // 2, dtype=np.int64)
        if expected.any():
            activity = np.zeros(found.shape, dtype=np.int64)
            for bound in _ACTIVITY:
                activity += found * _UNIT * _UNIT > expected * round(bound * _UNIT)
        return activity + int(self._levels[unit]) * ACTIVITIES

    def table(self, context: int) -> Any:
        """The library's model of a context."""
        if context not in self._made:
            self._made[context] = constriction.stream.model.Categorical(
                self._tables[context], perfect=False
            )
        return self._made[context]


def _mean_size(level: int) -> int:
    """The mean size of rounded codes in 1/1024, at a level of the mean size before rounding."""
    usual = 2.0 ** ((level + _LEAST_LEVEL) / 2)
    decay = math.exp(-1 / usual)
    return max(4, round(_UNIT * math.exp(-0.64 / usual) / (1 - decay)))


_ESCAPE = constriction.stream.model.Uniform(2**_ESCAPED_BITS)


def encode_codes(codes: Codes, model: Model) -> bytes:
    """Codes (N, rows, columns, x), of sizes up to `MOST_CODE`, as bytes."""
    encoder = constriction.stream.queue.RangeEncoder()
    sizes = np.zeros(codes.shape, dtype=np.int64)
    for unit in range(codes.shape[-1]):
        values = codes[..., unit]
        if model.predicted[unit]:
            values = values - predictions(values)
        else:
            sizes[..., unit] = np.minimum(np.abs(values), LARGEST)
        escaped = np.abs(values) > LARGEST
        symbols = np.where(escaped, SYMBOLS - 1, values + LARGEST).astype(np.int32)
        contexts = model.contexts(unit, sizes)
        for context in np.unique(contexts):
            encoder.encode(symbols[contexts == context], model.table(int(context)))
        if escaped.any():
            shifted = (values[escaped] + 2 ** (_ESCAPED_BITS - 1)).astype(np.int32)
            encoder.encode(shifted, _ESCAPE)
    words: NDArray[np.uint32] = encoder.get_compressed()
    return words.astype("<u4").tobytes()


def decode_codes(content: bytes, shape: tuple[int, int, int, int], model: Model) -> Codes:
    """The codes (N, rows, columns, x) of `encode_codes`. Raises DataError for other bytes."""
    if len(content) % 4:
        raise DataError("its codes are cut off")
    if math.prod(shape) > SYMBOLS_A_BYTE * (len(content) + 8):
        raise DataError("it is too short for what it claims to hold")
    words = np.frombuffer(content, dtype="<u4").astype(np.uint32)
    decoder = constriction.stream.queue.RangeDecoder(words)
    codes = np.zeros(shape, dtype=np.int32)
    sizes = np.zeros(shape, dtype=np.int64)
    for unit in range(shape[-1]):
        contexts = model.contexts(unit, sizes)
        values = np.empty(shape[:-1], dtype=np.int32)
        for context in np.unique(contexts):
            chosen = contexts == context
            symbols = _decoded(decoder, model.table(int(context)), int(chosen.sum()))
            values[chosen] = symbols - LARGEST
        escaped = values == SYMBOLS - 1 - LARGEST
        if escaped.any():
            shifted = _decoded(decoder, _ESCAPE, int(escaped.sum()))
            values[escaped] = shifted - 2 ** (_ESCAPED_BITS - 1)
        if model.predicted[unit]:
            codes[..., unit] = undo_predictions(values)
        else:
            codes[..., unit] = values
            sizes[..., unit] = np.minimum(np.abs(values), LARGEST)
    return codes


def _decoded(decoder: Any, model: Any, count: int) -> NDArray[np.int32]:
    try:
        symbols: NDArray[np.int32] = decoder.decode(model, count)
    except AssertionError as failure:  # So the library tells bits that no encoder writes.
        raise DataError("its codes are damaged") from failure
    return symbols


def predictions(values: Codes) -> Codes:
    """What each code (N, rows, columns) is predicted to be, from those above and to the left.

    The median of the left, the upper, and left + upper − upper left one, as in JPEG-LS.
    """
    found = np.zeros_like(values)
    found[:, 0, 1:] = values[:, 0, :-1]
    found[:, 1:, 0] = values[:, :-1, 0]
    left, upper, corner = values[:, 1:, :-1], values[:, :-1, 1:], values[:, :-1, :-1]
    low, high = np.minimum(left, upper), np.maximum(left, upper)
    found[:, 1:, 1:] = np.clip(left + upper - corner, low, high)
    return found


def undo_predictions(rest: Codes) -> Codes:
    """The codes (N, rows, columns) whose differences from `predictions` are `rest`."""
    codes = np.empty_like(rest)
    for number, image in enumerate(rest.tolist()):
        above: list[int] = []
        for place, row in enumerate(image):
            made: list[int] = []
            for column, difference in enumerate(row):
                if not place:
                    guess = made[-1] if made else 0
                elif not column:
                    guess = above[0]
                else:
                    left, upper = made[-1], above[column]
                    guess = min(max(left + upper - above[column - 1], min(left, upper)),
                                max(left, upper))  # fmt: skip
                # Damaged codes may not run away.
                made.append(max(-MOST_CODE, min(MOST_CODE, guess + difference)))
            codes[number, place] = made
            above = made
    return codes
