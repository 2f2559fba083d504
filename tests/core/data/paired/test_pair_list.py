"""Lists of pairs: columns, delimiters, paths, and what is refused."""

from pathlib import Path

import pytest

from dae_tui.core.data.paired.pair_list import read_pair_list
from dae_tui.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        "clean,noisy\nc/1.png,n/1.png\nc/2.png,/far/2.png\n",
        "noisy;clean\nn/1.png;c/1.png\n\n/far/2.png;c/2.png",
        "\ufeffname\tClean\tNoisy\nx\tc/1.png\tn/1.png\ny\tc/2.png\t/far/2.png\r\n",
        'clean, noisy\n"c/1.png", "n/1.png"\nc/2.png, /far/2.png\n',
    ],
    ids=["commas", "semicolons in the other order", "tabs and a third column", "quotes"],
)
def test_columns_are_known_by_their_names(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    assert read_pair_list(path) == [
        (tmp_path / "c/1.png", tmp_path / "n/1.png"),
        (tmp_path / "c/2.png", Path("/far/2.png")),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line of .* is ''"),
        ("c/1.png,n/1.png\n", "the first line of .* is 'c/1.png,n/1.png'"),
        ("clean,noisy\n", "there are no pairs"),
        ("clean,noisy\nc/1.png\n", "line 2 of .* does not name two files"),
        ("clean,noisy\nc/1.png,n/1.png\nc/2.png, \n", "line 3 of .* does not name two files"),
    ],
    ids=["empty", "no names of columns", "names alone", "one column", "an empty name"],
)
def test_what_is_no_list_is_an_error_that_says_where(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_pair_list(path)


def test_bytes_that_are_no_text_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with pytest.raises(DataError, match="cannot be read: no such file"):
        read_pair_list(path)
    path.write_bytes(b"clean,noisy\n\xff\xfe")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read_pair_list(path)
