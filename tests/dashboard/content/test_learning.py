"""What a run learns from, as its config tells."""

from pathlib import Path
from typing import Any

import pytest

from dae_tui.dashboard.content.learning import Learning, learning_of, noise_words

UNET = {"network": "unet", "noise": "none"}


@pytest.mark.parametrize(
    ("config", "supervision", "noise", "target"),
    [
        ({}, "clean", "", "original"),
        ({"network": "unet", "data": "mnist", "noise": "gaussian:1"}, "clean", "gaussian:1", ""),
        ({**UNET, "data": "/gone"}, "pairs", "as given", "clean"),
        ({**UNET, "data": "x", "noisy": "y"}, "pairs", "as given", "clean"),
        ({**UNET, "data": "x", "supervision": "pairs"}, "pairs", "as given", "clean"),
        ({**UNET, "data": "x", "takes": "pages"}, "noise2noise", "noise2noise", "other take"),
        (
            {**UNET, "data": "x", "supervision": "noise2noise"},
            "noise2noise",
            "noise2noise",
            "other take",
        ),
        ({"network": "classifier", "data": "mnist", "noise": "none"}, "clean", "none", "original"),
    ],
)
def test_a_config_says_what_is_learnt_from(
    config: dict[str, Any], supervision: str, noise: str, target: str
) -> None:
    learning = learning_of(config)

    assert (learning.supervision, learning.noise) == (supervision, noise)
    assert learning.target == (target or "original")
    assert learning.noisy_loss == (supervision == "noise2noise")


@pytest.mark.parametrize("supervision", ["noise2self", "neighbor2neighbor"])
def test_noisy_images_alone_have_no_other_image(supervision: str) -> None:
    learning = learning_of({**UNET, "data": "x", "supervision": supervision})

    assert learning == Learning(supervision, supervision)
    assert learning.noisy_loss
    assert learning.target == ""


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(("clean", "noisy"), "pairs"), (("a", "b"), "noise2noise"), (("a",), "clean")],
)
def test_without_a_word_the_folder_decides(
    tmp_path: Path, parts: tuple[str, ...], expected: str
) -> None:
    for part in parts:
        (tmp_path / part).mkdir()
    config = {"network": "unet", "noise": "gaussian:1", "data": str(tmp_path)}

    assert learning_of(config).supervision == expected
    assert learning_of({**config, "supervision": "auto"}).supervision == expected


@pytest.mark.parametrize("garbage", [5, [], {}, None, True, "\0"])
def test_garbage_is_a_training_on_clean_images(garbage: object) -> None:
    keys = ("network", "data", "noise", "noisy", "takes", "supervision")

    assert not learning_of(dict.fromkeys(keys[:5], garbage)).noisy_loss
    assert isinstance(noise_words(dict.fromkeys(keys, garbage)), str)
