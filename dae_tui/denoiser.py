"""A trained denoiser for notebooks and pipelines: arrays in, arrays out."""

import warnings
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.denoise_stack import denoise_stack
from dae_tui.core.denoising.examination import examine
from dae_tui.core.denoising.inspection import unlike
from dae_tui.core.hardware import resolve_device, resolve_precision
from dae_tui.core.images.axes import as_stack, from_stack
from dae_tui.core.images.image_file import Stack
from dae_tui.core.weights.choice import Candidates
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.find_weights import find_weights
from dae_tui.spec.denoising import DenoiseOptions

Images = TypeVar("Images", NDArray[Any], Tensor)


class Denoiser:
    """Weights, ready to be applied to images of any size and type.

    >>> denoiser = Denoiser.load("mnist-autoencoder")
    >>> clean = denoiser(noisy)

    Arrays are (H, W), (N, H, W), (H, W, 3), (H, W, 4), (N, H, W, C) or (N, C, H, W); tensors of
    three axes whose first is 1, 3 or 4 are (C, H, W). The result has the same shape and type; a
    tensor stays on its device. Values of any range and sign keep it: black and white are found from
    type and data. A fourth channel is alpha, which is kept. NaN is kept too.
    """

    def __init__(self, weights: Weights, compute: Compute | None = None) -> None:
        """Use loaded weights; `load` finds them by name."""
        self.weights = weights
        self.compute = compute or Compute()

    @classmethod
    def load(
        cls,
        weights: str | Path = "mnist-autoencoder",
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        best: bool = False,
        runs_dir: str | Path = "runs",
    ) -> "Denoiser":
        """Load weights as `dae denoise --weights` does.

        Args:
            weights: a published name (`dae weights list`), a file, or a run.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            precision: `fp32`, `bf16`, or `auto`: `bf16` if the device supports it natively.
            tile: side in pixels of the tiles of larger images; None is 512, or less if there is
                little memory.
            best: whether each image is denoised in all eight turns and flips, and their mean is
                the result: a little better, eight times as long. Digits are not turned.
            runs_dir: the folder in which runs are searched.

        Raises WeightsError, DeviceError or UsageError.
        """
        path = find_weights(str(weights), Path(runs_dir))
        loaded = load_weights(path)
        place = resolve_device(device)
        precision = resolve_precision(precision, place)
        return cls(loaded, Compute(place, precision, tile, best=best))

    def __call__(
        self,
        images: Images,
        *,
        sigma: float | None = None,
        invert: str = "auto",
        white: float | None = None,
        black: float | None = None,
        strength: float = 1.0,
    ) -> Images:
        """Denoise images.

        Args:
            images: an array or tensor; see the class. It is not changed.
            sigma: the standard deviation of the noise, in units of white; None estimates it.
            invert: `auto`, `yes` or `no`: whether the network gets the negative. `auto` does so if
                it was trained on light digits on a dark ground and the images are dark on light.
            white: the value of white; None finds it: the largest of uint8, 1 for floats from 0 to
                1, and by the data where these do not fit.
            black: the value of black; None finds it as well.
            strength: 0 to 1: the share of the denoised image in the result; the rest is the noisy
                one.

        Raises DataError for shapes, types and ranges that are no images, WeightsError if the
        network does not accept them. Warns if they are unlike the training data of the weights.
        """
        options = DenoiseOptions(sigma, invert, white, black, strength)
        if isinstance(images, Tensor):
            return self._tensor(images, options)
        array = np.asarray(images)
        stack = as_stack(array, "the array")
        return from_stack(self._stack(stack, options), array)

    def _tensor(self, images: Tensor, options: DenoiseOptions) -> Tensor:
        # numpy has no bfloat16.
        wide = images.detach().cpu()
        array = (wide.float() if wide.dtype == torch.bfloat16 else wide).numpy()
        stack = as_stack(array, "the tensor", channels_first=True)
        denoised = from_stack(self._stack(stack, options), array, channels_first=True)
        return torch.from_numpy(denoised).to(images.device, images.dtype)

    def _stack(self, stack: Stack, options: DenoiseOptions) -> Stack:
        found = examine(stack, options, "the array")
        candidates = Candidates((self.weights,), named=True)
        denoised = denoise_stack(candidates, stack, found, options, self.compute)
        structure = float(np.median([done.structure for done in denoised.images]))
        if remark := unlike(self.weights, stack.values.shape[1:3], structure):
            warnings.warn(remark, stacklevel=3)
        return denoised.stack
