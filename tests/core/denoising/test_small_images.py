"""Small images of many files and pages through a network, one by one and together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noisy_pictures import grey
from numpy.typing import NDArray

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.denoising import denoise_stack as stacks
from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.denoise_stack import candidates_for, denoise_stack
from dae_tui.core.denoising.denoised import Denoised
from dae_tui.core.denoising.examination import Examination, examine, examine_small
from dae_tui.core.denoising.small_images import denoise_small
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import find_range
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import DenoiseOptions
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise

FP32 = Compute(precision="fp32")
OPTIONS = DenoiseOptions()


@pytest.fixture(scope="module")
def autoencoder() -> WeightsChoice:
    return WeightsChoice(published()["mnist-autoencoder"])


def pages() -> list[Stack]:
    """Pages of two sizes and three types, light and dark, with weak and strong noise, mixed."""
    draw = np.random.default_rng(0)

    def page(size: int, sigma: float, dark: bool, kind: str) -> Stack:
        clean = np.kron(draw.integers(0, 2, (size // 4, size // 4)), np.ones((4, 4)))
        noisy = clean * 0.3 + dark * 0.6 + draw.normal(0, sigma, clean.shape)
        values: NDArray[np.generic] = noisy.clip(0, 1).astype("f4")
        values.flat[0] = 1  # So that 16 bits are all of them.
        if np.dtype(kind).kind == "u":
            values = (values * np.iinfo(kind).max).astype(kind)
        return Stack(values[None, ..., None])

    return [
        page(size, sigma, dark, kind)
        for size in (12, 16)
        for dark in (True, False)
        for sigma in (0.02, 0.2)
        for kind in ("u1", ">u2", "u1", "f4")
    ]


def together(
    given: list[Stack], choice: WeightsChoice, options: DenoiseOptions = OPTIONS
) -> list[Denoised | DaeError]:
    return denoise_small(given, examined(given, options), choice, options, FP32)


def examined(given: list[Stack], options: DenoiseOptions) -> list[Examination]:
    return [examine(stack, options, "x") for stack in given]


def one_by_one(given: list[Stack], choice: WeightsChoice) -> list[Denoised]:
    results = []
    for stack, found in zip(given, examined(given, OPTIONS), strict=True):
        _, height, width, _ = stack.values.shape
        candidates = choice.candidates(height, width, found.sigma)
        results.append(denoise_stack(candidates, stack, found, OPTIONS, FP32))
    return results


def assert_alike(one: Denoised, other: Denoised | DaeError, given: Stack) -> None:
    assert isinstance(other, Denoised)
    assert other.stack.values.dtype == given.values.dtype
    assert other.stack.values.shape == given.values.shape
    step = 1e-5 if given.values.dtype.kind == "f" else 1
    np.testing.assert_allclose(
        other.stack.values.astype(float), one.stack.values.astype(float), atol=step, rtol=0
    )
    assert other.images[0].weights == one.images[0].weights
    assert other.images[0].inverted == one.images[0].inverted
    assert other.images[0].structure == pytest.approx(one.images[0].structure, abs=1e-5)


def test_pages_that_go_together_come_out_as_one_by_one(
    autoencoder: WeightsChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = pages()
    alone = one_by_one(given, autoencoder)
    batches = []

    def counted(weights: Any, noisy: torch.Tensor, *rest: Any, clip: bool) -> torch.Tensor:
        batches.append(len(noisy))
        return denoise_images(weights, noisy, *rest, clip=clip)

    monkeypatch.setattr(stacks, "denoise_images", counted)
    done = together(given, autoencoder)
    assert sorted(batches) == [4] * 4 + [8] * 2  # By size and type.
    for one, other, page in zip(alone, done, given, strict=True):
        assert_alike(one, other, page)
    inverted = [other.images[0].inverted for other in done if isinstance(other, Denoised)]
    assert 0 < sum(inverted) < len(inverted)


def test_other_ranges_and_forms_do_not_mix() -> None:
    draw = np.random.default_rng(0)
    image = grey("camera", 28) + draw.normal(0, 0.15, (28, 28))
    given = [
        Stack(np.rint(scale * image + offset).astype(kind)[None, ..., None], no_data=no_data)
        for scale, offset, kind, no_data in (
            (1000, 2000, "u2", None),
            (3000, 100, "u2", None),
            (1000, 2000, "u2", 9999),
            (1000, -500, "i4", None),
            (1000, 2000, "u4", None),
        )
    ]
    choice = WeightsChoice()
    for one, other, stack in zip(
        one_by_one(given, choice), together(given, choice), given, strict=True
    ):
        assert_alike(one, other, stack)


def test_clean_images_among_noisy_ones_stay() -> None:
    draw = np.random.default_rng(0)
    noisy = (grey("moon", 28) + draw.normal(0, 0.2, (28, 28))).clip(0, 1) * 255
    clean = np.zeros((28, 28))
    clean[10:20, 5:9] = 200
    images = [noisy, clean, np.full((28, 28), 255.0), noisy[::-1]]
    given = [Stack(np.rint(image).astype(np.uint8)[None, ..., None]) for image in images]
    done = together(given, WeightsChoice())
    unchanged = [isinstance(result, Denoised) and result.is_unchanged for result in done]
    assert unchanged == [False, True, True, False]
    for result, stack, same in zip(done, given, unchanged, strict=True):
        assert isinstance(result, Denoised)
        assert (result.stack.values == stack.values).all() == same


def test_what_no_network_accepts_is_an_error_of_its_own() -> None:
    choice = WeightsChoice(published()["mnist-dense"])
    given = [Stack(np.zeros((1, side, side, 1), np.uint8)) for side in (28, 30, 28)]
    first, second, third = together(given, choice)
    assert isinstance(first, Denoised) and isinstance(third, Denoised)
    assert isinstance(second, DaeError)
    assert "28×28" in second.message


def test_nothing_gives_nothing() -> None:
    assert together([], WeightsChoice()) == []


@pytest.mark.parametrize("apart", [False, True])
def test_digits_with_stripes_get_weights_for_all_kinds_of_noise(apart: bool) -> None:
    """Of stripes no level is estimated: they were left as they are."""
    clean = load("digits", "train", Path()).images[:120]
    drawn = add_noise(unit(clean), parse_noise("stripes:0.3"), torch.Generator().manual_seed(0))
    values = (drawn * 255).round().byte().movedim(1, -1).numpy()
    files = [Stack(each[None]) for each in values] if apart else [Stack(values)]
    ranges = [find_range(stack, "digits") for stack in files]
    found = examine_small(files, ranges, OPTIONS)
    choice = WeightsChoice()
    if apart:
        done = denoise_small(files, found, choice, OPTIONS, FP32)
        results = [each for each in done if isinstance(each, Denoised)]
    else:
        candidates = candidates_for(choice, files[0], found[0])
        results = [denoise_stack(candidates, files[0], found[0], OPTIONS, FP32)]
    assert len(results) == len(files)
    assert {image.weights and image.weights.name for each in results for image in each.images} == {
        "mnist-blind-all"
    }
    denoised = np.concatenate([each.stack.values for each in results])
    wanted = unit(clean).movedim(1, -1).numpy()
    before, after = (np.square(each / 255.0 - wanted).mean() for each in (values, denoised))
    assert after < 0.2 * before
    assert {each.other and each.other.kind for each in found} == {"stripes"}
