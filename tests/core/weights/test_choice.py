"""Which published weights an image is denoised with, where none were named."""

import pytest

from dae_tui.core.weights.choice import WeightsChoice, best_published
from dae_tui.spec.model_cards import published


@pytest.mark.parametrize(
    ("size", "sigma", "name"),
    [
        ((28, 28), 0.5, "mnist-unet"),
        ((28, 28), 0.4, "mnist-unet"),
        ((28, 28), 0.2, "mnist-unet-blind"),
        ((28, 28), 0.8, "mnist-unet-blind"),
        ((28, 28), 0.05, "photos-unet"),
        ((28, 29), 0.5, "photos-unet"),
        ((1000, 1500), 0.5, "photos-unet"),
    ],
)
def test_the_best_weights_are_those_for_the_size_and_the_noise(
    size: tuple[int, int], sigma: float, name: str
) -> None:
    assert best_published(*size, sigma) == published()[name]


def test_weights_that_were_named_are_taken_for_every_image() -> None:
    choice = WeightsChoice(published()["mnist-dense"])

    assert choice.weights_for(1000, 1500, 0.0).name == "mnist-dense"


def test_weights_are_loaded_once() -> None:
    choice = WeightsChoice()

    assert choice.weights_for(28, 28, 0.5) is choice.weights_for(28, 28, 0.4)
