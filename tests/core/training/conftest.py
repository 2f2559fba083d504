"""Digits that a test can train with in a second."""

import pytest

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.data.load_data import load


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return load("digits", "train", tmp_path_factory.mktemp("data")).select(slice(200))
