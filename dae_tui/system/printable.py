"""Words of others on their way to a terminal or a log: no escape sequence, no second line.

Names of files and runs, what a status or a weights file says, messages of libraries: any of them
can hold bytes that clear a screen, fake a line or set the title of a window.
"""


def printable(words: object) -> str:
    r"""`words` as one line of text: what cannot be printed is written as \n, \x1b or \xff.

    Bytes that are no UTF-8, which names of files keep as lone surrogates, become \xff too.
    """
    text = str(words)
    if text.isprintable():
        return text
    return "".join(map(_written, text))


def _written(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # A byte of a name, as os.fsdecode keeps it.
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def shortened(words: object, most: int = 100) -> str:
    """`words` to be quoted in a message: at most so many characters, an ellipsis for the rest."""
    text = str(words)
    return text if len(text) <= most else f"{text[: most - 1]}…"
