"""`from dae_tui import Denoiser`: arrays and tensors of any shape come back as what they were."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dae_tui import Denoiser
from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation.metrics.image_metrics import psnr
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.errors import DataError, UsageError, WeightsError
from dae_tui.spec.noise_spec import parse_noise


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return Denoiser.load("mnist-autoencoder", device="cpu")


@pytest.fixture(scope="module")
def clean() -> torch.Tensor:
    return unit(load("digits", "test", Path()).images[:6])


@pytest.fixture(scope="module")
def noisy(clean: torch.Tensor) -> NDArray[np.float32]:
    generator = torch.Generator().manual_seed(0)
    array: NDArray[np.float32] = add_noise(clean, parse_noise("gaussian:0.5"), generator)[
        :, 0
    ].numpy()
    return array


def test_it_takes_the_noise_out(
    denoiser: Denoiser, clean: torch.Tensor, noisy: NDArray[np.float32]
) -> None:
    denoised = torch.from_numpy(denoiser(noisy))[:, None]
    before, after = (psnr(x, clean).mean() for x in (torch.from_numpy(noisy)[:, None], denoised))
    assert after > before + 4


@pytest.mark.parametrize(
    "shape",
    [(28, 28), (6, 28, 28), (1, 28, 28), (6, 1, 28, 28), (6, 28, 28, 1), (3, 28, 28)],
)
@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.uint32, np.float16, np.float32, ">f4", float]
)
def test_shape_and_type_are_kept_and_the_result_is_the_same(
    denoiser: Denoiser, noisy: NDArray[np.float32], shape: tuple[int, ...], dtype: Any
) -> None:
    count = int(np.prod(shape)) // 784
    kind = np.dtype(dtype)
    white = np.iinfo(kind).max if kind.kind == "u" else 1
    scaled = noisy[:count].astype(np.float64) * white
    given = (np.rint(scaled) if kind.kind == "u" else scaled).astype(kind).reshape(shape)
    kept = given.copy()
    denoised = denoiser(given)
    assert (denoised.shape, denoised.dtype) == (shape, kind)
    assert (given == kept).all()
    expected = denoiser(noisy[:count])
    assert np.abs(denoised.reshape(count, 28, 28) / white - expected).max() < 0.02


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_goes_channel_by_channel_and_alpha_stays(
    denoiser: Denoiser, noisy: NDArray[np.float32], channels: int
) -> None:
    alpha = 0.2 + 0.8 * noisy[4]
    given = np.stack([*noisy[:3], alpha][:channels], axis=-1)
    denoised = denoiser(given, sigma=0.5)
    expected = denoiser(noisy[:3], sigma=0.5)
    assert np.allclose(denoised[..., :3], np.moveaxis(expected, 0, -1), atol=1e-6)
    if channels == 4:
        assert (denoised[..., 3] == alpha).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (3, 28, 28), (5, 28, 28), (2, 3, 28, 28)])
def test_tensors_come_back_as_tensors(
    denoiser: Denoiser, noisy: NDArray[np.float32], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    count = int(np.prod(shape)) // 784
    given = torch.from_numpy(noisy[:count]).reshape(shape)
    given = (given * 255).to(dtype) if dtype == torch.uint8 else given.to(dtype)
    denoised = denoiser(given)
    assert (denoised.shape, denoised.dtype, denoised.device) == (shape, dtype, given.device)


def test_memory_order_is_kept(denoiser: Denoiser, noisy: NDArray[np.float32]) -> None:
    given = np.asfortranarray(noisy[0])
    denoised = denoiser(given)
    assert denoised.flags.f_contiguous
    assert np.array_equal(denoised, denoiser(noisy[0]))
    backwards = noisy[0][::-1]
    assert np.array_equal(denoiser(backwards), denoiser(backwards.copy()))


def test_dark_on_light_is_seen_and_given_back_so(
    denoiser: Denoiser, noisy: NDArray[np.float32]
) -> None:
    light = 1 - noisy
    assert np.allclose(denoiser(light), 1 - denoiser(noisy), atol=1e-6)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        plain = denoiser(light, invert="no")
    assert "more than noise" in str(told[0].message)
    assert not np.allclose(plain, 1 - denoiser(noisy), atol=0.1)


def test_nan_stays_and_spoils_nothing_else(denoiser: Denoiser, noisy: NDArray[np.float32]) -> None:
    given = noisy.copy()
    given[0, 3, 4] = np.nan
    given[1, 5, 5] = np.inf
    denoised = denoiser(given)
    assert np.isnan(denoised[0, 3, 4])
    assert np.isposinf(denoised[1, 5, 5])
    assert np.isfinite(denoised).sum() == denoised.size - 2


@pytest.mark.parametrize(
    ("black", "white", "dtype"),
    [(0, 255, "f4"), (-1000, 1000, "i2"), (100, 4000, "u2"), (0, 3000, "i8"), (-2, 2, "f8")],
)
def test_any_range_and_sign_is_found(
    denoiser: Denoiser, noisy: NDArray[np.float32], black: float, white: float, dtype: str
) -> None:
    stored = black + (white - black) * noisy.astype(np.float64)
    given = (np.rint(stored) if dtype[0] in "ui" else stored).astype(dtype)
    denoised = denoiser(given)
    assert denoised.dtype == given.dtype
    expected = denoiser(noisy)
    assert np.abs((denoised - black) / (white - black) - expected).max() < 0.02
    assert np.array_equal(denoiser(given, black=black, white=white), denoised)


def test_strength_is_the_share_of_the_denoised_image(
    denoiser: Denoiser, noisy: NDArray[np.float32]
) -> None:
    whole, quarter = denoiser(noisy), denoiser(noisy, strength=0.25)
    assert np.abs(quarter - (noisy + 0.25 * (whole - noisy))).max() < 1e-5
    assert np.array_equal(denoiser(noisy, strength=0), noisy)


def test_best_turns_photographs_and_no_digits(noisy: NDArray[np.float32]) -> None:
    for name, differs in (("photos-unet", True), ("mnist-autoencoder", False)):
        plain, best = (Denoiser.load(name, device="cpu", best=best) for best in (False, True))
        assert (np.abs(best(noisy) - plain(noisy)).max() > 1e-4) == differs


def test_no_noise_no_change() -> None:
    """Weights that take the level know that there is nothing to do."""
    taking_levels = Denoiser.load("photos-unet", device="cpu")
    code = np.random.default_rng(0).integers(0, 2, (33, 33))
    for clean in (code * np.float32(1), (code * 255).astype(np.uint8), code > 0):
        image = np.kron(clean, np.ones((4, 4), clean.dtype)).astype(clean.dtype)
        assert (taking_levels(image) == image).all()
        assert image.dtype == bool or not (taking_levels(image, sigma=0.2) == image).all()
    assert (taking_levels(np.full((100, 100), 255.0)) == 255).all()


def test_what_is_transparent_stays_and_reaches_nothing(
    denoiser: Denoiser, noisy: NDArray[np.float32]
) -> None:
    alpha = np.ones((28, 28), np.float32)
    alpha[:, 20:] = 0
    images = [np.stack([*noisy[:3], alpha], axis=-1) for _ in range(2)]
    images[1][:, 20:, :3] = 9
    one, other = (denoiser(image, sigma=0.5, white=1, black=0) for image in images)
    assert (one[:, 20:] == images[0][:, 20:]).all()
    assert (other[:, 20:] == images[1][:, 20:]).all()
    assert np.array_equal(one[:, :20], other[:, :20])


def test_white_may_be_another_value(denoiser: Denoiser, noisy: NDArray[np.float32]) -> None:
    twelve = np.rint(noisy * 4095).astype(np.uint16)
    denoised = denoiser(twelve, white=4095)
    assert denoised.max() <= 4095
    assert np.abs(denoised / 4095 - denoiser(noisy)).max() < 0.01


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((28,)), "shape"),
        (np.zeros((0, 28, 28)), "shape"),
        (np.zeros((2, 2, 2, 28, 28)), "shape"),
        (np.zeros((2, 7, 28, 28)), "shape"),
        (np.zeros((28, 28), complex), "complex"),
        (np.full((28, 28), np.nan), "NaN"),
    ],
)
def test_what_is_no_image_is_refused(denoiser: Denoiser, array: NDArray[Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as raised:
        denoiser(array)
    assert raised.value.hint or words == "NaN"


def test_wishes_that_cannot_be_are_refused(denoiser: Denoiser) -> None:
    image = np.zeros((28, 28), np.float32)
    with pytest.raises(UsageError, match="invert"):
        denoiser(image, invert="maybe")
    with pytest.raises(UsageError, match="sigma"):
        denoiser(image, sigma=25)
    with pytest.raises(UsageError, match="white"):
        denoiser(image, white=0)
    with pytest.raises(WeightsError):
        Denoiser.load("no-such-weights")
    with pytest.raises(WeightsError, match="28×28"):
        Denoiser.load("mnist-dense")(np.zeros((30, 30), np.float32))


def test_another_size_than_it_has_learnt_is_warned_of(denoiser: Denoiser) -> None:
    with pytest.warns(UserWarning, match="28×28"):
        denoiser(np.zeros((40, 50), np.float32))


def test_the_package_alone_imports_no_torch() -> None:
    script = (
        "import sys, dae_tui; print('torch' in sys.modules);"
        "from dae_tui import Denoiser; print('torch' in sys.modules, Denoiser.__name__)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["False", "True", "Denoiser"]
    with pytest.raises(AttributeError):
        import dae_tui

        dae_tui.nothing  # noqa: B018
