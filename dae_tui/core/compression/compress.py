"""Pictures into the bytes of a `.dae` file and back."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dae_tui.core.compression.codecs import Codec, find_codec
from dae_tui.core.compression.coder import Coder, Encoder, encoder_of
from dae_tui.core.compression.container import (
    MOST_VALUES,
    Contents,
    Header,
    Picture,
    grid_of,
    pack,
    read_header,
    unpack,
)
from dae_tui.core.compression.pictures import codec_channels, images_of, patches_of
from dae_tui.core.compression.pruning import Recipe, Step, prune_progressively, start_units
from dae_tui.errors import DataError, UsageError
from dae_tui.models.autoassociative import Settings

LEAST_STEP = 2 / 255
"""Of codes, where the decoder is in the file: an error of half a grey level."""
_MARGIN = 0.6
"""The dB that rounding takes from what a number of units can do, to begin with."""
_ROUNDING = 0.25
"""The error of rounding codes and weights, as a share of the error of pruning."""
_TRIES = 6


@dataclass(frozen=True)
class Aim:
    """How small, or how good, the file shall be; one of them is set."""

    units: int | None = None
    ratio: float | None = None
    """The nominal ratio."""
    psnr: float | None = None
    """In dB, over all values."""

    def units_for(self, values: int, most: int) -> int:
        """The number of units for patches of so many values. Raises UsageError for too many."""
        wanted: int | None = self.units
        if self.ratio is not None:
            wanted = max(1, round(values / self.ratio))
        assert wanted is not None
        if self.units is not None and wanted > most:
            raise UsageError(f"there are at most {most} units, not {wanted}", "ask for fewer")
        return wanted if wanted < most else most


@dataclass(frozen=True)
class Compressed:
    """A file that was made."""

    content: bytes
    coder: Coder
    contents: Contents

    @property
    def units(self) -> int:
        """How many numbers each patch became."""
        return int(self.contents.codes[0].shape[-1])


Loaded = Sequence[tuple[Picture, Tensor]]


def compress_with_codec(pictures: Loaded, codec: Codec, aim: Aim) -> Compressed:
    """Compress pictures with a learned codec.

    Args:
        pictures: and their images (N, C, H, W) in [0, 1].
        codec: whose name goes into the file.
        aim: a number of units or a ratio; for a PSNR, the fewest units that reach it.

    Raises UsageError for what the codec cannot reach.
    """
    encoder = codec.encoder
    coder = encoder.coder
    patches = [patches_of(*each, coder.channels, coder.side) for each in pictures]
    if aim.psnr is None:
        own = coder.side**2 * max(min(each.channels, coder.channels) for each, _ in pictures)
        units = aim.units_for(own, coder.units)
    else:
        units = _fewest_units(pictures, patches, encoder, aim.psnr)
    return _packed(pictures, patches, encoder, units, coder.step(units), codec)


def _fewest_units(
    pictures: Loaded, patches: Sequence[Tensor], encoder: Encoder, psnr: float
) -> int:
    """The fewest units of a codec that reach a PSNR, by bisection."""
    low, high = 1, encoder.coder.units

    def reached(units: int) -> float:
        step = encoder.coder.step(units)
        decoded = [encoder.coder.decode(encoder.codes(p, units, step), step) for p in patches]
        return overall_psnr(pictures, decoded, encoder.coder)

    best = reached(high)
    if best < psnr:
        raise UsageError(
            f"the codec reaches {best:.2f} dB at most, not {psnr:g}",
            "ask for less, or leave --codec out",
        )
    while low < high:
        middle = (low + high) // 2
        if reached(middle) >= psnr:
            high = middle
        else:
            low = middle + 1
    return high


def compress_from_scratch(
    pictures: Loaded, side: int, aim: Aim, recipe: Recipe, first: int | None = None
) -> Iterator[Step | Compressed]:
    """Train a network on the pictures, prune it, and put its decoder into the file.

    Args:
        pictures: and their images (N, C, H, W) in [0, 1].
        side: of patches, in pixels.
        aim: when to stop pruning.
        recipe: how long to train.
        first: units to start with; None is half as many more as shall remain.

    Yields a Step after each removal, and the file at the end. Raises UsageError for a PSNR that is
    not reached.
    """
    channels = codec_channels([picture for picture, _ in pictures])
    patches = [patches_of(*each, channels, side) for each in pictures]
    whole = torch.cat(list(patches))
    if whole.numel() > MOST_VALUES:
        raise DataError(
            f"the patches hold {whole.numel():,} values; dae compress takes up to {MOST_VALUES:,}",
            "cut the image into parts, or choose a smaller --patch",
        )
    values = whole.shape[1]
    units = (
        aim.units_for(values, values)
        if aim.psnr is None
        else _units_for_psnr(whole, aim.psnr + _MARGIN)
    )
    for _ in range(_TRIES):
        settings = Settings(channels, side)
        usual = start_units(units, settings, len(whole))
        count = min(values, usual if first is None else max(first, units))
        start = Settings(channels, side, count)
        for step in prune_progressively(whole, start, units, recipe):
            yield step
        made = _own_file(pictures, patches, step, aim)
        found = overall_psnr(pictures, _decoded(made, pictures), made.coder)
        if aim.psnr is None or found >= aim.psnr or units == values:
            break
        units = min(values, math.ceil(1.12 * units))
    if aim.psnr is not None and found < aim.psnr:
        raise UsageError(
            f"{units} units reach {found:.2f} dB, not {aim.psnr:g}",
            "ask for less: what shall be lossless is a PNG",
        )
    yield made


def _units_for_psnr(patches: Tensor, psnr: float) -> int:
    """The fewest units that can reach a PSNR: so many principal components do."""
    centred = patches - patches.mean(0)
    power = torch.linalg.eigvalsh((centred.T @ centred).double()).flip(0).clamp(min=0)
    left = power.sum() - power.cumsum(0)
    allowed = patches.numel() * 10 ** (-psnr / 10)
    return min(int((left > allowed).sum()) + 1, patches.shape[1])


def _own_file(pictures: Loaded, patches: Sequence[Tensor], step: Step, aim: Aim) -> Compressed:
    """The file of a network that was trained for these pictures."""
    side, channels = step.network.settings.side, step.network.settings.channels
    grids = [grid_of(picture, channels, side) for picture, _ in pictures]
    encoder = encoder_of(step.network, torch.cat(list(patches)), grids)
    count, values = sum(map(len, patches)), encoder.coder.values
    pruned = step.squared_error / count
    allowed = _ROUNDING * pruned
    if aim.psnr is not None:
        allowed = max(allowed, values * 10 ** (-aim.psnr / 10) - pruned)
    # Of a patch: its codes, and its share of the decoder's weights.
    rounded = step.units + values * (step.units + 1) / count
    size = max(LEAST_STEP, math.sqrt(12 * allowed / rounded))
    return _packed(pictures, patches, encoder, step.units, size, None)


def _packed(
    pictures: Loaded,
    patches: Sequence[Tensor],
    encoder: Encoder,
    units: int,
    step: float,
    codec: Codec | None,
) -> Compressed:
    channels, side = encoder.coder.channels, encoder.coder.side
    codes = []
    for (picture, _), part in zip(pictures, patches, strict=True):
        shape = (*grid_of(picture, channels, side), units)
        codes.append(encoder.codes(part, units, step).reshape(shape))
    contents = Contents(
        [picture for picture, _ in pictures],
        codes,
        step,
        "" if codec is None else codec.name,
        b"" if codec is None else codec.fingerprint,
    )
    content = pack(contents, encoder.coder)
    read = unpack(read_header(content), None if codec is None else encoder.coder)
    assert read.coder is not None
    return Compressed(content, read.coder, read)


def decompress(content: bytes, codec: Codec | None = None) -> list[tuple[Picture, Tensor]]:
    """The pictures of a file, and their images (N, C, H, W) in [0, 1].

    Args:
        content: of the file.
        codec: to be taken in place of the published one of the name in the file.

    Raises DataError for a file that is damaged, or whose codec is not here.
    """
    header = read_header(content)
    coder = _coder_for(header, codec)
    contents = unpack(header, coder)
    assert contents.coder is not None
    return pictures_in(contents, contents.coder)


def pictures_in(contents: Contents, coder: Coder) -> list[tuple[Picture, Tensor]]:
    """Pictures and their images (N, C, H, W) in [0, 1] of codes."""
    found = []
    for picture, codes in zip(contents.pictures, contents.codes, strict=True):
        patches = coder.decode(codes.reshape(-1, codes.shape[-1]), contents.step)
        found.append((picture, images_of(picture, patches, coder.channels, coder.side)))
    return found


def _decoded(made: Compressed, pictures: Loaded) -> list[Tensor]:
    """The patches of each picture, as the file has them."""
    step = made.contents.step
    return [
        made.coder.decode(codes.reshape(-1, codes.shape[-1]), step) for codes in made.contents.codes
    ]


def _coder_for(header: Header, codec: Codec | None) -> Coder | None:
    if not header.codec:
        return None
    chosen = codec or find_codec(header.codec)
    coder = chosen.encoder.coder
    if chosen.fingerprint != header.fingerprint:
        raise DataError(
            f"it was made with another codec than {chosen.name}, or another version of it",
            "name the file of its codec with --codec",
        )
    if (coder.channels, coder.side, coder.sigmoid) != (
        header.channels,
        header.side,
        header.sigmoid,
    ):
        raise DataError("its header does not fit its codec")
    return coder


def overall_psnr(pictures: Loaded, patches: Sequence[Tensor], coder: Coder) -> float:
    """The PSNR in dB over all values of all pictures, rounded as 8 bits where they are that."""
    error, count = 0.0, 0
    for (picture, images), part in zip(pictures, patches, strict=True):
        decoded = images_of(picture, part, coder.channels, coder.side)
        if picture.dtype == "uint8":
            decoded = (decoded * 255).round() / 255
        error += float((decoded - images).double().square().sum())
        count += images.numel()
    return -10 * math.log10(max(error, 1e-30) / count)
