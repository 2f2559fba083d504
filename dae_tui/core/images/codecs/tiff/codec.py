"""TIFF and BigTIFF: new values for every page, and its tags byte for byte as they were."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import tifffile
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import fitting_icc, swapped
from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.conversion import changes, converted
from dae_tui.core.images.codecs.tiff.metadata import (
    no_data,
    read_about,
    said_tags,
    stated_range,
)
from dae_tui.core.images.codecs.tiff.pages import Page, check_hidden, new_page, read_page
from dae_tui.core.images.codecs.tiff.pixels import packed, unpacked
from dae_tui.core.images.codecs.tiff.tags import Form, Tags, kept_tags, read_start, read_tables
from dae_tui.core.images.codecs.tiff.write_tags import assembled
from dae_tui.core.images.file_content import FREE, Source
from dae_tui.core.images.image_file import MOST_STACKS, About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

# Rows of 500 pages of 2 000 × 500 pixels, each a strip; one takes 0.02 ms.
_MOST_BOXES = 1_000_000
# Raw files of cameras have only a thumbnail as their page.
_MOST_HIDDEN = 4 * FREE


def read(content: bytes, name: str) -> ImageFile:
    """The pages of a TIFF, a stack for each; uncompressed ones are views of `content`.

    Values are bool, integers or floats, of up to 64 bits. Palettes and other numbers of bits become
    8 or 16 bits; compressions that lose something become deflate; remarks say so.
    Raises DataError for broken files and for pages that are no such image.
    """
    form, pages, labels = _pages(memoryview(content), name)
    shown = [page for page in pages if page.photometric != codes.MASK]
    targets: list[Page] = []
    stacks: list[Stack] = []
    remarks: dict[str, None] = {}
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        for page, label in zip(pages, labels, strict=True):
            target = page
            if page.photometric == codes.MASK:
                remarks["a page that is a mask stays as it is"] = None
                target = replace(page, tags=kept_tags(page.tags))
            else:
                stack, target = decoded(page, content, opened, form, label)
                stacks.append(stack)
            targets.append(target)
            remarks |= dict.fromkeys(changes(page, target))
    return ImageFile(
        "tiff",
        stacks,
        partial(_encode, targets=targets, form=form, content=content),
        read_about(shown[0].tags, form),
        tuple(remarks),
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such pages; raises DataError as `read`.

    Smaller copies and previews, which no page shows, may take more than the pages.
    """
    _, pages, _ = _pages(source, name)
    return 0, 2 * sum(page.size() for page in pages) + _MOST_HIDDEN


def _pages(content: Source | memoryview, name: str) -> tuple[Form, list[Page], list[str]]:
    """How the pages of a file are stored, and what they are called in messages."""
    form, first = read_start(content, name)
    tables = read_tables(content, form, first, name)
    labels = [f"{name}, page {index + 1}," for index in range(len(tables))]
    if len(labels) == 1:
        labels = [name]
    check_hidden(tables[0][1], len(tables), name)
    pages = [
        read_page(tags, position, form, len(content), label)
        for (position, tags), label in zip(tables, labels, strict=True)
    ]
    pixels = sum(page.height * page.width for page in pages if page.photometric != codes.MASK)
    if not pixels:
        raise DataError(f"{name} holds no image, only a mask")
    check_pixels(name, pixels)
    check_boxes(sum(len(page.offsets) for page in pages), name)
    return form, pages, labels


def check_boxes(count: int, name: str) -> None:
    """Raise DataError for more strips or tiles than can be processed in a reasonable time."""
    if count > _MOST_BOXES:
        raise DataError(
            f"{name} is in more than {_MOST_BOXES:,} strips or tiles", "save it with larger ones"
        )


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A TIFF with a page for every image, compressed with deflate; a BigTIFF above 4 GB.

    Keeps types. Raises DataError for values that no TIFF holds, and for more pages than are read.
    """
    if (count := sum(len(stack.values) for stack in stacks)) > MOST_STACKS:
        raise DataError(
            f"tiff as dae writes it holds up to {MOST_STACKS:,} pages, not {count:,}", "write npy"
        )
    said, form = said_tags(about)
    form = Form(form.order, sum(stack.values.nbytes for stack in stacks) > 4_000_000_000)
    pages = []
    for stack in stacks:
        icc = fitting_icc(about, stack.values.shape[3] - stack.alpha)
        page = new_page(stack, said, icc, form)
        pages += [(page.tags, packed(page, image)) for image in _storable(stack)]
    return assembled(pages, form)


def decoded(
    page: Page, content: bytes | Source, opened: tifffile.TiffFile, form: Form, label: str
) -> tuple[Stack, Page]:
    """The images of a page, and how they are written back. Raises DataError as `read`."""
    stored = unpacked(page, content, opened, label)
    values, target = converted(stored, page, form, label)
    return _stack(values, target, form), target


def encoded(stack: Stack, target: Page) -> Iterator[bytes | memoryview]:
    """The strips or tiles of a page that is written with such images."""
    values = stack.values
    return packed(target, values[..., 0].transpose(1, 2, 0) if target.bands else values[0])


def _stack(values: NDArray[Any], page: Page, form: Form) -> Stack:
    images = values.transpose(2, 0, 1)[..., None] if page.bands else values[None]
    missing = no_data(page.tags, values.dtype)
    stated = stated_range(values[..., : page.samples - page.alpha], page.tags, form, missing)
    white_is_zero = page.photometric in (codes.WHITE_IS_ZERO, codes.CMYK)
    return Stack(images, page.alpha, white_is_zero, missing, stated)


def _encode(stacks: Sequence[Stack], targets: Sequence[Page], form: Form, content: bytes) -> bytes:
    left = iter(stacks)

    def pages() -> Iterator[tuple[Tags, Iterable[bytes | memoryview]]]:
        view = memoryview(content)
        for page in targets:
            if page.photometric == codes.MASK:
                placed = zip(page.offsets, page.counts, strict=True)
                yield page.tags, [view[offset : offset + count] for offset, count in placed]
            else:
                yield page.tags, encoded(next(left), page)

    return assembled(pages(), form)


def _storable(stack: Stack) -> Iterator[NDArray[Any]]:
    """The images (H, W, C); 0 is black, except for CMYK and white-is-zero grey."""
    colours = stack.values.shape[3] - stack.alpha
    turned = colours > 1 and stack.white_is_zero != (colours == 4)
    for image in stack.values:
        yield swapped(image, stack.alpha) if turned else image
