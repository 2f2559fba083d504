"""Files in gzip: unpacked within limits, and packed again."""

import gzip

import pytest

from dae_tui.core.images.codecs.science.gzipped import bounds_of, packed_like, start_of, unpacked
from dae_tui.errors import DataError

PLAIN = bytes(range(250)) * 9
PACKED = gzip.compress(PLAIN)


@pytest.mark.parametrize("content", [PLAIN, PACKED], ids=["plain", "packed"])
def test_both_forms(content: bytes) -> None:
    assert start_of(content, 20) == PLAIN[:20]
    assert unpacked(content, len(PLAIN) + 1, "x") == PLAIN
    made = packed_like(PLAIN, content)
    assert unpacked(made, len(PLAIN) + 1, "x") == PLAIN
    assert (made == PLAIN) == (content == PLAIN)
    least, most = bounds_of(len(PLAIN), content)
    assert least <= len(content) <= most


@pytest.mark.parametrize(
    "content", [PACKED[:-1], gzip.compress(bytes(10**6))], ids=["broken", "too large"]
)
def test_broken_and_too_large_ones(content: bytes) -> None:
    with pytest.raises(DataError, match="broken gzip file, or holds more"):
        unpacked(content, len(PLAIN), "x")
