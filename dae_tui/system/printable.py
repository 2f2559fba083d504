"""Foreign text for a terminal or a log, without escape sequences and line breaks.

Names of files and runs, the text in a status or a weights file, messages of libraries: any of them
can hold bytes that clear a screen, fake a line or set the title of a window.
"""


def printable(words: object) -> str:
    r"""`words` as one line of text: unprintable characters are written as \n, \x1b or \xff.

    So are bytes that are not UTF-8, which file names keep as lone surrogates.
    """
    text = str(words)
    if text.isprintable():
        return text
    return "".join(map(_written, text))


def _written(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # A byte of a file name, from os.fsdecode.
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def shortened(words: object, most: int = 100) -> str:
    """`words` for a message: at most so many characters, with an ellipsis for the rest."""
    text = str(words)
    return text if len(text) <= most else f"{text[: most - 1]}…"
