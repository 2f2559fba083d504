"""Words of others as one line of text."""

import os
from pathlib import Path

import pytest

from dae_tui.system.printable import printable, shortened


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("digits-3f2a", "digits-3f2a"),
        ("σ = 0.5, 28×28 ▀ 数字", "σ = 0.5, 28×28 ▀ 数字"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nhint: rm -rf", r"a\nhint: rm -rf"),
        ("bell\a, csi \x9b2J, delete \x7f", r"bell\x07, csi \x9b2J, delete \x7f"),
        ("turned \u202e around", r"turned \u202e around"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_be_printed_is_written_out(words: str, written: str) -> None:
    assert printable(words) == written
    assert printable(words).isprintable()


def test_a_path_is_words_too() -> None:
    assert printable(Path("a\tb")) == r"a\tb"


@pytest.mark.parametrize(
    ("words", "quoted"), [("a" * 100, "a" * 100), ("a" * 101, "a" * 99 + "…"), ("", ""), (7, "7")]
)
def test_long_words_are_quoted_from_their_beginning(words: object, quoted: str) -> None:
    assert shortened(words) == quoted
    assert shortened("gaussian", 5) == "gaus…"
