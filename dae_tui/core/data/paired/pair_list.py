"""A list of pairs: a text or CSV file with the columns `clean` and `noisy`."""

import csv
from pathlib import Path

from dae_tui.errors import DataError
from dae_tui.spec.training_config import CLEAN, NOISY
from dae_tui.system.printable import shortened
from dae_tui.system.regular_files import read_regular

DELIMITERS = ",;\t"
MOST_BYTES = 64 << 20


def read_pair_list(path: Path) -> list[tuple[Path, Path]]:
    """The clean and the noisy file of each line; relative paths start at the list's folder.

    The first line names the columns, `clean` and `noisy` among them, so that nobody trains the
    wrong way round. They are separated by a comma, a semicolon or a tab.

    Raises DataError for a file that is no such list.
    """
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
    except OSError as failure:
        raise DataError(f"{path} cannot be read: {str(failure.strerror).lower()}") from failure
    except UnicodeDecodeError as failure:
        raise DataError(f"{path} is not UTF-8 text", "save the list as UTF-8") from failure
    lines = [line for line in text.splitlines() if line.strip()]
    head = lines[0] if lines else ""
    delimiter = max(DELIMITERS, key=head.count)
    rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if not {CLEAN, NOISY} <= set(names):
        raise DataError(
            f"the first line of {path} is '{shortened(head)}'",
            f"it names the two columns: {CLEAN},{NOISY}",
        )
    columns = names.index(CLEAN), names.index(NOISY)
    pairs = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(columns) or not all(row[column].strip() for column in columns):
            raise DataError(
                f"line {number} of {path} does not name two files", f"write {CLEAN},{NOISY}"
            )
        clean, noisy = (path.parent / row[column].strip() for column in columns)
        pairs.append((clean, noisy))
    if not pairs:
        raise DataError(f"there are no pairs in {path}", "it needs a line for each pair")
    return pairs
