"""The name of a device, before torch is there to tell whether this machine has it."""

from dae_tui.errors import UsageError
from dae_tui.system.printable import shortened

KINDS = ("cpu", "cuda", "mps")


def parse_device(name: str) -> tuple[str, int | None]:
    """Kind and number of `cpu`, `cuda`, `cuda:N` or `mps`; `auto` is a kind of its own.

    Raises UsageError for another name.
    """
    kind, colon, index = name.partition(":")
    known = kind in KINDS and (not colon or (index.isascii() and index.isdigit()))
    if not known and name != "auto":
        raise UsageError(
            f"there is no device '{shortened(name)}'", "use auto, cpu, cuda, cuda:N or mps"
        )
    return kind, int(index) if colon else None
