"""The convolutional autoencoder of PyTorch tutorials, with the layers that the paper names.

It is here for comparison: two to four times the work of `autoencoder`, and worse.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dae_tui.models.registry import check_shape


@dataclass(frozen=True)
class Settings:
    """With the usual widths it has 771 425 parameters."""

    channels: int = 1
    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    """Of three convolutions at full resolution, one at half and one at a quarter."""

    def __post_init__(self) -> None:
        check_shape(self.channels, self.widths)
        if len(self.widths) != 5:
            raise ValueError(f"the tutorial's network has 5 widths, not {len(self.widths)}")


class Network(nn.Module):
    """Convolution, ReLU, batch normalisation, two max-poolings; transposed convolutions back."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        channels, (a, b, c, d, e) = settings.channels, settings.widths
        self.encoder = nn.Sequential(
            *_convolution(channels, a),
            *_convolution(a, b),
            *_convolution(b, c),
            nn.MaxPool2d(2),
            *_convolution(c, d),
            nn.MaxPool2d(2),
            nn.Conv2d(d, e, kernel_size=3, padding=1),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            *_transposed(e, d, stride=2),
            *_transposed(d, c, stride=1),
            *_transposed(c, a, stride=1),
            nn.ConvTranspose2d(a, channels, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
        )
        self.stride = 4
        # The sum over convolutions and poolings down and up, each at its scale.
        self.receptive_field = 24

    def forward(self, noisy: Tensor) -> Tensor:
        """(N, C, H, W) noisy in, (N, C, H, W) denoised out, values ≥ 0; any H and W."""
        height, width = noisy.shape[-2:]
        pad = (0, -width % self.stride, 0, -height % self.stride)
        if any(pad):
            noisy = F.pad(noisy, pad, mode="replicate")
        denoised: Tensor = self.decoder(self.encoder(noisy))
        return denoised[..., :height, :width]


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs)]


def _transposed(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(inputs, outputs, 3, stride, padding=1, output_padding=stride - 1),
        nn.ReLU(),
        nn.BatchNorm2d(outputs),
    ]
