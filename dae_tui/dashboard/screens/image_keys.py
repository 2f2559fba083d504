"""The keys that every screen with images has."""

from textual.binding import Binding

WHOLE_KEY = Binding(
    "z",
    "whole",
    "all of a large image, or a part pixel by pixel",
    show=False,
    tooltip="Zoom: all of a large image, or pixel by pixel",
)
VIEW_KEY = Binding("v", "next_view", "next view, on a narrow terminal", show=False)
