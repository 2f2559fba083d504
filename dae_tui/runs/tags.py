"""Words and a note that a person gives a run, in `tags.json` in its folder."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.layout import TAGS, read_json, write_json
from dae_tui.runs.reader import Run
from dae_tui.system.printable import shortened

LONGEST_TAG, LONGEST_NOTE = 40, 1000
_TAG = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class Tags:
    """What a person says of a run."""

    words: tuple[str, ...] = ()
    """In the order in which they were given; none twice."""
    note: str = ""


def read_tags(run: Run) -> Tags:
    """The tags of a run; what is missing or broken is left out."""
    known = read_json(run.folder / TAGS) or {}
    words, note = known.get("tags"), known.get("note")
    found = [word for word in words if _is_tag(word)] if isinstance(words, list) else []
    return Tags(tuple(dict.fromkeys(found)), note if isinstance(note, str) else "")


def change_tags(
    run: Run, add: Iterable[str] = (), remove: Iterable[str] = (), note: str | None = None
) -> Tags:
    """Add and remove tags of a run, and replace its note unless that is None.

    Raises UsageError for a word that is no tag, RunError if the folder cannot be written.
    """
    add, remove = list(add), list(remove)
    options = [word for each in remove for word in ("--remove", each)]
    run.check_writable("tagged", "runs", "tag", run.name, *add, *options)
    for word in add:
        if not _is_tag(word):
            raise UsageError(
                f"a tag cannot be {shortened(word, LONGEST_TAG)!r}",
                f"use letters, digits, and . _ + -, {LONGEST_TAG} characters at most",
            )
    if note is not None and len(note) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(note)} characters", f"it may have {LONGEST_NOTE}")
    before = read_tags(run)
    words = tuple(word for word in dict.fromkeys([*before.words, *add]) if word not in remove)
    after = Tags(words, before.note if note is None else note)
    try:
        write_json(run.folder / TAGS, {"tags": list(after.words), "note": after.note})
    except OSError as failure:
        raise RunError(f"the run {run.name} cannot be tagged: {failure.strerror}") from failure
    return after


def _is_tag(word: Any) -> bool:
    return isinstance(word, str) and len(word) <= LONGEST_TAG and _TAG.fullmatch(word) is not None
