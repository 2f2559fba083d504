"""A question for an image file or a folder of images."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class OpenImage(ModalScreen[str]):
    """Asks for the path of a file or folder; the result is empty where there is none."""

    BINDINGS = [Binding("escape", "dismiss('')", "Cancel")]

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(
                "Open an image of any kind that dae denoise reads (PNG, JPEG, TIFF, DICOM, FITS, "
                ".npy, IDX, …), or a folder of images or of pairs",
                markup=False,
            )
            yield Input(placeholder="path of the file or folder", id="path")
            yield Static("[b]enter[/b] open    [b]esc[/b] cancel")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())
