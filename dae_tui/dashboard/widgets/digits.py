"""Original, noisy and denoised digits side by side, as many as there is room for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import (
    Graphics,
    crop,
    fit_crop,
    image_lines,
    rich_hex,
    shrink,
    views_that_fit,
)

GAP = 1


@dataclass(frozen=True)
class Picture:
    """One image in one view, with its caption and predicted class."""

    image: NDArray[np.floating]
    """(H, W) in [0, 1]."""
    caption: str
    prediction: str = ""
    """The predicted class as text; empty without a classifier."""
    right: bool | None = None
    """Whether that is right; None where the class is unknown."""


class Digits(Lines):
    """Rows of pictures; each row holds one or more digits in all views."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = 0
        """The view to show where there is room for only one."""
        self._digits: Sequence[Sequence[Picture]] = ()
        self._empty = ""

    def show(self, digits: Sequence[Sequence[Picture]], empty: str = "") -> None:
        """Show other digits, each a sequence of views, or say why there are none."""
        self._digits, self._empty = digits, printable(empty)
        self.redraw()

    def next_view(self) -> None:
        """On a narrow terminal, show the next view."""
        self.view += 1
        self.redraw()

    def capacity(self, width: int, height: int, side: int = 28, views: int = 3) -> int:
        """How many digits fit, at least one."""
        border = self._border(width, side, views)
        shown = views_that_fit(width, views)
        across = max(1, (width + GAP) // (shown * (side - 2 * border + GAP)))
        return across * max(1, height // rows_of(side, border))

    def rows_for(self, width: int, height: int, side: int = 28, views: int = 3) -> int:
        """The lines, out of `height`, of whole rows of digits; at least one row."""
        row = rows_of(side, self._border(width, side, views))
        return row * max(1, height // row)

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        if not self._digits:
            return [Text(), Text(f" {self._empty}", self.colour("text-muted"))]
        views = len(self._digits[0])
        side = max(self._digits[0][0].image.shape)
        border = self._border(width, side, views)
        shown = views_that_fit(width, views)
        cell = side - 2 * border
        across = max(1, (width + GAP) // (shown * (cell + GAP)))
        strips: list[Text | Strip] = []
        for start in range(0, len(self._digits), across):
            row = [
                picture
                for digit in self._digits[start : start + across]
                for picture in (digit if shown > 1 else [digit[self.view % views]])
            ]
            if strips and len(strips) + rows_of(side, border) > height:
                break
            strips += self._row(row, min(cell, width), border, max(1, height - len(strips) - 1))
        return strips

    def _row(
        self, pictures: Sequence[Picture], cell: int, border: int, rows: int
    ) -> list[Text | Strip]:
        caption = Text(no_wrap=True)
        for picture in pictures:
            caption.append_text(self._caption(picture, cell))
            caption.append(" " * GAP)
        images = [
            shrink(crop(picture.image, border), cell, max(rows, cell // 2)) for picture in pictures
        ]
        drawn = [image_lines(image, self.graphics) for image in images]
        lines: list[Text | Strip] = [caption]
        for y in range(max(map(len, drawn))):
            segments: list[Segment] = []
            for parts, image in zip(drawn, images, strict=True):
                segments += [
                    Segment(part.text, _style(part.foreground, part.background))
                    for part in (parts[y] if y < len(parts) else [])
                ]
                segments.append(Segment(" " * (GAP + cell - image.shape[1])))
            lines.append(Strip(segments))
        return lines

    def _caption(self, picture: Picture, width: int) -> Text:
        """The name of the view and the class predicted for it, in `width` cells."""
        colour = {True: "success", False: "error", None: "text-muted"}[picture.right]
        # Short: with it "denoised 29.7 dB" takes the 26 cells of a digit at 80 columns.
        prediction = picture.prediction and f"pred. {picture.prediction}"
        if prediction and picture.right is False:
            prediction += " x" if self.graphics is Graphics.ASCII else " ✗"
        text = Text(printable(picture.caption), no_wrap=True)
        text.truncate(
            max(0, width - len(prediction) - bool(prediction)), overflow="ellipsis", pad=True
        )
        if prediction:
            text.append(" ")
            text.append(prediction, self.colour(colour) + Style(bold=True))
        return text

    def _border(self, width: int, side: int, views: int) -> int:
        if views_that_fit(width, views) < views:
            return 0
        return fit_crop(width, views, GAP, side)


def rows_of(side: int, border: int) -> int:
    """Lines of a row of digits: the caption and the pictures."""
    return 1 + (side - 2 * border + 1) // 2


def digits_of(
    views: Mapping[str, NDArray[np.uint8]],
    captions: Mapping[str, Sequence[str]],
    predictions: Mapping[str, Sequence[int]],
    labels: Sequence[int] | None,
    numbers: Sequence[int],
) -> list[list[Picture]]:
    """The digits with the given numbers, in all views.

    Args:
        views: images (N, H, W) by the name of their view.
        captions: for each view one caption per digit.
        predictions: the predicted class of each digit, for each view that was classified.
        labels: the true classes.
        numbers: which of the N to show.
    """
    return [
        [
            Picture(
                images[number].astype(np.float32) / 255,
                captions[view][number],
                str(predictions[view][number]) if view in predictions else "",
                None
                if view not in predictions or labels is None
                else bool(predictions[view][number] == labels[number]),
            )
            for view, images in views.items()
        ]
        for number in numbers
    ]


@lru_cache(maxsize=8192)
def _style(foreground: str, background: str) -> Style | None:
    """The style of a part of a picture, built once; see `rich_hex`."""
    if not foreground:
        return None
    return Style(color=rich_hex(foreground), bgcolor=rich_hex(background) or None)
