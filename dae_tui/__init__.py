"""dae: train, apply, measure and watch denoising autoencoders from a terminal.

For Python: `from dae_tui import Denoiser`.
"""

from typing import TYPE_CHECKING, Any

from dae_tui.version import __version__

if TYPE_CHECKING:
    from dae_tui.denoiser import Denoiser

__all__ = ["Denoiser", "__version__"]


def __getattr__(name: str) -> Any:
    """`Denoiser` is imported when it is asked for, and torch with it."""
    if name == "Denoiser":
        from dae_tui.denoiser import Denoiser

        return Denoiser
    raise AttributeError(f"module 'dae_tui' has no attribute '{name}'")
