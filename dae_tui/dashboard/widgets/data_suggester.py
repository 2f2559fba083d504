"""Completes the name of a data set or the path of a folder as it is typed."""

import asyncio
import os

from textual.suggester import Suggester

from dae_tui.spec.training_config import DATA_SETS


class DataSuggester(Suggester):
    """Suggests the first data set, or the first folder on disk, that begins with what is typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        if "/" not in value:
            return next((name for name in DATA_SETS if name.startswith(value)), None)
        # In a thread: the disk may be slow.
        return await asyncio.to_thread(complete_folder, value)


def complete_folder(typed: str) -> str | None:
    """The typed path with the name of its last folder completed; None if there is no such folder.

    Hidden folders are completed only when their dot has been typed.
    """
    parent, _, begun = typed.rpartition("/")
    try:
        # Not Path.expanduser: that raises for an unknown user.
        with os.scandir(os.path.expanduser(parent or "/")) as entries:  # noqa: PTH111
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(begun)
                and entry.name.startswith(".") == begun.startswith(".")
                and entry.is_dir()
            )
    except (OSError, ValueError):
        return None
    return f"{parent}/{names[0]}" if names else None
