"""What the screens share: a look at the disk and the machine once or twice a second."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Generic, TypeVar

from textual.screen import Screen

from dae_tui.dashboard.context import Context, context_of

Seen = TypeVar("Seen")
# Looking may take this share of the time, however many runs there are.
SHARE = 0.04
# But nobody waits longer than this to hear of a crash.
LONGEST_SECONDS = 3.0


class LiveScreen(Screen[None], Generic[Seen]):
    """Looks in a thread, so that a slow disk stops no key; shows what it saw; waits; looks again.

    A screen that is covered by another one does not look. Textual calls the `on_…` methods of a
    screen and of this class both: with a call of ours in between, two threads would look at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        """How often something was shown."""
        self._visible = asyncio.Event()
        self._wanted = asyncio.Event()

    def look(self) -> Seen:
        """Read what is to be shown, in a thread. Must not raise, nor touch a widget."""
        raise NotImplementedError

    def show(self, seen: Seen) -> None:
        """Show what was seen."""
        raise NotImplementedError

    def look_soon(self) -> None:
        """Look again now rather than when it is due."""
        self._wanted.set()

    def look_soon_from_thread(self) -> None:
        """The same, from a worker in a thread."""
        self.app.call_from_thread(self.look_soon)

    @property
    def stands(self) -> bool:
        """False once the screen is being closed, when some of its widgets are gone already."""
        return self.is_attached and self.display

    @property
    def context(self) -> Context:
        """What the app tells its screens."""
        return context_of(self)

    def on_mount(self) -> None:
        self.run_worker(self._live(), name="look")

    def on_screen_resume(self) -> None:
        self._visible.set()

    def on_screen_suspend(self) -> None:
        self._visible.clear()

    async def _live(self) -> None:
        while True:
            await self._visible.wait()
            self._wanted.clear()
            began = time.monotonic()
            seen: Any = await asyncio.to_thread(self.look)
            took = time.monotonic() - began
            if not self.stands:
                return
            self.show(seen)
            self.looks += 1
            with suppress(TimeoutError):
                rest = max(self.context.refresh_seconds, min(took / SHARE, LONGEST_SECONDS))
                await asyncio.wait_for(self._wanted.wait(), rest)
