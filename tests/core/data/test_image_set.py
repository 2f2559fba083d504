"""Image sets: values, validation images, and images that are shifted."""

import numpy as np
import pytest
import torch

from dae_tui.core.data.image_set import ImageSet, shift, split_validation, unit


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(count: int) -> ImageSet:
    """Images of one pixel that holds their number, which is also their label."""
    numbers = torch.arange(count)
    return ImageSet("numbered", numbers.to(torch.uint8)[:, None, None, None], numbers, count)


def test_unit_maps_bytes_to_float32_between_zero_and_one() -> None:
    values = unit(torch.arange(256, dtype=torch.uint8))
    assert values.dtype == torch.float32
    assert torch.allclose(values, torch.linspace(0, 1, 256), atol=1e-7)
    assert torch.equal((values * 255).round(), torch.arange(256).float())


def test_selecting_takes_images_and_their_labels() -> None:
    chosen = numbered(10).select(torch.tensor([7, 3]))
    assert chosen.images.flatten().tolist() == [7, 3]
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [7, 3]
    assert (chosen.name, chosen.classes) == ("numbered", 10)


def test_selecting_takes_the_noisy_images_of_pairs_along() -> None:
    images = torch.arange(5, dtype=torch.uint8).reshape(5, 1, 1, 1)
    pairs = ImageSet("x", images, None, 0, images + 100).to(torch.device("cpu"))
    assert pairs.noisy is not None
    (batch,) = pairs.batches(4, seed=0, epoch=0)
    assert batch.noisy is not None
    assert torch.equal(batch.noisy, batch.images + 100)


def test_hold_out_is_disjoint_and_complete() -> None:
    training, validation = split_validation(numbered(100), 15)
    numbers = training.images.flatten().tolist(), validation.images.flatten().tolist()
    assert (len(training), len(validation)) == (85, 15)
    assert sorted(numbers[0] + numbers[1]) == list(range(100))


def test_hold_out_keeps_images_with_their_labels() -> None:
    for part in split_validation(numbered(100), 15):
        assert part.labels is not None
        assert part.labels.tolist() == part.images.flatten().tolist()


def test_hold_out_takes_the_same_images_whatever_the_random_state() -> None:
    first = split_validation(numbered(100), 15)
    torch.manual_seed(1)
    again = split_validation(numbered(100), 15)
    for part, other in zip(first, again, strict=True):
        assert torch.equal(part.images, other.images)


def test_hold_out_is_a_random_sample_not_the_first_images() -> None:
    _, validation = split_validation(numbered(100), 15)
    assert 25 < validation.images.float().mean() < 75


def test_hold_out_works_without_labels() -> None:
    unlabelled = ImageSet("plain", torch.zeros(10, 1, 2, 2, dtype=torch.uint8), None, 0)
    training, validation = split_validation(unlabelled, 3)
    assert (training.labels, validation.labels) == (None, None)
    assert (len(training), len(validation)) == (7, 3)


def offsets_of(image: torch.Tensor, moved: torch.Tensor, pixels: int) -> tuple[int, int]:
    """By how much `image` (C, H, W) was moved down and right to give `moved`."""
    padding = ((0, 0), (pixels, pixels), (pixels, pixels))
    padded = np.pad(image.numpy(), padding, mode="edge")
    height, width = image.shape[1:]
    found = [
        (pixels - top, pixels - left)
        for top in range(2 * pixels + 1)
        for left in range(2 * pixels + 1)
        if np.array_equal(padded[:, top : top + height, left : left + width], moved.numpy())
    ]
    assert len(found) == 1, f"matches {len(found)} shifted copies"
    return found[0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_moved_by_its_own_offset(dtype: torch.dtype, channels: int) -> None:
    images = (torch.rand((200, channels, 9, 7), generator=seeded()) * 255).to(dtype)
    moved = shift(images, 2, seeded(1))
    assert moved.shape == images.shape
    assert moved.dtype == dtype
    pairs = zip(images, moved, strict=True)
    offsets = [offsets_of(image, copy, 2) for image, copy in pairs]
    # Each of the 25 offsets is drawn as often: 8 times of 200, and surely at least once.
    assert set(offsets) == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_a_shift_by_no_pixel_is_the_identity() -> None:
    images = torch.rand((4, 1, 5, 5), generator=seeded())
    assert torch.equal(shift(images, 0, seeded()), images)


def test_a_shift_follows_its_generator_and_leaves_the_images_alone() -> None:
    images = torch.rand((50, 1, 6, 6), generator=seeded())
    before = images.clone()
    first = shift(images, 2, seeded(3))
    assert torch.equal(first, shift(images, 2, seeded(3)))
    assert not torch.equal(first, shift(images, 2, seeded(4)))
    assert torch.equal(images, before)
