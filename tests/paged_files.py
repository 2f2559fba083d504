"""A file that goes through page by page, and as a whole, with 1 added to every value."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dae_tui.core.images.formats import encode, read_file
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.core.images.paged.paged_file import PagedFile
from dae_tui.system.atomic import write_new

SMALL = 200
"""Images of fewer pixels are grouped."""


def changed(stack: Stack) -> Stack:
    one = stack.values.dtype.type(1)
    return replace(
        stack, values=stack.values + one if stack.values.dtype != bool else ~stack.values
    )


def opened(path: Path) -> PagedFile:
    file = open_paged(path, path.name, SMALL)
    assert file is not None
    return file


def page_by_page(path: Path, out: Path) -> list[Stack]:
    """Write the changed file; returns the pages that were read."""
    with opened(path) as file:
        writer = file.writer(out)
        pages = []
        for number in range(len(file)):
            pages.append(file.page(number))
            writer.put(changed(pages[-1]))
        writer.finish()
        writer.close()
    return pages


def as_a_whole(path: Path, out: Path) -> list[Stack]:
    """Write the changed file; returns the stacks that were read."""
    file = read_file(path, path.name)
    write_new(out, encode(file, [changed(stack) for stack in file.stacks], path.name))
    return file.stacks


def same_values(pages: list[Stack], stacks: list[Stack]) -> None:
    """All images in the same order, as they are stored."""
    images = [image for stack in pages for image in stack.values]
    expected = [image for stack in stacks for image in stack.values]
    assert len(images) == len(expected)
    for image, other in zip(images, expected, strict=True):
        assert image.dtype == other.dtype
        np.testing.assert_array_equal(image, other)
