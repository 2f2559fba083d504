"""The copy of a training's figures and images in event files, as `--tensorboard` asks for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from dae_tui.commands.output.streams import say
from dae_tui.errors import UsageError
from dae_tui.runs.event_files.writer import EventWriter, config_text
from dae_tui.runs.folder.writer import RunWriter


class EventCopy:
    """Writes event files into a folder of the run's name below another; for None nothing.

    Where they cannot be written any more, the training goes on without them and its log says so.
    """

    def __init__(self, folder: Path | None, writer: RunWriter) -> None:
        """Raises UsageError if the folder cannot be written."""
        self._run = writer
        self._writer: EventWriter | None = None
        if folder is not None:
            try:
                self._writer = EventWriter(folder / writer.folder.name)
            except OSError as failure:
                raise UsageError(
                    f"{folder} cannot be written: {str(failure.strerror).lower()}",
                    "name another folder with --tensorboard",
                ) from failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._try(lambda writer: writer.close())

    def describe(self, config: Mapping[str, Any], command: str) -> None:
        """Write the command and the settings as a text."""
        self._try(lambda writer: writer.text("config", config_text(config, command)))

    def record(self, event: Mapping[str, Any]) -> None:
        """Write the figures of an event."""
        self._try(lambda writer: writer.record(event))

    def sample(self, step: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write some images."""
        self._try(lambda writer: writer.sample(step, arrays))

    def _try(self, act: Callable[[EventWriter], None]) -> None:
        if self._writer is None:
            return
        try:
            act(self._writer)
        except OSError as failure:
            self._writer = None
            words = f"the event files cannot be written any more: {failure.strerror}"
            self._run.log(words)
            say(words)
