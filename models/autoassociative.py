"""The auto-associative network of Gedeon and Harris (1992), which compresses patches of images.

One hidden layer of sigmoid units between P inputs and P outputs, P being the values of a patch. The
activations of the hidden units are the code of a patch, and the ratio of compression is P/x.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dae_tui.models.registry import check_shape

OUTPUTS = ("linear", "sigmoid")


@dataclass(frozen=True)
class Settings:
    """The shape of the network."""

    channels: int = 1
    side: int = 16
    """Of the square patches, in pixels."""
    units: int = 16
    output: str = "linear"
    """`sigmoid`, as in 1992, or `linear`, whose weights have a solution in closed form."""
    contexts: tuple[int, ...] = ()
    """The shape of the frequency tables of a codec, (contexts, symbols): see `core/compression`.
    Empty for a network that is no codec."""
    step: float = 0.0
    """Of the codes of a codec, in mean sizes of the last unit that is used."""

    def __post_init__(self) -> None:
        check_shape(self.channels, (self.side, self.units))
        if self.channels > 4 or self.side > 64:
            raise ValueError(f"patches have up to 4 channels and 64 pixels a side, not {self}")
        if self.output not in OUTPUTS:
            raise ValueError(f"the output is {' or '.join(OUTPUTS)}, not {self.output!r}")
        if not isinstance(self.contexts, tuple) or len(self.contexts) not in (0, 2):
            raise ValueError(f"contexts are a list such as [64, 33], not {self.contexts!r}")
        if self.contexts:
            check_shape(1, self.contexts)
        if not (isinstance(self.step, int | float) and 0 <= self.step <= 100):
            raise ValueError(f"the step is a number from 0 to 100, not {self.step!r}")

    @property
    def values(self) -> int:
        """The number of values of a patch."""
        return self.channels * self.side**2


class Network(nn.Module):
    """P – x – P: sigmoid hidden units, linear or sigmoid outputs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = nn.Linear(settings.values, settings.units)
        self.decoder = nn.Linear(settings.units, settings.values)
        self.stride = settings.side
        self.receptive_field = settings.side
        if settings.contexts:
            self.register_buffer("means", torch.full((settings.units,), 0.5))
            self.register_buffer("spreads", torch.ones(2, settings.units))
            self.register_buffer("tables", torch.ones(settings.contexts))

    def encode(self, patches: Tensor) -> Tensor:
        """Activations (…, units) in (0, 1) of patches (…, P) in [0, 1]."""
        return torch.sigmoid(self.encoder(patches))

    def decode(self, activations: Tensor) -> Tensor:
        """Patches (…, P) of activations (…, units); of linear outputs some may leave [0, 1]."""
        patches: Tensor = self.decoder(activations)
        return torch.sigmoid(patches) if self.settings.output == "sigmoid" else patches

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in, (N, C, H, W) compressed and decompressed out; any H and W."""
        patches = cut(images, self.settings.side)
        return join(self.decode(self.encode(patches)), images.shape, self.settings.side)


def grid(height: int, width: int, side: int) -> tuple[int, int]:
    """The rows and columns of patches that cover an image."""
    return -(-height // side), -(-width // side)


def cut(images: Tensor, side: int) -> Tensor:
    """The patches (N, rows · columns, P) of images (N, C, H, W), row by row.

    Images whose size is no multiple of `side` go on with their last row and column.
    """
    height, width = images.shape[-2:]
    rows, columns = grid(height, width, side)
    pad = (0, columns * side - width, 0, rows * side - height)
    if any(pad):
        images = F.pad(images, pad, mode="replicate")
    count, channels = images.shape[:2]
    apart = images.reshape(count, channels, rows, side, columns, side)
    return apart.permute(0, 2, 4, 1, 3, 5).reshape(count, rows * columns, channels * side**2)


def join(patches: Tensor, shape: tuple[int, ...], side: int) -> Tensor:
    """The images of a shape (N, C, H, W) from their patches (N, rows · columns, P)."""
    count, channels, height, width = shape
    rows, columns = grid(height, width, side)
    apart = patches.reshape(count, rows, columns, channels, side, side)
    whole = apart.permute(0, 3, 1, 4, 2, 5).reshape(count, channels, rows * side, columns * side)
    return whole[..., :height, :width]
