"""Write the output of a job: in the format that was asked for, as a whole file or not at all."""

import os
import sys
from collections.abc import Sequence

from dae_tui.core.images import formats
from dae_tui.core.images.image_file import ImageFile, Stack
from dae_tui.core.images.kinds import ENDINGS, KINDS, kind_of_name
from dae_tui.errors import DaeError, DataError
from dae_tui.spec.denoising import Job
from dae_tui.system.atomic import FULL, write_new

# What torch and the codecs raise for images that they cannot process.
FAILURES = (MemoryError, RuntimeError, ValueError)


def encoded(file: ImageFile, stacks: Sequence[Stack], job: Job) -> bytes:
    """The content of a job's output: that of `file` with other images.

    Raises DataError, also as `check_output`.
    """
    check_output(file, job)
    if job.kind is not None and job.kind != file.kind:
        return formats.write(job.kind, stacks, file.about, job.name)
    return formats.encode(file, stacks, job.name)


def check_output(file: ImageFile, job: Job) -> None:
    """Raise DataError for an output of another kind than its name says.

    A kind that cannot be written back becomes another one. Its output gets the ending of that where
    the input has one of its own kind, but not where it is, for example, a HEIF named as a JPEG.
    """
    becomes = KINDS[file.kind].becomes
    named = kind_of_name(job.target.name) if job.target else None
    if job.kind is None and becomes and named not in (None, becomes):
        raise DataError(
            f"{job.name} is a {file.kind} file, and becomes a {becomes}",
            f"name it {ENDINGS[file.kind][0]}, or choose the kind of the output with --format",
        )


def write_output(content: bytes, job: Job) -> bool:
    """Write a job's output, or standard output; False if another process was faster.

    Raises DataError if the target must not be written to, OSError if it cannot be.
    """
    if job.target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return True
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.replace and (obstacle := job.obstacle()):
        raise obstacle
    try:
        write_new(job.target, content, replace=job.replace)
    except FileExistsError:
        if not has_output(job):
            raise
        return False
    return True


def has_output(job: Job) -> bool:
    """Whether the output exists in the output folder and may not be replaced."""
    if job.replace or job.target is None or job.inside is None:
        return False
    return os.path.lexists(job.target)


def is_full(failure: OSError) -> bool:
    """Whether there is no room left on the disk."""
    return failure.errno in FULL


def not_written(failure: OSError, job: Job) -> DataError:
    """The error for an output that cannot be written."""
    target = failure.filename or job.target or "standard output"
    return DataError(
        f"{target} cannot be written: {str(failure.strerror).lower()}",
        "make room there, or choose another -o" if is_full(failure) else "choose another -o",
    )


def not_processed(failure: Exception, job: Job, what: str, hint: str = "") -> DaeError:
    """The error for a file that cannot be processed; `what` is, for example, "denoised"."""
    if isinstance(failure, DaeError):
        return failure
    why = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    if isinstance(failure, MemoryError):
        why = "there is not enough memory"
    return DataError(f"{job.name} cannot be {what}: {why}", hint)
