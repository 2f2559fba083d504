"""Tables of MNIST: images, header line, labels and line ends."""

import numpy as np
import pytest
from broken_files import check_broken

from dae_tui.core.images.codecs.science import digits_csv
from dae_tui.core.images.formats import kind_of_content
from dae_tui.core.images.image_file import About, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
# A stroke here and there, as digits have them: rows differ, and neighbours within one do not.
IMAGES = np.zeros((6, 28, 28), np.uint8)
for number, at in enumerate(RANDOM.integers(2, 20, (6, 2))):
    IMAGES[number, at[0] : at[0] + 7, at[1] : at[1] + 6] = RANDOM.integers(100, 256)
ROWS = IMAGES.reshape(6, 784)
HEAD = "label," + ",".join(f"{row}x{column}" for row in range(28) for column in range(28))
LABELLED = [f"{number}," + ",".join(map(str, row)) for number, row in enumerate(ROWS.tolist())]
PLAIN = [",".join(map(str, row)) for row in ROWS.tolist()]


def text(lines: list[str], end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode()


@pytest.mark.parametrize(
    "content",
    [
        text([HEAD, *LABELLED]),
        text(LABELLED),
        text(PLAIN),
        text([HEAD, *LABELLED], "\r\n"),
        text(LABELLED)[:-1],
        b"\xef\xbb\xbf" + text(LABELLED),
        text([HEAD.removeprefix("label,"), *PLAIN]),
    ],
    ids=["header", "labels", "plain", "crlf", "no last end", "mark", "header without labels"],
)
def test_the_same_table_comes_back(content: bytes) -> None:
    assert kind_of_content(content) == "csv"
    file = digits_csv.read(content, "a.csv")
    values = file.stacks[0].values
    np.testing.assert_array_equal(values.reshape(6, 784), ROWS)
    assert values.dtype == np.uint8
    assert file.remarks == ("its rows are taken for 6 images of 28×28 pixels",)
    assert file.encode(file.stacks) == content
    other = file.encode([Stack(255 - values)])
    np.testing.assert_array_equal(digits_csv.read(other, "a.csv").stacks[0].values, 255 - values)
    assert len(other.split(b"\n")) == len(content.split(b"\n"))


def test_floats_and_large_numbers() -> None:
    floats = [",".join(map(str, row)) for row in (ROWS / 255).tolist()]
    file = digits_csv.read(text(floats), "a.csv")
    assert file.stacks[0].values.dtype == np.float64
    assert file.encode(file.stacks) == text(floats)
    large = [",".join(map(str, row)) for row in (ROWS.astype(int) * 4).tolist()]
    file = digits_csv.read(text(large), "a.csv")
    assert file.stacks[0].values.dtype == np.int64
    assert file.encode(file.stacks) == text(large)


def test_write() -> None:
    images = ROWS.reshape(6, 28, 28, 1)
    file = digits_csv.read(digits_csv.write([Stack(images)], About()), "a.csv")
    np.testing.assert_array_equal(file.stacks[0].values, images)
    with pytest.raises(DataError, match="28×28"):
        digits_csv.write([Stack(images[:, :9])], About())


def test_refused() -> None:
    picture = np.add.outer(np.arange(30), np.arange(784)) % 251
    with pytest.raises(DataError, match="one image of 30×784"):
        digits_csv.read(text([",".join(map(str, row)) for row in picture.tolist()]), "a.csv")
    with pytest.raises(DataError, match="different numbers of columns"):
        digits_csv.read(text([*LABELLED, "1,2"]), "a.csv")
    with pytest.raises(DataError, match="has 3 columns"):
        digits_csv.read(b"1,2,3\n4,5,6\n", "a.csv")
    with pytest.raises(DataError, match="no line of numbers"):
        digits_csv.read(text([HEAD]), "a.csv")


def test_broken_files() -> None:
    assert check_broken(text([HEAD, *LABELLED]), "csv", 60) > 10
