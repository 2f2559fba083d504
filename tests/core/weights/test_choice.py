"""Which published weights an image is denoised with, where none were named."""

import pytest

from dae_tui.core.weights.choice import WeightsChoice, best_published
from dae_tui.spec.model_cards import published


@pytest.mark.parametrize(
    ("size", "sigma", "channels", "name"),
    [
        ((28, 28), 0.5, 1, "mnist-unet"),
        ((28, 28), 0.4, 1, "mnist-unet"),
        ((28, 28), 0.4, 3, "mnist-unet"),
        ((28, 28), 0.2, 1, "mnist-unet-blind"),
        ((28, 28), 0.8, 1, "mnist-unet-blind"),
        ((28, 28), 0.05, 1, "photos-unet"),
        ((28, 29), 0.5, 1, "photos-unet"),
        ((1000, 1500), 0.5, 1, "photos-unet"),
        ((1000, 1500), 0.5, 3, "photos-unet-colour"),
        ((1000, 1500), 0.5, 4, "photos-unet"),
    ],
)
def test_the_best_weights_are_those_for_the_size_the_noise_and_the_channels(
    size: tuple[int, int], sigma: float, channels: int, name: str
) -> None:
    assert best_published(*size, sigma, channels) == published()[name]


@pytest.mark.parametrize("sigma", [0.0, 0.06, 0.5])
def test_digits_with_other_noise_have_weights_for_all_kinds_at_any_level(sigma: float) -> None:
    found = best_published(28, 28, sigma, gaussian=False)
    assert found == published()["mnist-blind-all"]
    # Other images have none.
    assert best_published(28, 29, sigma, gaussian=False) == published()["photos-unet"]


def test_colour_has_weights_of_one_channel_to_fall_back_on() -> None:
    choice = WeightsChoice()

    def names(channels: int, *, page: bool = False) -> list[list[str]]:
        found = choice.candidates(300, 400, 0.1, channels=channels, page=page)
        return [[weights.name for weights in each] for each in (found.weights, found.one_channel)]

    assert names(1) == [["photos-unet"], []]
    assert names(3) == [["photos-unet-colour"], ["photos-unet"]]
    assert names(4) == [["photos-unet"], []]
    assert names(3, page=True) == [
        ["pages-unet", "photos-unet-colour"],
        ["pages-unet", "photos-unet"],
    ]


def test_weights_that_were_named_are_taken_for_every_image() -> None:
    found = WeightsChoice(published()["mnist-dense"]).candidates(1000, 1500, 0.0)
    assert [weights.name for weights in found.weights] == ["mnist-dense"]
    assert found.named
    assert not found.know_levels
    takes_level = WeightsChoice(published()["photos-unet"]).candidates(28, 28, 0.5)
    assert takes_level.named and takes_level.know_levels


def test_weights_for_any_image_are_candidates_for_digits_too() -> None:
    choice = WeightsChoice()
    digits = choice.candidates(28, 28, 0.5)
    assert digits.weights[0].name == "mnist-unet"
    assert "photos-unet" in [weights.name for weights in digits.weights[1:]]
    others = choice.candidates(100, 90, 0.5)
    assert {weights.metadata["data"] for weights in others.weights} == {"bsds432"}
    assert not digits.named and digits.know_levels


def test_weights_are_loaded_once() -> None:
    choice = WeightsChoice()
    first, second = (choice.candidates(28, 28, sigma).weights[0] for sigma in (0.5, 0.4))
    assert first is second


def test_weights_that_learnt_from_pairs_are_for_what_may_be_a_cameras_photograph_alone() -> None:
    choice = WeightsChoice()
    others = choice.candidates(512, 512, 0.02)
    camera = choice.candidates(512, 512, 0.02, camera=True)
    assert others.cameras == ()
    assert {weights.name: weights.channels for weights in camera.cameras} == {
        "camera-unet": 3,
        "camera-unet-grey": 1,
    }
    assert camera.weights == others.weights
    assert all(weights.metadata["noise"] != "none" for weights in others.weights)
