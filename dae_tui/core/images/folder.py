"""The image files of a folder and below it, and what was passed over there.

One walk for all commands, without torch. Links to folders are followed, but no folder is visited
twice, however many links lead to it, and no link leads the walk up again.
"""

import errno
import os
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dae_tui.core.images.formats import is_image_folder, is_named_image, kind_of_name
from dae_tui.system.printable import printable

# Tables lie beside images more often than they hold some.
TABLES = "csv"
# So many endings of other kinds are named.
ENDINGS_NAMED = 4
# What reading through a link to nowhere, or to itself, fails with.
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass
class FolderContents:
    """What a walk has found."""

    files: list[Path] = field(default_factory=list)
    """What has the ending of an image, whatever it is, and folders that are images: below the
    folder as it was named, the files of a folder before those of its subfolders, each in the order
    of the names; what lies behind links to folders comes last. Files with endings that all sorts of
    files have are known by their content."""
    other_kinds: Counter[str] = field(default_factory=Counter)
    """How many files are no images, by ending; `""` for none."""
    hidden: int = 0
    """Images and folders whose names begin with a dot."""
    broken_links: list[Path] = field(default_factory=list)
    """Links with the ending of an image that lead nowhere."""
    repeated: int = 0
    """Links to folders that were visited already, or that hold the link itself."""
    not_entered: list[Path] = field(default_factory=list)
    """Subfolders, where the walk was not recursive."""
    unreadable: list[OSError] = field(default_factory=list)
    """Folders that cannot be listed: `filename` and `strerror` say which and why."""

    def passed_over(self) -> list[str]:
        """What was passed over, as counts with their reasons, such as `2 broken links`."""
        others = self.other_kinds.total()
        endings = [ending for ending, _ in self.other_kinds.most_common(ENDINGS_NAMED) if ending]
        kinds = f" ({printable(' '.join(endings))})" if endings else ""
        counts = [
            (others, f"{_number(others, 'file')} of other kinds{kinds}"),
            (self.hidden, f"{self.hidden:,} hidden"),
            (len(self.broken_links), _number(len(self.broken_links), "broken link")),
            (self.repeated, f"{_number(self.repeated, 'link')} to folders that are read already"),
            (len(self.not_entered), _number(len(self.not_entered), "subfolder")),
            (
                len(self.unreadable),
                f"{_number(len(self.unreadable), 'folder')} that cannot be read",
            ),
        ]
        return [text for count, text in counts if count]


def find_images(
    root: Path, *, recursive: bool = True, leave_out: Path | None = None, tables: bool = False
) -> FolderContents:
    """Walk through a folder.

    Args:
        root: the folder.
        recursive: whether to enter subfolders and links to folders.
        leave_out: a folder that is not entered and not counted, nor are those below it, such as
            that of the outputs; unless `root` lies in it.
        tables: whether to take tables that hold images.
    """
    outside = None if leave_out is None else leave_out.resolve()
    if outside is not None and root.resolve().is_relative_to(outside):
        outside = None
    walk = _Walk(recursive, outside, tables)
    walk.from_folder(root)
    while walk.links:
        walk.from_link(walk.links.popleft())
    return walk.found


def passed_over(contents: Sequence[FolderContents]) -> str:
    """What was passed over in some folders, as one line; empty if it was nothing."""
    whole = FolderContents()
    for each in contents:
        whole.other_kinds += each.other_kinds
        whole.hidden += each.hidden
        whole.broken_links += each.broken_links
        whole.repeated += each.repeated
        whole.not_entered += each.not_entered
        whole.unreadable += each.unreadable
    counts = whole.passed_over()
    return f"passed over: {', '.join(counts)}" if counts else ""


class _Walk:
    """One walk: real folders first, so that a file is known by its own place if it has one."""

    def __init__(self, recursive: bool, leave_out: Path | None, tables: bool) -> None:
        self.found = FolderContents()
        self.links: deque[Path] = deque()
        """Links to folders that are still to be followed."""
        self._recursive = recursive
        self._leave_out = leave_out
        self._tables = tables
        self._visited: set[tuple[int, int]] = set()

    def from_folder(self, root: Path) -> None:
        """Visit a folder and all that is below it."""
        pending = [root]
        while pending:
            folder = pending.pop()
            try:
                about = folder.stat()
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
            except OSError as failure:
                self.found.unreadable.append(failure)
                continue
            identity = about.st_dev, about.st_ino
            if identity in self._visited:  # Reached through a link to a folder above it.
                self.found.repeated += 1
                continue
            self._visited.add(identity)
            # Backwards, as the last one is taken first.
            pending += reversed(self._subfolders(folder, entries))

    def from_link(self, link: Path) -> None:
        """Follow a link to a folder, unless it leads to a folder above itself."""
        if link.parent.resolve().is_relative_to(link.resolve()):
            self.found.repeated += 1
        else:
            self.from_folder(link)

    def _subfolders(self, folder: Path, entries: list[os.DirEntry[str]]) -> list[Path]:
        """Sort out the entries of a folder; the real subfolders to visit."""
        subfolders = []
        for entry in entries:
            path = folder / entry.name
            if _is_folder(entry, path):
                if self._leave_out and path.resolve().is_relative_to(self._leave_out):
                    continue
                if entry.name.startswith("."):
                    self.found.hidden += 1
                elif not self._recursive:
                    self.found.not_entered.append(path)
                elif entry.is_symlink():
                    self.links.append(path)
                else:
                    subfolders.append(path)
            else:
                self._image(entry, path)
        return subfolders

    def _has_ending(self, name: str) -> bool:
        kind = kind_of_name(name)
        return kind is not None and (self._tables or kind != TABLES)

    def _image(self, entry: os.DirEntry[str], path: Path) -> None:
        """Count a file, or a folder that is an image."""
        is_folder = _is_dir(entry)
        image = is_folder or self._has_ending(path.name)
        if entry.name.startswith("."):
            self.found.hidden += image
        elif not image or not (is_folder or is_named_image(path)):
            self.found.other_kinds[path.suffix.lower()] += 1
        elif entry.is_symlink() and _leads_nowhere(path):
            self.found.broken_links.append(path)
        else:
            self.found.files.append(path)


def _is_folder(entry: os.DirEntry[str], path: Path) -> bool:
    """Whether it is a folder to look into, and not an image that is stored as one."""
    return _is_dir(entry) and not is_image_folder(path)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that leads round in circles.
        return False


def _leads_nowhere(link: Path) -> bool:
    try:
        link.stat()
    except OSError as failure:
        return failure.errno in _NOWHERE
    return False


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
