"""The themes by their names in `--theme`, and the theme's colour for each state.

Imports nothing heavy: `dae dashboard --help` needs it.
"""

from enum import StrEnum

from dae_tui.runs.folder.layout import State


class Theme(StrEnum):
    """The themes, in the order in which a key switches them."""

    DARK = "dark"
    LIGHT = "light"
    ANSI = "ansi"
    ANSI_LIGHT = "ansi-light"


TEXTUAL_NAMES = {
    Theme.DARK: "textual-dark",
    Theme.LIGHT: "textual-light",
    Theme.ANSI: "ansi-dark",
    Theme.ANSI_LIGHT: "ansi-light",
}

STATE_COLOURS = {
    State.STARTING: "text-muted",
    State.RUNNING: "success",
    State.EVALUATING: "success",
    State.PAUSED: "warning",
    State.FINISHED: "primary",
    State.STOPPED: "warning",
    State.FAILED: "error",
    State.CRASHED: "error",
    State.SILENT: "text-muted",
}
