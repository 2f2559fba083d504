"""Writing a run of ours as event files, which TensorBoard and others read.

The package `tensorboard` writes the records; torch is not needed.
"""

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dae_tui.runs.event_files.messages import TEXT, needs_tensorboard
from dae_tui.runs.folder.figures import figures_of
from dae_tui.runs.folder.summary import number

# Others watch it live.
FLUSH_SECONDS = 2
# Images of each step, of which a run keeps more.
MOST_IMAGES = 4
VIEWS = ("original", "noisy", "denoised")


class EventWriter:
    """Writes one event file into a folder, whose earlier files stay: a training that is resumed.

    Raises DaeError if the package tensorboard is missing, OSError if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        needs_tensorboard("writing event files")
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = event_pb2, summary_pb2
        self._tensor, self._string = TensorProto, DT_STRING
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder), flush_secs=FLUSH_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def record(self, event: Mapping[str, Any]) -> None:
        """Write the figures of one event of the metrics, at its own time where it has one."""
        step, when = number(event.get("step")), number(event.get("time"))
        if event.get("event") == "started" and step:
            # Readers then drop what an earlier process wrote of the next step and later ones.
            log = self._event.SessionLog(status=self._event.SessionLog.START)
            self._add(step + 1, when, session_log=log)
        values = [
            self._summary.Summary.Value(tag=tag, simple_value=value)
            for tag, value in figures_of(event).items()
        ]
        if values and step is not None:
            self._add(step, when, summary=self._summary.Summary(value=values))

    def sample(
        self, step: int, arrays: Mapping[str, NDArray[Any]], when: float | None = None
    ) -> None:
        """Write the first images of a sample: uint8 (N, C, H, W) by view."""
        values = []
        views = [view for view in VIEWS if view in arrays]
        for index in range(min(MOST_IMAGES, *(len(arrays[view]) for view in views))):
            for view in views:
                image = arrays[view][index]
                shown = self._summary.Summary.Image(
                    height=image.shape[-2],
                    width=image.shape[-1],
                    encoded_image_string=_png(image),
                )
                tag = f"image {index + 1}/{view}"
                values.append(self._summary.Summary.Value(tag=tag, image=shown))
        self._add(step, when, summary=self._summary.Summary(value=values))

    def text(self, tag: str, text: str, step: int = 0, when: float | None = None) -> None:
        """Write a text."""
        metadata = self._summary.SummaryMetadata(
            plugin_data=self._summary.SummaryMetadata.PluginData(plugin_name=TEXT)
        )
        tensor = self._tensor(dtype=self._string, string_val=[text.encode()])
        value = self._summary.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._add(step, when, summary=self._summary.Summary(value=[value]))

    def _add(self, step: float, when: float | None, **what: Any) -> None:
        written = time.time() if when is None else when
        self._writer.add_event(self._event.Event(wall_time=written, step=int(step), **what))


def config_text(config: Mapping[str, Any], command: object) -> str:
    """The command and the settings of a run, as TensorBoard's Markdown."""
    rows: Sequence[str] = [f"| {key} | {value} |" for key, value in config.items()]
    lines = [f"`{command}`", ""] if command else []
    return "\n".join([*lines, "| setting | value |", "|---|---|", *rows])


def _png(image: NDArray[np.uint8]) -> bytes:
    """An image (C, H, W) as PNG: three channels as colours, others as their mean."""
    content = io.BytesIO()
    drawn = image.transpose(1, 2, 0) if image.shape[0] == 3 else image.mean(0).round()
    Image.fromarray(drawn.astype(np.uint8)).save(content, "PNG")
    return content.getvalue()
