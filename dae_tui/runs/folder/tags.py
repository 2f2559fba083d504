"""What is said of a run from outside, in `tags.json` in its folder: words, a note, group, archive.

A training never writes it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.folder.layout import TAGS, read_json, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.system.printable import shortened

LONGEST_TAG, LONGEST_NOTE = 40, 1000
_TAG = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class Tags:
    """What a person says of a run."""

    words: tuple[str, ...] = ()
    """In the order in which they were given; none twice."""
    note: str = ""
    group: str = ""
    """The name that runs of one sweep share; empty for a run of its own."""
    archived: bool = False
    """Whether lists leave it out."""


def read_tags(run: Run) -> Tags:
    """The tags of a run; what is missing or broken is left out."""
    known = read_json(run.folder / TAGS) or {}
    words, note = known.get("tags"), known.get("note")
    found = [word for word in words if _is_tag(word)] if isinstance(words, list) else []
    group = known.get("group")
    return Tags(
        tuple(dict.fromkeys(found)),
        note if isinstance(note, str) else "",
        group if isinstance(group, str) and _is_tag(group) else "",
        known.get("archived") is True,
    )


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
        _check_word(word, "a tag")
    if note is not None and len(note) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(note)} characters", f"it may have {LONGEST_NOTE}")
    before = read_tags(run)
    words = tuple(word for word in dict.fromkeys([*before.words, *add]) if word not in remove)
    return _write(run, replace(before, words=words, note=before.note if note is None else note))


def check_group(name: str) -> None:
    """Raise UsageError for what is no name of a group."""
    _check_word(name, "a group")


def set_group(run: Run, name: str) -> Tags:
    """Put a run into a group, out of that in which it was; an empty name into none.

    Raises UsageError for what is no name, RunError if the folder cannot be written.
    """
    if name:
        check_group(name)
    run.check_writable("put into a group", "runs", "group", run.name, name or "--remove")
    return _write(run, replace(read_tags(run), group=name))


def set_archived(run: Run, archived: bool) -> Tags:
    """Have lists leave a run out, or show it again. Nothing else of it changes.

    Raises RunError for a run that is being trained, and if the folder cannot be written.
    """
    run.check_writable("archived", "runs", "archive" if archived else "unarchive", run.name)
    if archived:
        check_archivable(run)
    return _write(run, replace(read_tags(run), archived=archived))


def check_archivable(run: Run) -> None:
    """Raise RunError for a run that is being trained: nobody would see it."""
    if run.state().alive:
        raise RunError(
            f"the run {run.name} is being trained", f"stop it first: dae runs stop {run.name}"
        )


def _write(run: Run, tags: Tags) -> Tags:
    stored: dict[str, Any] = {"tags": list(tags.words), "note": tags.note}
    stored |= {"group": tags.group} if tags.group else {}
    stored |= {"archived": True} if tags.archived else {}
    try:
        write_json(run.folder / TAGS, stored)
    except OSError as failure:
        raise RunError(f"the run {run.name} cannot be tagged: {failure.strerror}") from failure
    return tags


def _check_word(word: str, what: str) -> None:
    if not _is_tag(word):
        raise UsageError(
            f"{what} cannot be {shortened(word, LONGEST_TAG)!r}",
            f"use letters, digits, and . _ + -, {LONGEST_TAG} characters at most",
        )


def _is_tag(word: Any) -> bool:
    return isinstance(word, str) and len(word) <= LONGEST_TAG and _TAG.fullmatch(word) is not None
