"""The themes by what a person calls them. Loads nothing: `dae dashboard --help` reads it."""

from enum import StrEnum


class Theme(StrEnum):
    """The themes in the order in which a key takes them."""

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
