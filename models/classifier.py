"""The classifier: trained on clean images only, it measures what denoising preserved."""

from dataclasses import dataclass

from torch import Tensor, nn

from dae_tui.models.registry import check_shape


@dataclass(frozen=True)
class Settings:
    channels: int = 1
    classes: int = 10
    widths: tuple[int, ...] = (32, 64, 128)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_shape(self.channels, self.widths)
        if not 1 <= self.classes <= 10_000:
            raise ValueError(f"there are 1 to 10000 classes, not {self.classes}")


class Network(nn.Module):
    """Convolution, batch normalisation, ReLU, max-pooling; pooled to 3×3 and one linear layer."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        features: list[nn.Module] = []
        inputs = settings.channels
        for width in settings.widths:
            features += [
                nn.Conv2d(inputs, width, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.MaxPool2d(2),  # The same as after the ReLU; see `autoencoder`.
                nn.ReLU(inplace=True),
            ]
            inputs = width
        self.features = nn.Sequential(*features)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Dropout(settings.dropout),
            nn.Linear(inputs * 9, settings.classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images in [0, 1] in, (N, classes) logits out."""
        logits: Tensor = self.head(self.features(images))
        return logits
