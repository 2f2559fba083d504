"""HEIF is known for what it is, and refused with a way out."""

import pytest

from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.errors import DataError


def test_heif_is_refused_with_a_hint() -> None:
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    assert kind_of_content(content) == "heif"
    with pytest.raises(DataError, match="HEIF") as failure:
        read(content, "a.heic")
    assert "convert it" in failure.value.hint
