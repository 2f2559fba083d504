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
PAN_KEYS = (
    Binding(
        "shift+left,less_than_sign",
        "pan(0,-1)",
        "part of a large image: to the left",
        show=False,
        key_display="<",
    ),
    Binding(
        "shift+right,greater_than_sign",
        "pan(0,1)",
        "part of a large image: to the right",
        show=False,
        key_display=">",
    ),
    Binding(
        "shift+up,left_curly_bracket",
        "pan(-1,0)",
        "part of a large image: up",
        show=False,
        key_display="{",
    ),
    Binding(
        "shift+down,right_curly_bracket",
        "pan(1,0)",
        "part of a large image: down",
        show=False,
        key_display="}",
    ),
)
