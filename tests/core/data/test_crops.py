"""Random crops: where they lie, how they are turned, in which order they come."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from dae_tui.core.data.crops import Crops, cropped
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.data.splits import TEST, TRAINING, VALIDATION
from dae_tui.core.symmetries import SYMMETRIES
from dae_tui.errors import DataError

PATCH = 16
SIZES = [(20, 30), (40, 17), (16, 16)]


def distinct(sizes: Sequence[tuple[int, int]] = SIZES, channels: int = 1) -> tuple[Tensor, ...]:
    """float32 images in which each value occurs once, also among the images."""
    images, used = [], 0
    for height, width in sizes:
        pixels = channels * height * width
        images.append(torch.arange(used, used + pixels).float().reshape(channels, height, width))
        used += pixels
    return tuple(images)


def pairs(images: tuple[Tensor, ...], *, augment: bool = False) -> Crops:
    """Each noisy image is the clean one and a quarter."""
    return Crops("pairs", images, PATCH, tuple(image + 0.25 for image in images), augment)


def all_crops(
    crops: Crops, seed: int = 0, epoch: int = 0, *, size: int = 1, first: int = 0
) -> Tensor:
    """The crops of an epoch, or of the rest of it."""
    return torch.cat([batch.images for batch in crops.batches(size, seed, epoch, first)])


def place_of(crop: Tensor, images: Sequence[Tensor]) -> tuple[int, int, int]:
    """The number of the image that a crop is a part of, and its top and left.

    For images of `distinct` values, which rise from left to right and from the top downwards.
    """
    least = crop.min()
    for number, image in enumerate(images):
        if len(found := (image[0] == least).nonzero()):
            (top, left) = found[0].tolist()
            return number, top, left
    raise AssertionError("the values are of none of the images")


def original_of(crop: Tensor, images: Sequence[Tensor]) -> Tensor:
    """The part of the image that a crop shows, as it is in the image."""
    number, top, left = place_of(crop, images)
    _, height, width = crop.shape
    return images[number][:, top : top + height, left : left + width]


def symmetries(image: Tensor) -> dict[str, Tensor]:
    """All images that flips and transposition make of a square one."""
    found = {}
    for transposed, upside_down, mirrored in itertools.product([False, True], repeat=3):
        other = image.numpy()
        other = other.transpose(0, 2, 1) if transposed else other
        other = np.flip(other, 1) if upside_down else other
        other = np.flip(other, 2) if mirrored else other
        name = f"{transposed=} {upside_down=} {mirrored=}"
        found[name] = torch.from_numpy(other.copy())
    return found


def turns_of(crops: Iterable[Tensor], images: Sequence[Tensor]) -> Counter[str]:
    """How often each symmetry occurs among crops."""
    counts: Counter[str] = Counter()
    for crop in crops:
        possible = symmetries(original_of(crop, images))
        (name,) = [name for name, image in possible.items() if torch.equal(crop, image)]
        counts[name] += 1
    return counts


@pytest.mark.parametrize("channels", [1, 3])
def test_a_crop_is_a_part_of_an_image(channels: int) -> None:
    images = distinct(channels=channels)
    crops = Crops("some", images, PATCH)
    assert crops.shape == (channels, PATCH, PATCH)
    for epoch in range(20):
        for crop in all_crops(crops, epoch=epoch):
            assert crop.shape == crops.shape
            assert torch.equal(crop, original_of(crop, images))


def test_an_image_of_the_size_of_a_crop_is_taken_whole() -> None:
    images = distinct([(PATCH, PATCH)])
    crops = all_crops(Crops("one", images, PATCH))
    assert torch.equal(crops, images[0][None])


@pytest.mark.parametrize("augment", [False, True])
def test_both_images_of_a_pair_are_cut_and_turned_alike(augment: bool) -> None:
    crops = pairs(distinct(), augment=augment)
    for epoch in range(20):
        for batch in crops.batches(2, seed=1, epoch=epoch):
            assert batch.noisy is not None
            assert torch.equal(batch.noisy, batch.images + 0.25)
            assert (batch.name, batch.labels) == ("pairs", None)


def test_crops_of_images_that_are_no_pairs_have_no_noisy_ones() -> None:
    (batch,) = Crops("some", distinct(), PATCH).batches(5, seed=0, epoch=0)
    assert batch.noisy is None


def test_all_eight_symmetries_occur_and_about_as_often() -> None:
    images = distinct([(64, 64)] * 10)
    crops = Crops("many", images, PATCH, augment=True)
    found = turns_of(all_crops(crops), images)
    assert len(found) == SYMMETRIES == 8
    # 160 crops: 20 of each, ± 4.2.
    assert min(found.values()) > 5


def test_nothing_is_turned_without_augmentation_and_the_places_are_the_same() -> None:
    images = distinct([(64, 64)] * 3)
    plain, turned = (
        all_crops(Crops("some", images, PATCH, augment=augment)) for augment in (False, True)
    )
    assert len(turns_of(plain, images)) == 1
    assert [place_of(crop, images) for crop in plain] == [place_of(crop, images) for crop in turned]


def test_crops_depend_on_seed_and_epoch_alone() -> None:
    crops = pairs(distinct([(50, 60)] * 4), augment=True)
    first = all_crops(crops, seed=3, epoch=2)
    torch.manual_seed(99)
    assert torch.equal(all_crops(crops, seed=3, epoch=2), first)
    assert torch.equal(all_crops(crops, seed=3, epoch=2, size=len(crops)), first)
    assert not torch.equal(all_crops(crops, seed=4, epoch=2), first)
    assert not torch.equal(all_crops(crops, seed=3, epoch=3), first)


def test_an_epoch_goes_on_in_the_middle_with_the_same_crops() -> None:
    crops = pairs(distinct([(50, 60)] * 4), augment=True)
    whole = list(crops.batches(5, seed=1, epoch=7))
    rest = list(crops.batches(5, seed=1, epoch=7, first=4))
    assert (len(whole), len(rest)) == (9, 5)
    for batch, again in zip(whole[4:], rest, strict=True):
        assert torch.equal(batch.images, again.images)
        assert batch.noisy is not None
        assert again.noisy is not None
        assert torch.equal(batch.noisy, again.noisy)


def test_an_epoch_ends_at_its_limit_and_leaves_out_an_incomplete_batch() -> None:
    crops = Crops("some", distinct([(50, 60)] * 4), PATCH)
    assert len(crops) == 48
    assert len(list(crops.batches(10, seed=0, epoch=0))) == 4
    some = list(crops.batches(10, seed=0, epoch=0, first=1, limit=3))
    assert torch.equal(
        torch.cat([batch.images for batch in some]), all_crops(crops, size=10)[10:30]
    )


def test_a_longer_epoch_takes_all_images_again_from_other_places() -> None:
    crops = Crops("some", distinct([(50, 60)] * 4), PATCH)
    long = list(crops.batches(10, seed=0, epoch=0, limit=10))
    assert len(long) == 10
    images = torch.stack([batch.images for batch in long])
    once = torch.stack([batch.images for batch in crops.batches(10, seed=0, epoch=0)])
    assert torch.equal(images[:4], once)
    assert not any(torch.equal(images[4 + n], images[n]) for n in range(4))
    again = [batch.images for batch in crops.batches(10, seed=0, epoch=0, first=3, limit=10)]
    assert torch.equal(torch.stack(again), images[3:])


def test_places_reach_all_borders() -> None:
    images = distinct([(PATCH + 3, PATCH + 5)])
    crops = Crops("one", images, PATCH)
    found = {
        place_of(crop, images) for epoch in range(300) for crop in all_crops(crops, epoch=epoch)
    }
    # Of 24 places each is drawn 25 times.
    assert found == {(0, top, left) for top in range(4) for left in range(6)}


def test_an_image_gives_as_many_crops_as_its_pixels_fill() -> None:
    images = distinct([(32, 32), (17, 20), (16, 16), (24, 16), (16, 64)])
    crops = Crops("some", images, PATCH)
    assert len(crops) == 4 + 1 + 1 + 2 + 4
    for epoch in range(3):
        taken = Counter(place_of(crop, images)[0] for crop in all_crops(crops, epoch=epoch))
        assert taken == {0: 4, 1: 1, 2: 1, 3: 2, 4: 4}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_keep_their_type_and_their_values(dtype: torch.dtype) -> None:
    image = (torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)) * 255).to(dtype)
    crops = Crops("one", (image,), PATCH, (image,), augment=True)
    for batch in crops.batches(2, seed=0, epoch=0):
        assert batch.noisy is not None
        assert (batch.images.dtype, batch.noisy.dtype) == (dtype, dtype)
        assert torch.isin(batch.images, image).all()


# Crops to train with, whole images for the rest


def parts(*training: tuple[int, int]) -> dict[str, tuple[Tensor, ...]]:
    return {
        TRAINING: distinct(training),
        VALIDATION: distinct([(8, 9), (30, 20), (8, 9)]),
        TEST: distinct([(10, 10)]),
    }


def test_images_smaller_than_a_crop_are_not_trained_with() -> None:
    images = parts((PATCH - 1, 100), (PATCH, PATCH), (100, PATCH - 1), (PATCH, 40))
    noisy = {part: [image + 0.25 for image in found] for part, found in images.items()}
    training, _, _ = cropped("some", images, PATCH, noisy, augment=True)
    assert [tuple(image.shape) for image in training.images] == [(1, 16, 16), (1, 16, 40)]
    for clean, other in zip(training.images, training.noisy, strict=True):
        assert torch.equal(other, clean + 0.25)
    assert (training.name, training.patch, training.augment) == ("some", PATCH, True)


def test_images_for_validation_and_test_are_whole_in_a_set_for_each_size() -> None:
    images = parts((PATCH, 40))
    noisy = {part: [image + 0.25 for image in found] for part, found in images.items()}
    _, validation, test = cropped("some", images, PATCH, noisy, augment=False)

    def shapes(sets: list[ImageSet]) -> list[tuple[int, ...]]:
        return [tuple(each.images.shape) for each in sets]

    assert shapes(validation) == [(2, 1, 8, 9), (1, 1, 30, 20)]
    assert shapes(test) == [(1, 1, 10, 10)]
    first, second, third = images[VALIDATION]
    assert torch.equal(validation[0].images, torch.stack([first, third]))
    assert torch.equal(validation[1].images, second[None])
    for each in (*validation, *test):
        assert each.noisy is not None
        assert torch.equal(each.noisy, each.images + 0.25)


def test_images_that_are_all_smaller_than_a_crop_are_an_error() -> None:
    with pytest.raises(DataError, match="in some are smaller than 16×16") as caught:
        cropped("some", parts((PATCH - 1, 100), (8, 8)), PATCH, augment=False)
    assert "--patch" in caught.value.hint


@pytest.mark.parametrize("empty", [TRAINING, VALIDATION, TEST])
def test_a_part_without_images_is_an_error_that_names_it(empty: str) -> None:
    images = parts((PATCH, 40)) | {empty: ()}
    with pytest.raises(DataError, match=f"no images for {empty} in some") as caught:
        cropped("some", images, PATCH, augment=False)
    assert "10 images" in caught.value.hint
    with pytest.raises(DataError, match=f"no pairs for {empty} in some"):
        cropped("some", images, PATCH, images, augment=False)
