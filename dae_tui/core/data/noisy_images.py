"""Noisy images of any kind, from typed files and folders, to measure their noise."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from dae_tui.core.data.beyond_memory.scratch import Scratch
from dae_tui.core.data.image_set import unit
from dae_tui.core.data.stored_images import as_unit, find_ranges, read_files
from dae_tui.core.images.folder import find_images, passed_over
from dae_tui.errors import DataError
from dae_tui.system.regular_files import is_folder

MOST_IMAGES = 2000
"""So many images, spread evenly, tell all there is to know."""


def read_noisy_images(
    inputs: Sequence[Path],
    black: float | None = None,
    white: float | None = None,
    *,
    recursive: bool = False,
) -> tuple[list[Tensor], list[str]]:
    """All images of files and folders, float32 (C, H, W), and lines for the user.

    Raises DataError, which names all files that cannot be read, or if there are none.
    """
    walked = [find_images(path, recursive=recursive) for path in inputs if is_folder(path)]
    files = [path for path in inputs if not is_folder(path)]
    files += [file for folder in walked for file in sorted(folder.files)]
    if not files:
        raise DataError(f"there are no images in {inputs[0]}", "name noisy images")
    scratch = Scratch()
    read = read_files(files, str(inputs[0]), scratch)
    ranges = find_ranges([stack for file in read for stack in file.stacks], black, white)
    stored = [image for file in read for image in file.images]
    some = stored[:: max(1, -(-len(stored) // MOST_IMAGES))]
    images = [unit(as_unit(image, ranges, colour=image.colour)) for image in some]
    remarks = list(ranges.remarks)
    if over := passed_over(walked):
        remarks.append(over)
    return images, remarks
