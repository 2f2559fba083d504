"""Noisy images without clean ones: several takes of a scene, or each image alone.

Takes: each is the target of another (Lehtinen et al., "Noise2Noise", ICML 2018). Where their noise
is independent and has the mean zero, a network that predicts one from the other learns to predict
the clean image.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dae_tui.core.data.beyond_memory.scratch import Scratch
from dae_tui.core.data.image_folder import refuse_unlisted
from dae_tui.core.data.paired.pairs import Pair, Pairs, read_pairs
from dae_tui.core.data.splits import EVERY, PARTS, split
from dae_tui.core.data.stored_images import StoredFile, StoredImage, find_ranges, read_files
from dae_tui.core.images.folder import find_images, passed_over
from dae_tui.errors import DataError
from dae_tui.spec.training_config import TAKES
from dae_tui.system.printable import printable


def read_takes(
    source: Path, takes: str, black: float | None = None, white: float | None = None
) -> Pairs:
    """Takes of scenes as pairs of noisy images, `noisy` the given one and `clean` its target.

    Args:
        source: a folder, or a file.
        takes: where the takes of a scene are: `a-b` for equal names in two folders `a` and `b`,
            `pages` for the images of each file, `folders` for the files of each subfolder.
        black: the stored value of black; None finds it out.
        white: the stored value of white; None finds it out.

    Every take is given once and is the target of another once. Raises DataError for images that
    cannot be read, and for scenes with a single take or takes of different sizes.
    """
    if takes == "a-b":
        first, second = (source / each for each in TAKES)
        pairs = read_pairs(first, second, black, white)
        swapped = [replace(pair, clean=pair.noisy, noisy=pair.clean) for pair in pairs.pairs]
        return replace(pairs, name=str(source.resolve()), pairs=pairs.pairs + swapped)
    scratch = Scratch()
    names, files, remark = _read(source, scratch)
    scenes: defaultdict[Path, list[StoredImage]] = defaultdict(list)
    for name, file in zip(names, files, strict=True):
        scenes[name if takes == "pages" else name.parent].extend(file.images)
    for scene, found in scenes.items():
        _check(scene, found, takes)
    parts = iter(split(list(scenes), [len(found) for found in scenes.values()]))
    pairs_of_all = [
        Pair(target, given, "", next(parts))
        for found in scenes.values()
        for given, target in zip(found, [*found[1:], found[0]], strict=True)
    ]
    return _pairs(source, pairs_of_all, files, remark, scratch, black, white)


def read_noisy(source: Path, black: float | None = None, white: float | None = None) -> Pairs:
    """Noisy images alone, each its own target.

    Fewer than ten are used in every part: there is no clean image that could be learnt by heart.
    For the parameters see `read_takes`. Raises DataError.
    """
    scratch = Scratch()
    names, files, remark = _read(source, scratch)
    counts = [len(file.images) for file in files]
    images = [image for file in files for image in file.images]
    pairs = [
        Pair(image, image, "", part)
        for image, part in zip(images, split(names, counts), strict=True)
    ]
    if len(images) < EVERY:
        pairs = [replace(pair, part=part) for part in PARTS for pair in pairs]
    return _pairs(source, pairs, files, remark, scratch, black, white)


def _read(source: Path, scratch: Scratch) -> tuple[list[Path], list[StoredFile], str]:
    """Names below the source, files, and what was passed over."""
    if source.is_file():
        return [Path(source.name)], read_files([source], str(source.parent), scratch), ""
    found = find_images(source)
    refuse_unlisted([found])
    paths = sorted(found.files)
    if not paths:
        raise DataError(f"there are no images in {source}", "name a folder of noisy images")
    names = [path.relative_to(source) for path in paths]
    return names, read_files(paths, str(source), scratch), passed_over([found])


def _pairs(
    source: Path,
    pairs: list[Pair],
    files: Sequence[StoredFile],
    remark: str,
    scratch: Scratch,
    black: float | None,
    white: float | None,
) -> Pairs:
    ranges = find_ranges([stack for file in files for stack in file.stacks], black, white)
    checksum = hashlib.blake2b(b"".join(file.checksum for file in files), digest_size=16)
    return Pairs(str(source.resolve()), pairs, ranges, checksum.hexdigest(), remark, scratch)


def _check(scene: Path, takes: Sequence[StoredImage], where: str) -> None:
    if len(takes) < 2:
        raise DataError(
            f"there is only one take of {printable(scene)}",
            "each page of a file is a take with --takes pages, each file of a subfolder with "
            "--takes folders"
            if where == "folders"
            else "learn from each image alone: --supervision noise2self",
        )
    if len({(take.size, take.colour) for take in takes}) > 1:
        raise DataError(
            f"the takes of {printable(scene)} differ in size or colour",
            "takes of a scene show the same, pixel by pixel",
        )
