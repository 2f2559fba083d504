"""Pictures into `.dae` files and back: any image, and nothing but plain errors for broken files."""

import random
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from broken_files import broken
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.compression.codecs import find_codec
from dae_tui.core.compression.compress import (
    Aim,
    Compressed,
    compress_from_scratch,
    compress_with_codec,
    decompress,
    overall_psnr,
)
from dae_tui.core.compression.container import MAGIC, Picture, read_header
from dae_tui.core.compression.pictures import pictures_of, stack_of
from dae_tui.core.compression.pruning import Recipe
from dae_tui.core.images.image_file import ImageFile, Stack
from dae_tui.errors import DataError, UsageError

SHORT = Recipe(first=30, again=5, last=20)
Loaded = list[tuple[Picture, Tensor]]


def waves(height: int, width: int, channels: int = 1, pages: int = 1) -> NDArray[np.uint8]:
    """Images (N, H, W, C) with some structure and a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 9.0
    planes = [
        np.sin(y + n) * np.cos(x * (1 + 0.3 * c)) for n in range(pages) for c in range(channels)
    ]
    stacked = np.stack(planes).reshape(pages, channels, height, width).transpose(0, 2, 3, 1)
    noisy = 128 + 90 * stacked + rng.normal(0, 3, stacked.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def loaded(*arrays: NDArray[np.generic], alpha: bool = False) -> Loaded:
    files = [ImageFile("png", [Stack(array, alpha=alpha)], lambda stacks: b"") for array in arrays]
    return [
        each for n, file in enumerate(files) for each in pictures_of(file, f"{n}.png", named=n > 0)
    ]


def from_scratch(pictures: Loaded, aim: Aim, side: int = 16) -> Compressed:
    *_, made = compress_from_scratch(pictures, side, aim, SHORT)
    assert isinstance(made, Compressed)
    return made


def error_of(content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        decompress(content)
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (15, 17), (48, 64)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["", "mnist-codec", "photos-codec"])
def test_any_image_goes_through(size: tuple[int, int], channels: int, codec: str) -> None:
    pictures = loaded(waves(*size, channels))
    aim = Aim(units=4)
    made = (
        compress_with_codec(pictures, find_codec(codec), aim)
        if codec
        else from_scratch(pictures, aim)
    )
    [(picture, images)] = decompress(made.content)
    assert picture == pictures[0][0]
    values = stack_of(picture, images).values
    assert values.shape == (1, *size, channels)
    assert values.dtype == np.uint8
    if codec != "mnist-codec":  # Four of its units make digits, not waves.
        assert float((images - pictures[0][1]).abs().mean()) < 0.25


@pytest.mark.parametrize(
    "dtype", ["uint16", "float32", "float64", "int16", "uint32", "bool", "float16"]
)
def test_values_of_any_type_come_back_as_that_type(dtype: str) -> None:
    array = (waves(32, 32) / 255 * 200).astype(dtype) if dtype != "bool" else waves(32, 32) > 128
    made = from_scratch(loaded(array), Aim(units=4))
    [(picture, images)] = decompress(made.content)
    values = stack_of(picture, images).values
    assert values.dtype == array.dtype
    assert np.abs(values.astype(float) - array.astype(float)).mean() < 0.1 * np.ptp(
        array.astype(float)
    )


def test_opacity_is_kept_exactly() -> None:
    array = np.concatenate([waves(20, 24, 3), waves(20, 24)], axis=-1)
    made = from_scratch(loaded(array, alpha=True), Aim(units=4))
    [(picture, images)] = decompress(made.content)
    assert np.array_equal(stack_of(picture, images).values[..., 3], array[..., 3])


def test_several_pictures_share_a_file() -> None:
    pictures = loaded(waves(32, 32), waves(16, 48, 3), waves(8, 8, 1, pages=3))
    made = from_scratch(pictures, Aim(units=6))
    back = decompress(made.content)
    assert [picture for picture, _ in back] == [picture for picture, _ in pictures]
    assert [tuple(images.shape) for _, images in back] == [
        (1, 1, 32, 32),
        (1, 3, 16, 48),
        (3, 1, 8, 8),
    ]


def test_a_file_holds_what_the_network_made() -> None:
    pictures = loaded(waves(64, 64))
    made = from_scratch(pictures, Aim(units=8))
    decoded = made.coder.decode(made.contents.codes[0].reshape(-1, 8), made.contents.step)
    assert overall_psnr(pictures, [decoded], made.coder) > 24


def test_a_psnr_is_reached() -> None:
    pictures = loaded(waves(64, 64))
    for aim in (24.0, 30.0):
        made = from_scratch(pictures, Aim(psnr=aim))
        [(_, images)] = decompress(made.content)
        reached = -10 * np.log10(float((images - pictures[0][1]).square().mean()))
        assert reached >= aim - 0.05
    with pytest.raises(UsageError, match="at most, not 60"):
        compress_with_codec(pictures, find_codec("photos-codec"), Aim(psnr=60))


def test_a_codec_finds_the_fewest_units_for_a_psnr() -> None:
    pictures, codec = loaded(waves(64, 64, 3)), find_codec("photos-codec")
    made = compress_with_codec(pictures, codec, Aim(psnr=25))
    fewer = compress_with_codec(pictures, codec, Aim(units=made.units - 1))
    decoded = [
        each.coder.decode(each.contents.codes[0].reshape(-1, each.units), each.contents.step)
        for each in (made, fewer)
    ]
    enough, less = (overall_psnr(pictures, [patches], codec.encoder.coder) for patches in decoded)
    assert less < 25 <= enough


@pytest.mark.parametrize(("ratio", "units"), [(16, 16), (37, 7), (1000, 1)])
def test_a_ratio_is_a_number_of_units(ratio: float, units: int) -> None:
    assert Aim(ratio=ratio).units_for(256, 256) == units


def test_more_units_than_there_are_are_refused() -> None:
    with pytest.raises(UsageError, match="at most 256 units"):
        Aim(units=300).units_for(768, 256)


def checked(body: bytes) -> bytes:
    """A body with the right checksum behind it."""
    return body + struct.pack("<I", zlib.crc32(body))


def test_what_is_wrong_with_a_file_is_said() -> None:
    whole = from_scratch(loaded(waves(20, 20)), Aim(units=3)).content
    assert "not written by dae compress" in error_of(b"")
    assert "not written by dae compress" in error_of(b"\x89PNG\r\n\x1a\n" + whole)
    assert "checksum" in error_of(whole[:-5])
    assert "checksum" in error_of(whole[:40] + b"\0" + whole[41:])
    assert "another version" in error_of(checked(MAGIC + b"\x02" + whole[5:-4]))
    assert "behind its end" in error_of(checked(whole[:-4] + b"\0"))


def test_a_file_of_another_codec_is_refused() -> None:
    made = compress_with_codec(loaded(waves(28, 28)), find_codec("mnist-codec"), Aim(units=3))
    body = made.content[:-4]
    name = body.index(b"mnist-codec")
    other = checked(body[:name] + b"other-codec" + body[name + 11 :])
    assert "'other-codec', which is not published" in error_of(other)
    changed = bytearray(body)
    changed[name + 11] ^= 1
    assert "another version of it" in error_of(checked(bytes(changed)))


def test_a_small_file_cannot_claim_to_be_huge() -> None:
    made = compress_with_codec(loaded(waves(28, 28)), find_codec("mnist-codec"), Aim(units=3))
    body = made.content[:-4]
    header = read_header(made.content)
    assert header.pictures[0].height == 28
    size = body.index(bytes([1, 28, 28, 1]), body.index(b"mnist-codec") + 20)
    for claim in (b"\x01\xff\xff\xff\x1f\xff\xff\xff\x1f\x01", b"\x01\xff\x1f\xff\x1f\x01"):
        assert "claims" in error_of(checked(body[:size] + claim + body[size + 4 :]))


@pytest.mark.parametrize("codec", ["", "photos-codec"])
def test_broken_files_are_refused_or_read(codec: str) -> None:
    pictures = loaded(np.concatenate([waves(20, 30, 3), waves(20, 30)], axis=-1), alpha=True)
    aim = Aim(units=6)
    made = (
        compress_with_codec(pictures, find_codec(codec), aim)
        if codec
        else from_scratch(pictures, aim)
    )
    dice = random.Random(codec)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for number in range(500):
        began = time.monotonic()
        content = broken(made.content[:-4], dice)
        try:
            # Mostly with a checksum that is right, so that the rest is reached.
            decompress(checked(content) if number % 10 else content)
        except DataError as failure:
            refused += 1
            assert "\n" not in failure.message
        assert time.monotonic() - began < 5
    assert refused > 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000


def test_the_published_codecs_are_small() -> None:
    for name in ("mnist-codec", "photos-codec"):
        codec = find_codec(name)
        assert codec.name == name
        path = Path(__file__).parents[3] / "models" / "weights" / f"{name}.safetensors"
        assert path.stat().st_size < 5e6


def test_decompression_is_the_same_in_parts() -> None:
    torch.manual_seed(0)
    pictures = loaded(waves(64, 80, 3))
    made = compress_with_codec(pictures, find_codec("photos-codec"), Aim(units=20))
    [(_, once)], [(_, again)] = decompress(made.content), decompress(made.content)
    assert torch.equal(once, again)
