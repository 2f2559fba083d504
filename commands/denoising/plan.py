"""Which file goes where: from typed inputs to jobs."""

import glob
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.images.folder import FolderContents, find_images, passed_over
from dae_tui.core.images.formats import (
    is_image_folder,
    kind_of_name,
    not_written_back,
    split_part,
    with_ending,
)
from dae_tui.core.images.kinds import ENDINGS, KINDS, USUAL_ENDINGS
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.denoising import Job
from dae_tui.system.printable import printable
from dae_tui.system.regular_files import is_folder

STANDARD = "-"
# At most so many files are drawn side by side.
MOST_DRAWN = 16
_OTHER_NAME = "choose another -o"
# What kinds that become another one are called.
_ONLY_READ = {"raw": "raw data of a camera", "heif": "a HEIF photograph"}


@dataclass
class Plan:
    """What is to be done, what cannot be done, and what was done before."""

    jobs: list[Job] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    done_before: list[Job] = field(default_factory=list)
    walked: list[FolderContents] = field(default_factory=list)
    """What is in the folders that were typed; what fails is not among what was passed over."""

    def keeping(self, count: int | None) -> "Plan":
        """The same plan, keeping the images of the first `count` jobs; None keeps all."""
        kept = [replace(job, keep=True) for job in self.jobs[:count]]
        rest = [] if count is None else self.jobs[count:]
        return replace(self, jobs=kept + rest)

    def folders(self) -> set[Path]:
        """The folders of all outputs."""
        return {job.target.parent for job in self.jobs + self.done_before if job.target}

    def passed_over(self) -> str:
        """What was passed over in the folders, as one line; empty if it was nothing."""
        return passed_over(self.walked)

    def targets(self) -> set[Path]:
        """Every output, whether it is still to be made or was made before."""
        return {job.target.resolve() for job in self.jobs + self.done_before if job.target}


@dataclass(frozen=True)
class Place:
    """Where outputs go."""

    output: Path | None
    in_place: bool = False
    overwrite: bool = False
    kind: str | None = None
    """The format of all outputs; None is that of each input."""
    rank: int = 0
    world: int = 1
    """Of so many processes this is number `rank`; each does its share."""
    folder: bool = False
    """Whether the output was named as a folder, with a slash at its end."""
    replaces_inputs: bool = True
    """Whether the command has --in-place."""

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder: one that exists, or a name that is not an image's."""
        output = self.output
        if output is None or holds_files(output) or self.folder:
            return output is not None
        return not output.exists() and kind_of_name(output.name) is None


def plan(inputs: list[Path], place: Place, recursive: bool) -> Plan:
    """Jobs for every image in `inputs`: files, folders, patterns, `-`.

    Raises UsageError for what was mistyped: an input that is not there, one output for several
    files, an output that exists or is an input.
    """
    if Path(STANDARD) in inputs:
        return _standard(inputs, place)
    if place.in_place and place.output is not None:
        raise UsageError("--in-place and -o exclude each other", "leave one of them out")
    if not place.in_place and place.output is None:
        raise UsageError("no output is named", "name a file or folder with -o, or use --in-place")
    if place.in_place and place.kind:
        raise UsageError(
            "--in-place keeps the format", "name a folder with -o to write another format"
        )
    place = _with_part(place, inputs)
    output = place.output
    if output == Path(STANDARD):
        return _to_standard_output(inputs, place)
    paths = [path for typed in inputs for path in _expand(typed)]
    single = len(inputs) == 1 and _is_there(inputs[0]) and not holds_files(inputs[0])
    one = False
    if single and output is not None and not holds_files(output) and not place.folder:
        _check_ending(output, place.kind)
        one = bool(output.suffix) or not place.is_folder
    if output is not None and not one and not place.is_folder:
        raise UsageError(
            f"{output} names one file, but there are several to write",
            "name a folder with -o",
        )
    planned = Plan()
    found = [entry for path in paths for entry in _images(path, output, recursive, planned)]
    entries = _once(found, place.in_place)
    _add(planned, entries, place, one)
    if not entries and not planned.failed:
        others = planned.passed_over()
        raise UsageError(
            f"there are no images in {inputs[0]}" + (f" ({others})" if others else ""),
            f"it looks for {USUAL_ENDINGS}"
            + ("" if recursive else "; --recursive looks into subfolders"),
        )
    # What was passed over is the same for all processes: one says it.
    return planned if place.rank == 0 else replace(planned, walked=[])


def _once(found: list[tuple[Path, Path]], in_place: bool) -> list[tuple[Path, Path]]:
    """What was typed twice is done once; in place, also what has two names by links."""
    if not in_place:
        return list(dict.fromkeys(found))
    by_file: dict[tuple[str, str | None], tuple[Path, Path]] = {}
    for source, below in found:
        file, part = split_part(source)
        by_file.setdefault((os.path.realpath(file), part), (source, below))
    return list(by_file.values())


def _add(planned: Plan, entries: list[tuple[Path, Path]], place: Place, one: bool) -> None:
    """Give every image its output; `one` where -o names the file.

    Every process sees the same entries, so that each knows its share whatever the others have done.
    """
    taken: dict[Path, Path] = {}
    sources = {identity for source, _ in entries if (identity := _identity(source))}
    for number, (source, below) in enumerate(entries):
        target = _target(source, below, place, one)
        if place.in_place and (kind := not_written_back(source)):
            reason = f"is {_ONLY_READ[kind]}, which cannot be written back"
            planned.failed.append(
                _failure(source, reason, "name a folder with -o: it becomes a TIFF")
            )
            continue
        kind = place.kind or (kind_of_name(target.name) if one else None)
        replaces = place.in_place or place.overwrite
        inside = None if one else place.output
        job = Job(source, target, printable(source), kind, replaces, below, inside=inside)
        # In place two links may lead to one file.
        file = Path(os.path.realpath(target)) if place.in_place else target
        if taken.setdefault(file, source) == source and place.output is not None:
            if _identity(target) in sources:
                raise UsageError(
                    f"{target} would replace an input",
                    "choose another -o" + (", or --in-place" if place.replaces_inputs else ""),
                )
            if one and not replaces and _exists(target):
                raise UsageError(
                    f"{target} exists", "choose another -o, or replace it with --overwrite"
                )
        if number % place.world != place.rank:
            continue
        if taken[file] != source:
            planned.failed.append(_written_twice(job, taken[file], place))
        elif not replaces and _exists(target):
            planned.done_before.append(job)
        elif holds_files(target):
            planned.failed.append(Outcome(job, DataError(f"{target} is a folder", _OTHER_NAME)))
        elif os.path.lexists(target) and (obstacle := job.obstacle()):
            planned.failed.append(Outcome(job, obstacle))
        else:
            planned.jobs.append(replace(job, replace=replaces or os.path.lexists(target)))


def _written_twice(job: Job, other: Path, place: Place) -> Outcome:
    """The outcome of a job whose output is that of another."""
    reason = f"{job.name} would be written to {job.target}, as would {other}"
    if place.in_place:
        hint = "denoise them in place one after the other"
    elif job.source and split_part(job.source)[0] == split_part(other)[0]:
        hint = "denoise the one, and then the other with --in-place in the file that was written"
    else:
        hint = "denoise them into two folders"
    return Outcome(job, DataError(reason, hint))


def _target(source: Path, below: Path, place: Place, one: bool) -> Path:
    if place.output is not None and one:
        return place.output
    target = split_part(source)[0] if place.output is None else place.output / below
    if place.kind is not None:
        return with_ending(target, place.kind)
    named = kind_of_name(target.name)
    # Only names of such kinds change: what is named as a TIFF becomes one.
    if named and KINDS[named].becomes and (kind := not_written_back(source)):
        return with_ending(target, KINDS[kind].becomes)
    return target


def _standard(inputs: list[Path], place: Place) -> Plan:
    """Standard input to standard output, or to a file."""
    if len(inputs) > 1 or place.in_place:
        raise UsageError(
            "- excludes other inputs and --in-place", "it goes to standard output or to -o"
        )
    target = None if place.output in (None, Path(STANDARD)) else place.output
    if target and holds_files(target):
        raise UsageError(f"{target} is a folder", "name a file for standard input")
    if target:
        _check_ending(target, place.kind)
    kind = place.kind or (kind_of_name(target.name) if target else None)
    if target and _exists(target) and not place.overwrite:
        raise UsageError(f"{target} exists", "replace it with --overwrite")
    replaces = target is not None and os.path.lexists(target)
    return Plan([Job(None, target, "standard input", kind, replaces)])


def _to_standard_output(inputs: list[Path], place: Place) -> Plan:
    paths = [path for typed in inputs for path in _expand(typed)]
    if len(paths) != 1 or holds_files(paths[0]):
        raise UsageError("standard output takes one image", "name a folder with -o")
    return Plan([Job(paths[0], None, printable(paths[0]), place.kind)])


def _expand(typed: Path) -> list[Path]:
    """A path that exists, be it a broken link, or the matches of a pattern."""
    if os.path.lexists(typed):
        return [typed]
    file, part = split_part(typed)
    if part is not None:
        return [Path(f"{path}:{part}") for path in _expand(file)]
    text = os.fspath(typed)
    # Path.glob takes no absolute patterns.
    found = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []  # noqa: PTH207
    if not found:
        raise UsageError(f"there is no {typed}", "give files or folders that exist")
    return [Path(name) for name in found]


def _images(
    path: Path, output: Path | None, recursive: bool, planned: Plan
) -> list[tuple[Path, Path]]:
    """The images of an input, each with its path relative to the typed folder."""
    if not holds_files(path):
        return [(path, Path(split_part(path)[0].name))]
    contents = find_images(path, recursive=recursive, leave_out=output, tables=True)
    as_images = [folder for folder in contents.not_entered if kind_of_name(folder.name)]
    for folder in as_images:
        hint = "--recursive looks into it"
        planned.failed.append(_failure(folder, "is a folder, not an image", hint))
    for failure in contents.unreadable:
        reason = f"cannot be read: {str(failure.strerror).lower()}"
        planned.failed.append(_failure(Path(failure.filename), reason))
    # What fails has its own line, and is not counted again.
    others = [folder for folder in contents.not_entered if folder not in as_images]
    counted = replace(contents, not_entered=others, broken_links=[], unreadable=[])
    planned.walked.append(counted)
    # Links that lead nowhere fail when they are read.
    return [(file, file.relative_to(path)) for file in contents.files + contents.broken_links]


def _failure(path: Path, reason: str, hint: str = "") -> Outcome:
    name = printable(path)
    return Outcome(Job(path, None, name), DataError(f"{name} {reason}", hint))


def holds_files(path: Path) -> bool:
    """Whether it is a folder, and not an image that is stored as one."""
    return is_folder(path) and not is_image_folder(path)


def _is_there(typed: Path) -> bool:
    return os.path.lexists(split_part(typed)[0])


def _with_part(place: Place, inputs: list[Path]) -> Place:
    """A place whose `-o file.h5:/path` is a file, and a kind that names the data set.

    The data set that is read is written back into a whole file, as without its path.
    """
    if place.output is None or place.output == Path(STANDARD):
        return place
    output, part = split_part(place.output)
    if part is None:
        # Completion puts a slash behind a Zarr folder.
        folder = place.folder and kind_of_name(output.name) != "zarr"
        return replace(place, folder=folder)
    if len(inputs) == 1 and split_part(inputs[0])[1] == part and place.kind is None:
        return replace(place, output=output)
    if place.kind not in (None, "hdf5"):
        raise UsageError(f"{place.output} is a data set of HDF5", "leave --format out")
    return replace(place, output=output, kind=f"hdf5:{part}")


def _check_ending(output: Path, kind: str | None) -> None:
    """Refuse an ending that no image has, unless the format is given: it is a typing mistake."""
    named = kind_of_name(output.name)
    if kind is None and named and (other := KINDS[named].becomes):
        raise UsageError(f"{output} would be {_ONLY_READ[named]}", f"write {ENDINGS[other][0]}")
    if kind is None and output.suffix and named is None and not _sink(output):
        raise UsageError(
            f"{output} does not have the ending of an image",
            f"use {USUAL_ENDINGS}; or --format for any other name, or a / at the end for a folder",
        )


def _exists(path: Path) -> bool:
    """Whether there is an output to lose; empty files, as a system crash leaves, do not count."""
    try:
        return path.stat().st_size > 0 or not (path.is_file() or _sink(path))
    except OSError:
        return os.path.lexists(path)


def _sink(path: Path) -> bool:
    """Whether it is /dev/null or another device or pipe that keeps nothing."""
    return path.is_char_device() or path.is_fifo()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = split_part(path)[0].stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
