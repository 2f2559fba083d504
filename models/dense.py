"""The fully connected autoencoder, which the paper (section 3.1) found worse than convolution."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from dae_tui.models.registry import check_shape


@dataclass(frozen=True)
class Settings:
    channels: int = 1
    height: int = 28
    width: int = 28
    widths: tuple[int, ...] = (512, 256)
    """Units of the encoder's layers; the decoder mirrors them."""

    def __post_init__(self) -> None:
        check_shape(self.channels, self.widths)
        if not (1 <= self.height <= 512 and 1 <= self.width <= 512):
            raise ValueError(f"a dense network takes 1 to 512 pixels each way, not {self}")


class Network(nn.Module):
    """Linear, batch normalisation, ReLU down to the code and back; ReLU at the output."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        pixels = settings.channels * settings.height * settings.width
        units = [pixels, *settings.widths, *reversed(settings.widths[:-1])]
        hidden: list[nn.Module] = []
        for inputs, outputs in pairwise(units):
            hidden += [
                nn.Linear(inputs, outputs, bias=False),
                nn.BatchNorm1d(outputs),
                nn.ReLU(inplace=True),
            ]
        output = nn.Linear(units[-1], pixels)
        # Start every output pixel where its ReLU has a gradient.
        nn.init.constant_(output.bias, 0.1)
        self.layers = nn.Sequential(nn.Flatten(), *hidden, output, nn.ReLU())

    def forward(self, noisy: Tensor) -> Tensor:
        """(N, C, height, width) noisy in, the same shape denoised out, values ≥ 0."""
        denoised: Tensor = self.layers(noisy)
        return denoised.view(noisy.shape)
