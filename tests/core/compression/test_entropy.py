"""Entropy coding: codes come back exactly, take few bytes, and other bytes are refused."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.core.compression.entropy import (
    CONTEXTS,
    LARGEST,
    MOST_CODE,
    MOST_LIKELY,
    SYMBOLS,
    SYMBOLS_A_BYTE,
    Model,
    decode_codes,
    encode_codes,
    geometric_tables,
    predictions,
    undo_predictions,
)
from dae_tui.errors import DataError


def laplacian(
    shape: tuple[int, ...], sizes: NDArray[np.float64], seed: int = 0
) -> NDArray[np.int32]:
    rng = np.random.default_rng(seed)
    return np.rint(rng.laplace(size=shape) * sizes).astype(np.int32)


def model(sizes: NDArray[np.float64], predicted: NDArray[np.bool_] | None = None) -> Model:
    flags = np.zeros(len(sizes), bool) if predicted is None else predicted
    return Model(sizes, flags, geometric_tables())


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 1, 1, 8), (1, 5, 7, 8), (2, 1, 9, 8)])
@pytest.mark.parametrize("predicted", [False, True])
def test_codes_come_back(shape: tuple[int, int, int, int], predicted: bool) -> None:
    sizes = np.linspace(8, 0.1, shape[-1])
    codes = laplacian(shape, sizes)
    made = model(sizes, np.arange(shape[-1]) % 2 == int(not predicted))
    assert np.array_equal(decode_codes(encode_codes(codes, made), shape, made), codes)


def test_large_codes_come_back_too() -> None:
    codes = np.array([0, LARGEST, LARGEST + 1, -LARGEST - 1, MOST_CODE, -MOST_CODE], np.int32)
    codes = codes.reshape(1, 2, 3, 1)
    made = model(np.array([1.0]))
    assert np.array_equal(decode_codes(encode_codes(codes, made), codes.shape, made), codes)


def test_codes_take_little_more_than_their_entropy() -> None:
    sizes = np.full(8, 2.0)
    codes = laplacian((1, 64, 64, 8), sizes)
    _, counts = np.unique(codes, return_counts=True)
    share = counts / codes.size
    entropy = -float((share * np.log2(share)).sum()) * codes.size / 8
    assert entropy < len(encode_codes(codes, model(sizes))) < 1.06 * entropy


def test_active_patches_next_to_each_other_take_less() -> None:
    rng = np.random.default_rng(0)
    activity = np.repeat([0.1, 3.0], 32)[None, None, :, None]
    codes = np.rint(rng.laplace(size=(1, 64, 64, 8)) * activity).astype(np.int32)
    mixed = codes.reshape(-1, 8)[rng.permutation(64 * 64)].reshape(codes.shape)
    alone = np.stack([rng.permutation(mixed[..., u].ravel()) for u in range(8)], -1)
    made = model(np.full(8, 1.5))
    together = len(encode_codes(codes, made))
    assert together < 0.9 * len(encode_codes(alone.reshape(codes.shape), made))


def test_smooth_codes_are_predicted() -> None:
    ramp = np.add.outer(np.arange(20), np.arange(30)).astype(np.int32)[None]
    rest = ramp - predictions(ramp)
    assert np.abs(rest).max() <= 1
    assert np.array_equal(undo_predictions(rest), ramp)


def test_probabilities_are_positive_and_leave_room() -> None:
    tables = geometric_tables()
    assert tables.shape == (CONTEXTS, SYMBOLS)
    assert tables.min() > 0
    assert tables.sum(1) == pytest.approx(1, abs=1e-3)
    # So a byte holds fewer symbols than a file is believed to hold.
    likeliest = MOST_LIKELY + (1 - MOST_LIKELY) / SYMBOLS
    assert tables.max() <= likeliest + 1e-6
    assert 8 / -math.log2(likeliest) < SYMBOLS_A_BYTE


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\xff" * 40, bytes(range(64))])
def test_other_bytes_are_codes_or_an_error(content: bytes) -> None:
    made = model(np.full(4, 2.0), np.array([True, False, False, False]))
    try:
        codes = decode_codes(content, (1, 4, 4, 4), made)
    except DataError:
        return
    assert codes.shape == (1, 4, 4, 4)
    assert np.abs(codes).max() <= MOST_CODE + 1


def test_too_few_bytes_for_the_claim_are_refused_at_once() -> None:
    with pytest.raises(DataError, match="too short"):
        decode_codes(b"\0" * 8, (1, 10**4, 10**4, 8), model(np.full(8, 0.1)))
