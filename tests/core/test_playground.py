"""The playground's looks: what they hold, and when they cannot be had."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dae_tui.core.data.splits import PARTS
from dae_tui.core.playground import VIEWS, Part, Playground, data_sets
from dae_tui.core.weights.weights_file import to_bytes
from dae_tui.errors import DaeError, DataError, WeightsError
from dae_tui.models.registry import build
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import NoiseSpec, parse_noise

AUTOENCODER = published()["mnist-autoencoder"]
NOISE = parse_noise("gaussian:0.3")
AS_GIVEN = NoiseSpec()


def save(path: Path, image: np.ndarray) -> None:
    """Write a PNG of values in [0, 1]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image * 255).astype(np.uint8)).save(path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Twelve pairs of photographs in colour, each clean one of a single colour."""
    generator = np.random.default_rng(0)
    for number in range(12):
        clean = np.full((40, 70, 3), (0.2, 0.4, number / 12))
        noisy = (clean + generator.normal(0, 0.1, clean.shape)).clip(0, 1)
        save(tmp_path / "pairs" / "clean" / f"{number:02}.png", clean)
        save(tmp_path / "pairs" / "noisy" / f"{number:02}.png", noisy)
    return tmp_path / "pairs"


@pytest.fixture
def playground(tmp_path: Path) -> Playground:
    playground = Playground(tmp_path)
    playground.use(AUTOENCODER, "digits")
    return playground


def test_a_look_holds_the_three_views_and_what_is_read_in_them(playground: Playground) -> None:
    result = playground.result(3, NOISE, 0)
    assert tuple(result.views) == VIEWS
    for image in result.views.values():
        assert image.shape == (1, 28, 28)
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
    assert result.views["denoised"].shape == (1, 37, 50)
    assert result.size == (37, 50)
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


def test_of_a_large_image_any_part_is_taken(playground: Playground, tmp_path: Path) -> None:
    image = np.zeros((1100, 1024), np.uint8)
    image[1099, 1023] = 255
    np.save(tmp_path / "own.npy", image)
    playground.use(AUTOENCODER, "digits", tmp_path / "own.npy")
    middle = playground.result(0, AS_GIVEN, 0)
    corner = playground.result(0, AS_GIVEN, 0, centre=(1090, 1010))

    assert middle.part == Part(294, 256, 1100, 1024)
    assert middle.about == "middle of 1024×1100"
    assert middle.views["noisy"].max() == 0
    assert corner.part == Part(588, 512, 1100, 1024)
    assert corner.views["noisy"][0, -1, -1] == 1


def test_without_named_weights_those_are_taken_that_suit_the_image(
    playground: Playground, tmp_path: Path
) -> None:
    """An image of edges and slopes gets weights for photographs, and not those for digits."""
    rows, columns = np.mgrid[:48, :64]
    save(tmp_path / "own.png", 0.3 + rows / 200 + 0.3 * (columns > 30))
    own = tmp_path / "own.png"
    noise = parse_noise("gaussian:0.1")
    playground.use(None, "digits", own)
    chosen = playground.result(0, noise, 0)
    clean = playground.result(0, AS_GIVEN, 0)
    playground.use(AUTOENCODER, "digits", own)
    digits = playground.result(0, noise, 0)

    assert chosen.weights.startswith("photos-unet")
    assert chosen.psnr["denoised"] > chosen.psnr["noisy"] + 8 > digits.psnr["denoised"]
    assert chosen.found.startswith("noise 0.")
    assert clean.weights == ""
    assert clean.found == "no noise found: left as it is"
    np.testing.assert_array_equal(clean.views["noisy"], clean.views["denoised"])


def test_a_digit_gets_the_weights_that_dae_denoise_gives_it(playground: Playground) -> None:
    playground.use(None, "digits")
    result = playground.result(0, parse_noise("gaussian:0.5"), 0)

    assert result.weights.startswith("mnist-")
    assert result.trained
    assert result.psnr["denoised"] > result.psnr["noisy"] + 5


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


def test_a_pair_is_denoised_as_given_or_with_noise_on_the_clean_image(
    playground: Playground, pairs: Path
) -> None:
    playground.use(AUTOENCODER, str(pairs))
    given, added = playground.result(0, AS_GIVEN, 0), playground.result(0, NOISE, 0)

    assert given.paired
    assert given.count == 12
    assert tuple(given.views) == tuple(added.views) == VIEWS
    assert given.views["noisy"].shape == (3, 40, 70)
    assert given.psnr["noisy"] == pytest.approx(20, abs=0.5)
    assert added.psnr["noisy"] < 15
    np.testing.assert_array_equal(given.views["original"], added.views["original"])
    assert given.probabilities == {}


def test_pairs_may_be_in_any_two_folders(playground: Playground, pairs: Path) -> None:
    both = playground
    both.use(AUTOENCODER, str(pairs))
    expected = both.result(3, AS_GIVEN, 0)
    (pairs / "clean").rename(pairs / "good")

    playground.use(AUTOENCODER, str(pairs / "good"), noisy=str(pairs / "noisy"))

    result = playground.result(3, AS_GIVEN, 0)
    np.testing.assert_array_equal(result.views["noisy"], expected.views["noisy"])


def test_the_images_for_the_test_come_first(playground: Playground, pairs: Path) -> None:
    playground.use(AUTOENCODER, str(pairs))

    parts = [playground.result(number, AS_GIVEN, 0).about for number in range(12)]

    assert parts == sorted(parts, key=PARTS[::-1].index)
    assert {*parts} == {*PARTS}


def test_an_image_as_given_has_no_original(playground: Playground, pairs: Path) -> None:
    playground.use(AUTOENCODER, str(pairs / "noisy"))
    result = playground.result(0, AS_GIVEN, 0)

    assert tuple(result.views) == VIEWS[1:]
    assert result.psnr == {}
    assert not result.paired
    assert tuple(playground.result(0, NOISE, 0).views) == VIEWS


def test_a_digit_as_given_is_predicted_in_what_is_shown(playground: Playground) -> None:
    result = playground.result(3, AS_GIVEN, 0)

    assert list(result.probabilities) == list(result.views) == list(VIEWS[1:])


def test_of_a_large_image_of_a_folder_the_middle_is_taken(
    playground: Playground, tmp_path: Path
) -> None:
    image = np.zeros((30, 600))
    image[:, 300] = 1
    save(tmp_path / "large" / "one.png", image)
    playground.use(AUTOENCODER, str(tmp_path / "large"))
    result = playground.result(0, AS_GIVEN, 0)

    assert result.views["noisy"].shape == (1, 30, 512)
    assert result.views["noisy"][0, 0].argmax() == 300 - 44
    assert result.about.endswith("middle of 600×30")


def test_a_network_in_colour_takes_grey_images(playground: Playground, tmp_path: Path) -> None:
    settings = {"channels": 3, "widths": [4, 4]}
    network = build("unet", settings)
    weights = tmp_path / "colour.safetensors"
    weights.write_bytes(to_bytes(network, {"network": "unet", "data": "x", "noise": "none"}))
    playground.use(weights, "digits")
    result = playground.result(0, NOISE, 0)

    assert result.views["denoised"].shape == (3, 28, 28)
    assert [len(of) for of in result.probabilities.values()] == [10, 10, 10]
    assert result.trained == "x, noise as given"


def test_a_file_is_shown_in_colour_unless_all_its_channels_are_equal(
    playground: Playground, tmp_path: Path
) -> None:
    coloured = np.zeros((28, 28, 3))
    coloured[..., 0] = 0.5
    for name, image, channels in (("red", coloured, 3), ("grey", np.full((28, 28, 3), 0.5), 1)):
        save(tmp_path / f"{name}.png", image)
        playground.use(AUTOENCODER, "digits", tmp_path / f"{name}.png")
        result = playground.result(0, NOISE, 0)
        assert result.views["noisy"].shape == (channels, 28, 28)
        assert bool(result.probabilities) == (channels == 1)


def test_a_folder_without_images_is_an_error(playground: Playground, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        playground.use(AUTOENCODER, str(tmp_path / "empty"))


def test_a_folder_of_shards_has_its_test_images(playground: Playground, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    np.save(tmp_path / "shards" / "images.npy", np.full((40, 28, 28), 9, np.uint8))
    playground.use(AUTOENCODER, str(tmp_path / "shards"))

    assert playground.result(0, NOISE, 0).views["noisy"].shape == (1, 28, 28)
