"""Original, noisy and denoised images side by side, as many as there is room for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.message import Message
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import image_lines
from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.layout import GAP, Layout, Window, layout, telling_window
from dae_tui.terminal.palette import rich_hex

# In fewer cells a predicted class stands without a word, so that "noisy 9.7 dB" is whole.
LEAST_CAPTION = 24


@dataclass(frozen=True)
class Picture:
    """One image in one view, with its caption and predicted class."""

    image: NDArray[np.floating]
    """(H, W), (1, H, W), or in colour (3, H, W), in [0, 1]."""
    caption: str
    prediction: str = ""
    """The predicted class as text; empty without a classifier."""
    right: bool | None = None
    """Whether that is right; None where the class is unknown."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.image.shape[-2:]
        return height, width


class Pictures(Lines):
    """Rows of pictures; each row holds one or more images in all views.

    Of large images a part is shown, pixel by pixel, or the whole, shrunk.
    """

    class Resized(Message):
        """There is room for more images, or for fewer."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = 0
        """The view to show where there is room for only one."""
        self.whole = False
        """Whether large images are shown whole."""
        self.enlarge = False
        """Whether small images are shown as large as there is room for."""
        self.at: tuple[int, int] | None = None
        """The first row and column shown of a large image; None where most is to be seen."""
        self.window = Window(0, 0, 0, 0)
        """The part of a large image that was drawn last."""
        self._images: Sequence[Sequence[Picture]] = ()
        self._telling = 1
        self._empty = ""

    def show(
        self, images: Sequence[Sequence[Picture]], empty: str = "", *, telling: int = 1
    ) -> None:
        """Show other images, each a sequence of views, or say why there are none.

        The first view, and the second if `telling` is 2, say which part of a large image is shown.
        These should be views that stay as they are while others change.
        """
        self._images, self._empty = images, printable(empty)
        self._telling = telling
        self.redraw()

    def on_resize(self) -> None:
        """Textual calls that of `Lines` as well."""
        self.post_message(self.Resized())

    def next_view(self) -> None:
        """On a narrow terminal, show the next view."""
        self.view += 1
        self.redraw()

    def toggle_whole(self) -> None:
        """Show all of each large image, or a part of it pixel by pixel."""
        self.whole = not self.whole
        self.redraw()

    def layout_for(
        self, width: int, height: int, size: tuple[int, int] = (28, 28), views: int = 3
    ) -> Layout:
        """How images of a height and width in pixels are shown in so many cells."""
        return layout(size, views, width, height, whole=self.whole, enlarge=self.enlarge)

    def words(self, shown: Layout, size: tuple[int, int]) -> str:
        """How much of an image of this size is shown, and the key that changes it."""
        part = shown.part_of(size)
        if "of" in part or "in" in part:
            part += ", z: part" if self.whole else ", z: whole"
        return part.replace("×", "x") if self.graphics is Graphics.ASCII else part

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        if not self._images:
            return [Text(), Text(f" {self._empty}", self.colour("text-muted"))]
        views = len(self._images[0])
        shown = self.layout_for(width, height, self._images[0][0].size, views)
        strips: list[Text | Strip] = []
        for start in range(0, len(self._images), shown.across):
            if strips and len(strips) + shown.lines > height:
                break
            strips += self._row(self._images[start : start + shown.across], shown)
        return strips

    def _row(self, images: Sequence[Sequence[Picture]], shown: Layout) -> list[Text | Strip]:
        caption = Text(no_wrap=True)
        drawn: list[tuple[int, list[list[Segment]]]] = []
        for image in images:
            self.window = window = self._window(image, shown)
            some = image if shown.views > 1 else [image[self.view % len(image)]]
            for picture in some:
                caption.append_text(self._caption(picture, shown.cell))
                caption.append(" " * GAP)
                pixels = shown.drawn(picture.image, window)
                drawn.append((pixels.shape[-1], self._segments(pixels)))
        lines: list[Text | Strip] = [caption]
        for y in range(max(len(rows) for _, rows in drawn)):
            segments: list[Segment] = []
            for width, rows in drawn:
                segments += rows[y] if y < len(rows) else [Segment(" " * width)]
                segments.append(Segment(" " * (GAP + shown.cell - width)))
            lines.append(Strip(segments))
        return lines

    def _window(self, image: Sequence[Picture], shown: Layout) -> Window:
        """The part of an image that is shown: the chosen one, or the one that tells most."""
        if self.at is None:
            return telling_window([view.image for view in image[: self._telling]], shown)
        height, width = image[0].size
        rows, columns = min(height, shown.height), min(width, shown.width)
        top, left = (
            min(max(0, at), most)
            for at, most in zip(self.at, (height - rows, width - columns), strict=True)
        )
        return Window(top, left, rows, columns)

    def _segments(self, image: NDArray[np.floating]) -> list[list[Segment]]:
        return [
            [Segment(part.text, _style(part.foreground, part.background)) for part in line]
            for line in image_lines(image, self.graphics)
        ]

    def _caption(self, picture: Picture, width: int) -> Text:
        """The name of the view and the class predicted for it, in `width` cells."""
        colour = {True: "success", False: "error", None: "text-muted"}[picture.right]
        # Short: with it "denoised 29.7 dB" takes the 26 cells of a digit at 80 columns.
        few = width < LEAST_CAPTION
        prediction = picture.prediction and f"{'' if few else 'pred. '}{picture.prediction}"
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


def pictures_of(
    views: Mapping[str, NDArray[np.uint8]],
    captions: Mapping[str, Sequence[str]],
    predictions: Mapping[str, Sequence[int]],
    labels: Sequence[int] | None,
    numbers: Sequence[int],
) -> list[list[Picture]]:
    """The images with the given numbers, in all views.

    Args:
        views: images (N, H, W) or (N, C, H, W) by the name of their view.
        captions: for each view one caption per image.
        predictions: the predicted class of each image, for each view that was classified.
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
