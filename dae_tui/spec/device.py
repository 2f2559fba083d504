"""Names of devices, parsed without torch, which later checks whether this machine has them."""

from dae_tui.errors import UsageError
from dae_tui.system.printable import shortened

KINDS = ("cpu", "cuda", "mps")


def parse_device(name: str) -> tuple[str, int | None]:
    """The type and index of `cpu`, `cuda`, `cuda:N` or `mps`; `auto` counts as a type.

    Raises UsageError for another name.
    """
    kind, colon, index = name.partition(":")
    known = kind in KINDS and (not colon or (index.isascii() and index.isdigit()))
    if not known and name != "auto":
        raise UsageError(
            f"there is no device '{shortened(name)}'", "use auto, cpu, cuda, cuda:N or mps"
        )
    return kind, int(index) if colon else None
