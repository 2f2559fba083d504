"""White for black, for every type that images are stored in."""

from typing import Any

import numpy as np
import pytest

from dae_tui.core.images.codecs.conversions import swapped


@pytest.mark.parametrize(
    ("dtype", "stored", "other"),
    [
        ("?", [True, False], [False, True]),
        ("u1", [0, 250], [255, 5]),
        (">u2", [0, 65530], [65535, 5]),
        ("<u4", [0, 5], [2**32 - 1, 2**32 - 6]),
        ("u8", [0, 5], [2**64 - 1, 2**64 - 6]),
        ("i1", [-128, 5], [127, -6]),
        (">i2", [-32768, 0], [32767, -1]),
        ("i8", [-(2**63), 0], [2**63 - 1, -1]),
        (">f4", [0.0, 0.75], [1.0, 0.25]),
        ("f8", [1.0, -0.5], [0.0, 1.5]),
    ],
)
@pytest.mark.parametrize("alpha", [False, True])
def test_swapped(dtype: str, stored: list[Any], other: list[Any], alpha: bool) -> None:
    values = np.array([[stored, stored]], dtype).reshape(1, 2, 2)
    before = values.copy()
    found = swapped(values, alpha)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found[..., 0], other[0])
    np.testing.assert_array_equal(found[..., 1], stored[1] if alpha else other[1])
    np.testing.assert_array_equal(values, before)
