"""dae: train, apply, measure and watch denoising autoencoders from a terminal.

For Python: `from dae_tui import Denoiser`.
"""

# Python holds both already: nothing that lies in the working folder is imported in their place.
import os
import sys


def _keep_working_folder_off_the_path() -> None:
    """Undo what `python -m dae_tui` does to the path: there, a json.py would be taken for Python's.

    For all who import this package for themselves, the path stays as it is.
    """
    # While Python looks for the module of -m, argv is "-m" and all that was typed after the module.
    argv = getattr(sys, "argv", [])
    if argv[:1] != ["-m"] or sys.flags.safe_path:
        return
    word = sys.orig_argv[-len(argv)]
    module = word.partition("m")[2] if word.startswith("-") else word  # As in -umdae_tui.
    try:
        folder = os.getcwd()  # noqa: PTH109
    except OSError:  # It is gone, and Python has put nothing on the path.
        return
    if module not in ("dae_tui", "dae_tui.__main__") or sys.path[:1] != [folder]:
        return
    del sys.path[0]
    # Where nothing has installed this package, it is found in this folder alone: after the
    # standard library, and before an older version that is installed.
    if folder == os.path.dirname(os.path.dirname(__file__)) and folder not in sys.path:  # noqa: PTH120
        places = enumerate(sys.path, 1)
        after = [place for place, entry in places if entry.endswith("lib-dynload")]
        sys.path.insert(after[-1] if after else len(sys.path), folder)


_keep_working_folder_off_the_path()

from typing import TYPE_CHECKING, Any  # noqa: E402

from dae_tui.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from dae_tui.denoiser import Denoiser

__all__ = ["Denoiser", "__version__"]


def __getattr__(name: str) -> Any:
    """`Denoiser` is imported when it is asked for, and torch with it."""
    if name == "Denoiser":
        from dae_tui.denoiser import Denoiser

        return Denoiser
    raise AttributeError(f"module 'dae_tui' has no attribute '{name}'")
