"""Pairs of clean and noisy images, matched by the names of their files in two folders."""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from dae_tui.core.data.beyond_memory.scratch import Scratch
from dae_tui.core.data.crops import cropped
from dae_tui.core.data.image_folder import (
    WHOLE_UP_TO,
    class_of,
    in_order,
    refuse_unlisted,
    to_tensors,
)
from dae_tui.core.data.image_set import ImageSet, TrainingImages, unit
from dae_tui.core.data.paired.pair_list import read_pair_list
from dae_tui.core.data.paired.registration import (
    common_brightness,
    find_brightness,
    find_shift,
    fit_brightness,
    shifted,
)
from dae_tui.core.data.splits import EVERY, PARTS, TEST, TRAINING, split
from dae_tui.core.data.stored_images import (
    NAMED,
    Ranges,
    StoredFile,
    StoredImage,
    as_unit,
    find_ranges,
    read_files,
)
from dae_tui.core.images.folder import find_images, passed_over
from dae_tui.errors import DataError
from dae_tui.spec.training_config import CLEAN, NOISY, is_pair_list
from dae_tui.system.printable import printable


@dataclass(frozen=True)
class Pair:
    """A clean and a noisy image of one size, both grey or both in colour."""

    clean: StoredImage
    noisy: StoredImage
    label: str
    """The name of its class; empty for none."""
    part: str
    """`TRAINING`, `VALIDATION` or `TEST`."""
    shift: tuple[float, float] = (0.0, 0.0)
    """By how many rows and columns the clean image is moved to lie on the noisy one."""
    gain: float = 1.0
    """The clean image times `gain`, plus `offset`, is what is learnt; both in [0, 1]'s unit."""
    offset: float = 0.0

    @property
    def is_adjusted(self) -> bool:
        """Whether the clean image is moved, or its brightness changed."""
        return any(self.shift) or (self.gain, self.offset) != (1.0, 0.0)

    def adjusted(self, clean: Tensor) -> Tensor:
        """The clean image (C, H, W), uint8 or float32, moved and with its gain and offset."""
        if any(self.shift):
            clean = shifted(unit(clean), *self.shift)
        if (self.gain, self.offset) != (1.0, 0.0):
            clean = self.gain * unit(clean) + self.offset
        return clean

    @property
    def is_test(self) -> bool:
        return self.part == TEST


@dataclass(frozen=True)
class Pairs:
    """All pairs of two folders, as stored."""

    name: str
    pairs: list[Pair]
    """In the order of their names."""
    ranges: Ranges
    checksum: str
    """Identifies the bytes of all files and how they are matched, wherever they lie."""
    remark: str
    """What was passed over, as a line; empty for nothing."""
    scratch: Scratch = field(default_factory=Scratch, compare=False)
    """Where the images are kept."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of their labels; empty if an image has none."""
        names = {pair.label for pair in self.pairs}
        return () if "" in names else tuple(in_order(names))

    def remarks(self) -> list[str]:
        """Lines for the user: ranges and what was passed over."""
        return [*self.ranges.remarks, *([self.remark] if self.remark else [])]

    def whole(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """The clean and the noisy image, float32 (C, H, W), where 0 is black and 1 is white."""
        colour = pair.clean.colour
        clean, noisy = (
            as_unit(image, self.ranges, colour=colour) for image in (pair.clean, pair.noisy)
        )
        return pair.adjusted(clean), noisy

    def aligned(self, parts: Sequence[str] = PARTS) -> "Pairs":
        """The same pairs, those of some parts with the shift that puts clean on noisy images."""
        found = [
            replace(pair, shift=find_shift(*self.whole(pair))) if pair.part in parts else pair
            for pair in self.pairs
        ]
        pixels = [math.hypot(*pair.shift) for pair in found if any(pair.shift)]
        if not pixels:
            return self
        line = (
            f"clean images shifted against their noisy ones, and now aligned: {len(pixels):,} of "
            f"{len(found):,}, by up to {max(pixels):.2f} pixels"
        )
        return self._changed(found, line)

    def matched(self, parts: Sequence[str] = PARTS) -> "Pairs":
        """The same pairs, with a gain and an offset for each clean image of some parts.

        They make brighter and darker takes alike: the relation of brightness between clean and
        noisy images, which differs from pair to pair, becomes the same for all, and is on the whole
        what it was. What is left of it is what a network can know.
        """
        chosen = [pair for pair in self.pairs if pair.part in parts]
        fits = [fit_brightness(*self.whole(pair)) for pair in chosen]
        gain, offset = common_brightness([self.whole(pair)[0] for pair in chosen], fits)
        done = iter(
            [
                replace(pair, gain=gain * own_gain, offset=gain * own_offset + offset)
                for pair, (own_gain, own_offset) in zip(chosen, fits, strict=True)
            ]
        )
        pairs = [next(done) if pair.part in parts else pair for pair in self.pairs]
        gains = [pair.gain for pair in pairs if pair.part in parts]
        line = (
            f"the brightness of the clean images is matched, by factors of {min(gains):.2f} to "
            f"{max(gains):.2f}"
        )
        return self._changed(pairs, line)

    def as_bright(self) -> "Pairs":
        """The same pairs, each clean image made as bright as the noisy one, where it is not."""
        found = []
        for pair in self.pairs:
            gain, offset = find_brightness(*self.whole(pair))
            offset += gain * pair.offset
            found.append(replace(pair, gain=gain * pair.gain, offset=offset))
        changed = sum(pair != own for pair, own in zip(found, self.pairs, strict=True))
        if not changed:
            return self
        line = (
            f"clean images brighter or darker than their noisy ones, and now matched: "
            f"{changed:,} of {len(found):,}"
        )
        return self._changed(found, line)

    def _changed(self, pairs: list[Pair], line: str) -> "Pairs":
        """Others in their place, and a line that says what was done."""
        return replace(self, pairs=pairs, remark="; ".join(filter(None, [self.remark, line])))

    @property
    def used_whole(self) -> bool:
        """Whether the images are small and of one size, and so are not cropped."""
        sizes = {pair.clean.size for pair in self.pairs}
        return len(sizes) == 1 and max(next(iter(sizes))) <= WHOLE_UP_TO

    def splits(
        self, patch: int, *, augment: bool = False, grey: bool = False
    ) -> tuple[TrainingImages, list[ImageSet], list[ImageSet]]:
        """Training, validation and test pairs: see `splits`.

        Small images of one size are used whole; else crops of `patch` by `patch` pixels are trained
        with, and validation and test images are whole, in a set for each size. uint8 if 8
        bits hold all images, else float32, where 0 is black and 1 is white. C is 3 if any image is
        in colour and `grey` is not set, else 1. Raises DataError if one of the parts is empty.
        """
        parts = {part: [pair for pair in self.pairs if pair.part == part] for part in PARTS}
        colour = not grey and any(pair.clean.colour for pair in self.pairs)
        clean, noisy = (
            {part: self._tensors(pairs, side, colour) for part, pairs in parts.items()}
            for side in (CLEAN, NOISY)
        )
        if not self.used_whole:
            return cropped(
                self.name, clean, patch, noisy, augment=augment, stack=self.scratch.stack
            )
        sets = []
        for part, pairs in parts.items():
            if not pairs:
                raise DataError(
                    f"there are no pairs for {part} in {self.name}",
                    f"it needs at least {EVERY} pairs",
                )
            labels = None
            if self.classes:
                labels = torch.tensor([self.classes.index(pair.label) for pair in pairs])
            images, others = (self.scratch.stack(side[part]) for side in (clean, noisy))
            sets.append(ImageSet(self.name, images, labels, len(self.classes), others))
        return sets[0], sets[1:2], sets[2:]

    def _tensors(self, pairs: Sequence[Pair], side: str, colour: bool) -> list[Tensor]:
        """The clean or the noisy images; clean ones are moved where they have a shift."""
        images = to_tensors(
            [getattr(pair, side) for pair in pairs], self.ranges, self.scratch, colour=colour
        )
        if side == NOISY or not any(pair.is_adjusted for pair in pairs):
            return images
        adjusted = (unit(pair.adjusted(image)) for image, pair in zip(images, pairs, strict=True))
        return [self.scratch.keep_tensor(image) for image in adjusted]


def load_pairs(
    data: str,
    noisy: str = "",
    black: float | None = None,
    white: float | None = None,
    *,
    all_noisy: bool = True,
) -> Pairs:
    """Read pairs from whatever `holds_pairs` knows.

    Args:
        data: a folder with `clean` and `noisy`, a list, or the clean images of `noisy`.
        noisy: a folder of noisy images, or empty.
        black: see `read_pairs`.
        white: see `read_pairs`.
        all_noisy: see `read_pairs`.

    Raises DataError.
    """
    if noisy:
        return read_pairs(Path(data), Path(noisy), black, white, all_noisy=all_noisy)
    if is_pair_list(data):
        return read_listed(Path(data), black, white)
    clean_side, noisy_side = (Path(data) / part for part in (CLEAN, NOISY))
    return read_pairs(clean_side, noisy_side, black, white, all_noisy=all_noisy)


def read_pairs(
    clean: Path,
    noisy: Path,
    black: float | None = None,
    white: float | None = None,
    *,
    all_noisy: bool = True,
) -> Pairs:
    """Read pairs of images, which have equal names below two folders.

    Args:
        clean: the folder of the clean images.
        noisy: the folder of the noisy images.
        black: the stored value of black; None finds it out.
        white: the stored value of white; None finds it out.
        all_noisy: whether a noisy image without a clean one is an error.

    Raises DataError, which names all images without a partner, all files that cannot be read, or
    all pairs that differ in size, colour or number of images.
    """
    name = str((clean.parent if is_both(clean, noisy) else clean).resolve())
    found = [find_images(folder) for folder in (clean, noisy)]
    refuse_unlisted(found)
    names, others = (
        sorted(path.relative_to(folder) for path in each.files)
        for folder, each in zip((clean, noisy), found, strict=True)
    )
    if not names:
        raise DataError(
            f"there are no images in {clean}",
            f"each image in {CLEAN} needs one of the same name in {NOISY}",
        )
    _refuse_single(noisy, [each for each in names if each not in set(others)], CLEAN, NOISY)
    single = [each for each in others if each not in set(names)]
    if all_noisy:
        _refuse_single(clean, single, NOISY, CLEAN)
    remark = passed_over(found)
    if single:
        remark += f"{', ' if remark else 'passed over: '}{len(single):,} noisy without a clean one"
    sides = [clean / each for each in names], [noisy / each for each in names]
    return _read(name, names, sides, black, white, remark)


def read_listed(path: Path, black: float | None = None, white: float | None = None) -> Pairs:
    """Read the pairs of a list; see `read_pair_list`. For the rest see `read_pairs`.

    Raises DataError, also for all files of the list that do not exist.
    """
    listed = read_pair_list(path)
    clean, noisy = ([pair[side] for pair in listed] for side in (0, 1))
    missing = [each for each in (*clean, *noisy) if not each.exists()]
    if missing:
        raise DataError(
            f"{len(missing):,} files of {path} do not exist: {_named(missing)}",
            "paths in a list start at its folder",
        )
    names = [Path(os.path.relpath(each, path.parent)) for each in clean]
    return _read(str(path.resolve()), names, (clean, noisy), black, white, "", classes=False)


def _read(
    name: str,
    names: Sequence[Path],
    paths: tuple[Sequence[Path], Sequence[Path]],
    black: float | None,
    white: float | None,
    remark: str,
    *,
    classes: bool = True,
) -> Pairs:
    """Read the clean and the noisy files `paths` of pairs `names`."""
    scratch = Scratch()
    files = read_files([*paths[0], *paths[1]], name, scratch)
    sides = files[: len(names)], files[len(names) :]
    _refuse_unlike(names, sides)
    of_files, equal = _parts(names, sides)
    if equal:
        line = f"{equal:,} pairs are identical on both sides; they are used for training only"
        remark = "; ".join(filter(None, [remark, line]))
    parts = iter(of_files)
    labels = [class_of(below) if classes else "" for below in names]
    pairs = [
        Pair(clean_image, noisy_image, label, next(parts))
        for label, clean_file, noisy_file in zip(labels, *sides, strict=True)
        for clean_image, noisy_image in zip(clean_file.images, noisy_file.images, strict=True)
    ]
    ranges = find_ranges([stack for file in files for stack in file.stacks], black, white)
    return Pairs(name, pairs, ranges, _checksum(labels, sides), remark, scratch)


def _parts(
    names: Sequence[Path], sides: tuple[list[StoredFile], list[StoredFile]]
) -> tuple[list[str], int]:
    """The part of each image, and how many files are equal on both sides.

    Those teach a network to leave clean images alone. They are for training: in a test they would
    count as infinitely good.
    """
    equal = [clean.checksum == noisy.checksum for clean, noisy in zip(*sides, strict=True)]
    if all(equal):
        equal = [False] * len(names)
    others = [number for number, same in enumerate(equal) if not same]
    counts = [len(file.images) for file in sides[0]]
    of_others = iter(split([names[number] for number in others], [counts[n] for n in others]))
    parts = [
        TRAINING if same else next(of_others)
        for same, count in zip(equal, counts, strict=True)
        for _ in range(count)
    ]
    return parts, sum(equal)


def is_both(clean: Path, noisy: Path) -> bool:
    """Whether the folders are `clean` and `noisy` of one folder, which names the pairs then."""
    return clean.name == CLEAN and noisy.name == NOISY and clean.parent == noisy.parent


def _refuse_single(where: Path, names: Sequence[Path], has: str, lacks: str) -> None:
    """Raise DataError if there are images without a partner."""
    if not names:
        return
    hint = f"each image in {has} needs one of the same name in {lacks}"
    if len(names) == 1:
        raise DataError(f"there is no {where / names[0]}", hint)
    raise DataError(f"{len(names):,} images are not in {where}: {_named(names)}", hint)


def _refuse_unlike(names: Sequence[Path], sides: tuple[list[StoredFile], list[StoredFile]]) -> None:
    """Raise DataError if there are pairs that do not fit together."""
    unlike = [
        name
        for name, *files in zip(names, *sides, strict=True)
        if len({tuple((image.size, image.colour) for image in file.images) for file in files}) > 1
    ]
    if unlike:
        raise DataError(
            f"{len(unlike):,} of {len(names):,} pairs differ in size or colour: {_named(unlike)}",
            "a noisy image must have the size and colours of the clean one",
        )


def _named(names: Sequence[Path]) -> str:
    """At most `NAMED` names, as text."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(map(printable, names[:NAMED])) + more


def _checksum(labels: Sequence[str], sides: tuple[list[StoredFile], list[StoredFile]]) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for label, clean, noisy in zip(labels, *sides, strict=True):
        encoded = label.encode(errors="surrogateescape")
        whole.update(b"\0".join([b"pair", encoded, clean.checksum, noisy.checksum]))
    return whole.hexdigest()
