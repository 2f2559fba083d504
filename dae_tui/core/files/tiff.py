"""TIFF and BigTIFF: every page's values anew, all that its tags say byte by byte as it was."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import tifffile
from numpy.typing import NDArray

from dae_tui.core.files import tiff_codes as codes
from dae_tui.core.files.conversions import fitting_icc, swapped
from dae_tui.core.files.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.core.files.tiff_about import read_about, said_tags
from dae_tui.core.files.tiff_conversion import changes, converted
from dae_tui.core.files.tiff_pages import Page, check_hidden, new_page, read_page
from dae_tui.core.files.tiff_pixels import packed, unpacked
from dae_tui.core.files.tiff_tags import Form, Tags, assembled, kept_tags, read_start, read_tables
from dae_tui.errors import DataError


def read(content: bytes, name: str) -> ImageFile:
    """The pages of a TIFF, a stack for each; uncompressed ones are views of `content`.

    Values are bool, uint8, uint16, uint32 or floats. Palettes and other numbers of bits become 8
    or 16 bits; compressions that lose something become deflate; remarks say so.
    Raises DataError for broken files and for pages that are no such image.
    """
    form, first = read_start(content, name)
    tables = read_tables(content, form, first, name)
    labels = [f"{name}, page {index + 1}," for index in range(len(tables))]
    if len(labels) == 1:
        labels = [name]
    check_hidden(tables, name)
    pages = [
        read_page(tags, position, form, content, label)
        for (position, tags), label in zip(tables, labels, strict=True)
    ]
    shown = [page for page in pages if page.photometric != codes.MASK]
    if not shown:
        raise DataError(f"{name} holds no image, only a mask")
    check_pixels(name, sum(page.height * page.width for page in shown))
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
                stored = unpacked(page, content, opened, label)
                values, target = converted(stored, page, form, label)
                stacks.append(_stack(values, target))
            targets.append(target)
            remarks |= dict.fromkeys(changes(page, target))
    return ImageFile(
        "tiff",
        stacks,
        partial(_encode, targets=targets, form=form, content=content),
        read_about(shown[0].tags, form),
        tuple(remarks),
    )


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A TIFF with a page for every image, compressed with deflate; a BigTIFF above 4 GB.

    Types stay. Raises DataError for values that no TIFF holds.
    """
    said, form = said_tags(about)
    form = Form(form.order, sum(stack.values.nbytes for stack in stacks) > 4_000_000_000)
    pages = []
    for stack in stacks:
        icc = fitting_icc(about, stack.values.shape[3] - stack.alpha)
        page = new_page(stack, said, icc, form)
        pages += [(page.tags, packed(page, image)) for image in _storable(stack)]
    return assembled(pages, form)


def _stack(values: NDArray[Any], page: Page) -> Stack:
    images = values.transpose(2, 0, 1)[..., None] if page.bands else values[None]
    return Stack(images, page.alpha, page.photometric in (codes.WHITE_IS_ZERO, codes.CMYK))


def _encode(stacks: Sequence[Stack], targets: Sequence[Page], form: Form, content: bytes) -> bytes:
    left = iter(stacks)

    def pages() -> Iterator[tuple[Tags, Iterable[bytes | memoryview]]]:
        view = memoryview(content)
        for page in targets:
            if page.photometric == codes.MASK:
                placed = zip(page.offsets, page.counts, strict=True)
                yield page.tags, [view[offset : offset + count] for offset, count in placed]
            else:
                values = next(left).values
                image = values[..., 0].transpose(1, 2, 0) if page.bands else values[0]
                yield page.tags, packed(page, image)

    return assembled(pages(), form)


def _storable(stack: Stack) -> Iterator[NDArray[Any]]:
    """The images (H, W, C), 0 being black, but white for CMYK and for grey that has it so."""
    colours = stack.values.shape[3] - stack.alpha
    turned = colours > 1 and stack.white_is_zero != (colours == 4)
    for image in stack.values:
        yield swapped(image, stack.alpha) if turned else image
