"""Small files go through page by page in these tests."""

import pytest

from dae_tui.core.images.paged import paged_file


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paged_file, "PAGED_FROM", 500)
