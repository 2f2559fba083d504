"""Names and counts in few cells. Does not import Textual."""

from rich.cells import cell_len, chop_cells

# The share of the room that the end of a name gets.
END = 0.6


def shortened_name(name: str, width: int, *, utf8: bool = True) -> str:
    """A name in at most `width` cells, without its middle: `fashion-mni…dense-0012-3f2a`.

    Both ends stay, as names of runs differ at their end.
    """
    if cell_len(name) <= width:
        return name
    if width < 3:
        return chop_cells(name, width)[0] if width > 0 else ""
    room = width - 1
    end = max(1, round(room * END))
    begin = chop_cells(name, room - end)[0]
    last = chop_cells(name[::-1], end)[0][::-1]
    return f"{begin}{'…' if utf8 else '~'}{last}"


def short(count: float) -> str:
    """A count in few characters: 950, 12.3k, 1.2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size * 0.9995:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"
