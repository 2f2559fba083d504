"""What the screens share: they read the disk and the machine about once a second."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Generic, TypeVar

from textual.screen import Screen

from dae_tui.dashboard.context import Context, context_of

Seen = TypeVar("Seen")
# Reading takes at most this share of the time, however many runs there are.
SHARE = 0.04
# But a crash is shown after at most so many seconds.
LONGEST_SECONDS = 3.0


class LiveScreen(Screen[None], Generic[Seen]):
    """Reads in a thread, so that a slow disk delays no key; shows the result; waits; reads again.

    A screen that is covered by another does not read. Textual calls the `on_…` methods of both a
    screen and this class: if a screen called ours too, two threads would read at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        """How often something has been read to be shown."""
        self.looking = False
        """Whether the disk is being read."""
        self._visible = asyncio.Event()
        self._wanted = asyncio.Event()

    def look(self) -> Seen:
        """Read what is to be shown, in a thread. Must not raise, nor touch a widget."""
        raise NotImplementedError

    def show(self, seen: Seen) -> None:
        """Show what was seen."""
        raise NotImplementedError

    def fit(self) -> None:
        """Arrange what is shown, as the terminal has another size."""

    def on_resize(self) -> None:
        if self.stands:
            self.fit()

    def look_soon(self) -> None:
        """Read again now and not only when it is due."""
        self._wanted.set()

    @property
    def settled(self) -> bool:
        """Whether something is shown, and nothing is being read or about to be."""
        return self.looks > 0 and not self.looking and not self._wanted.is_set()

    def look_soon_from_thread(self) -> None:
        """The same, from a worker in a thread."""
        self.app.call_from_thread(self.look_soon)

    @property
    def stands(self) -> bool:
        """False once the screen is being closed and some of its widgets may be gone."""
        return self.is_attached and self.display

    @property
    def context(self) -> Context:
        """What the app tells its screens."""
        return context_of(self)

    def on_mount(self) -> None:
        self.run_worker(self._live(), name="look")

    def on_screen_resume(self) -> None:
        if self.looks:  # Drawn first: a thread that reads delays that.
            self.call_after_refresh(self._look_if_visible)
        else:
            self._visible.set()

    def _look_if_visible(self) -> None:
        if self.is_active:  # It may have been covered again.
            self._visible.set()

    def on_screen_suspend(self) -> None:
        self._visible.clear()

    async def _live(self) -> None:
        while True:
            await self._visible.wait()
            self._wanted.clear()
            began = time.monotonic()
            self.looking = True
            seen: Any = await asyncio.to_thread(self.look)
            took = time.monotonic() - began
            if not self.stands:
                return
            self.looks += 1
            self.show(seen)
            self.looking = False
            with suppress(TimeoutError):
                rest = max(self.context.refresh_seconds, min(took / SHARE, LONGEST_SECONDS))
                await asyncio.wait_for(self._wanted.wait(), rest)
