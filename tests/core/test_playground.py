"""The playground's looks: what they hold, and when they cannot be had."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dae_tui.core.playground import VIEWS, Playground, data_sets
from dae_tui.errors import DaeError, DataError, WeightsError
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise

AUTOENCODER = published()["mnist-autoencoder"]
NOISE = parse_noise("gaussian:0.3")


@pytest.fixture
def playground(tmp_path: Path) -> Playground:
    playground = Playground(tmp_path)
    playground.use(AUTOENCODER, "digits")
    return playground


def test_a_look_holds_the_three_views_and_what_is_read_in_them(playground: Playground) -> None:
    result = playground.result(3, NOISE, 0)
    assert tuple(result.views) == VIEWS
    for image in result.views.values():
        assert image.shape == (28, 28)
        assert image.dtype == np.float32
        assert 0 <= image.min() <= image.max() <= 1
    assert result.psnr["denoised"] > result.psnr["noisy"] > 8
    assert [len(of) for of in result.probabilities.values()] == [10, 10, 10]
    assert sum(result.probabilities["noisy"].tolist()) == pytest.approx(1, abs=1e-5)
    assert result.probabilities["original"].argmax() == result.label


def test_a_seed_decides_the_noise(playground: Playground) -> None:
    first, same, other = (playground.result(0, NOISE, seed).views["noisy"] for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


def test_the_numbers_of_images_go_around(playground: Playground) -> None:
    last = playground.result(-1, NOISE, 0)
    assert last.number == last.count - 1 == 381


def test_without_noise_the_noisy_view_is_the_original(playground: Playground) -> None:
    assert playground.result(0, parse_noise("gaussian:0"), 0).psnr["noisy"] == math.inf


def test_an_image_of_ones_own_may_have_any_size_and_no_one_reads_it(
    playground: Playground, tmp_path: Path
) -> None:
    np.save(tmp_path / "own.npy", np.full((37, 50), 0.5, np.float32))
    playground.use(AUTOENCODER, "digits", tmp_path / "own.npy")
    result = playground.result(0, NOISE, 0)
    assert result.views["denoised"].shape == (37, 50)
    assert result.label is None
    assert result.probabilities == {}


def test_an_image_of_the_size_of_a_digit_is_read(playground: Playground, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.zeros((2, 28, 28), np.uint8))
    playground.use(AUTOENCODER, "digits", tmp_path / "own.npy")
    result = playground.result(0, NOISE, 0)
    assert result.count == 2
    assert list(result.probabilities) == list(VIEWS)


def test_counts_of_16_bits_are_shown_by_their_own_range(
    playground: Playground, tmp_path: Path
) -> None:
    counts = np.linspace(100, 900, 40 * 50).reshape(40, 50).astype(np.uint16)
    np.save(tmp_path / "own.npy", counts)
    playground.use(AUTOENCODER, "digits", tmp_path / "own.npy")
    original = playground.result(0, NOISE, 0).views["original"]
    assert (original.min(), original.max()) == (0, 1)
    assert len(np.unique(original)) > 256


def test_weights_that_do_not_fit_are_an_error(playground: Playground, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.zeros((40, 40), np.uint8))
    playground.use(published()["mnist-dense"], "digits", tmp_path / "own.npy")
    with pytest.raises(WeightsError, match="28×28"):
        playground.result(0, NOISE, 0)


def test_after_an_error_the_next_use_is_whole_again(playground: Playground, tmp_path: Path) -> None:
    with pytest.raises(DaeError):
        playground.use(AUTOENCODER, "digits", tmp_path / "none.png")
    playground.use(AUTOENCODER, "digits")
    assert playground.result(0, NOISE, 0).label is not None


def test_too_large_an_image_is_an_error_that_names_the_way(
    playground: Playground, tmp_path: Path
) -> None:
    np.save(tmp_path / "own.npy", np.zeros((1025, 1024), np.uint8))
    with pytest.raises(DataError, match="1024×1025") as raised:
        playground.use(AUTOENCODER, "digits", tmp_path / "own.npy")
    assert "dae denoise" in raised.value.hint


def test_weights_that_have_changed_are_loaded_anew(tmp_path: Path) -> None:
    weights = tmp_path / "best.safetensors"
    weights.write_bytes(AUTOENCODER.read_bytes())
    playground = Playground(tmp_path)
    playground.use(weights, "digits")
    weights.write_bytes(b"broken and of another time")
    with pytest.raises(WeightsError):
        playground.use(weights, "digits")


def test_data_sets_are_those_on_disk(tmp_path: Path, mnist_dir: Path) -> None:
    assert data_sets(tmp_path) == ["digits"]
    assert "mnist" in data_sets(mnist_dir)


def test_the_threads_of_torch_are_left_alone(playground: Playground) -> None:
    before = torch.get_num_threads()
    playground.result(0, NOISE, 0)
    assert torch.get_num_threads() == before
