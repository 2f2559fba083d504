"""The errors a person can cause or meet: each has an exit code and a hint on what to do.

They are raised where the fact is known and caught once, at the command line, which prints
`error: MESSAGE` and `hint: HINT` on stderr and exits with `exit_code`. Both are one line, whatever
is in the names, typed words and messages of libraries that they quote.
"""

from enum import IntEnum

from dae_tui.system.printable import printable, shortened

# The longest path that Linux takes, and the words around it.
MOST_CHARACTERS = 5000


class ExitCode(IntEnum):
    """Exit codes of every `dae` command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNUSABLE = 3
    NO_DEVICE = 4
    INTERRUPTED = 130
    TERMINATED = 143


class DaeError(Exception):
    """A failure that the user can understand; `hint` says what would help."""

    exit_code = ExitCode.FAILURE

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = shortened(printable(message), MOST_CHARACTERS)
        self.hint = shortened(printable(hint), MOST_CHARACTERS)
        super().__init__(self.message)


class UsageError(DaeError):
    """The command line asks for something that does not exist or is impossible."""

    exit_code = ExitCode.USAGE


class DataError(DaeError):
    """A data set or image is missing or cannot be read."""


class DivergedError(DaeError):
    """The training loss became infinite, not a number, or exploded."""


class WeightsError(DaeError):
    """Weights cannot be read, do not fit or are not safe to open."""

    exit_code = ExitCode.UNUSABLE


class RunError(DaeError):
    """A run folder cannot be found, read, written or continued."""

    exit_code = ExitCode.UNUSABLE


class DeviceError(DaeError):
    """The requested device is not on this machine."""

    exit_code = ExitCode.NO_DEVICE
