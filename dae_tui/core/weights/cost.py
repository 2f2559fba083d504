"""What a network costs for one image, counted and not timed: the same on every machine.

torch's FlopCounterMode imports the compiler, which takes 3.4 s, and counts neither memory nor the
bytes that are moved (torch 2.15, 2026-11-26). Its formulas alone import Triton, in 0.15 s.
"""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dae_tui.core.weights.weights_file import count_parameters
from dae_tui.models.registry import channels_of, takes_sigma

_ATEN = torch.ops.aten
# Products of matrices, and which argument is the left one.
_PRODUCTS = {_ATEN.mm: 0, _ATEN.bmm: 0, _ATEN.addmm: 1, _ATEN.baddbmm: 1}
# For larger images, the cost is extrapolated from the number of pixels.
LARGEST_SIDE = 512


@dataclass(frozen=True)
class Cost:
    """The cost of denoising one image."""

    parameters: int = 0
    multiply_adds: int | None = None
    """Of convolutions and matrix products; None if they are not counted."""
    peak_bytes: int | None = None
    """Of the tensors that exist at the same time, without the parameters."""


def network_cost(network: nn.Module, channels: int, height: int, width: int) -> Cost:
    """The cost of `network` for one image (C, H, W), in float32.

    It is counted on a black image of at most LARGEST_SIDE pixels a side.
    """
    stride = getattr(network, "stride", 1)
    planes = channels // channels_of(network)
    fixed = not hasattr(network, "receptive_field")  # It accepts only one size.
    rows, columns = (
        side + -side % stride
        if fixed
        else min(side, LARGEST_SIDE) + -min(side, LARGEST_SIDE) % stride
        for side in (height, width)
    )
    larger = (height + -height % stride) * (width + -width % stride) / (rows * columns)
    device = next(network.parameters()).device
    black = torch.zeros(1, channels_of(network), rows, columns, device=device)
    levels = [torch.zeros(1, device=device)] if takes_sigma(network) else []
    training = network.training
    network.eval()  # Batch normalisation must not update its statistics.
    # Not in inference mode, which does not decompose operators into those that are counted.
    with torch.no_grad(), CountingMode() as counted:
        network(black, *levels)
    network.train(training)
    # torch counts a multiply-add as two.
    adds = round(counted.flops // 2 * planes * larger)
    return Cost(count_parameters(network), adds, round(counted.peak_bytes * larger))


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of operators and the memory of the tensors that they create."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        """Of convolutions and matrix products."""
        self.peak_bytes = 0
        """Of the tensors that existed at the same time."""
        self.moved_bytes = 0
        """If every operator read its inputs from memory and wrote its outputs there."""
        self._live_bytes = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self.flops += _flops(func.overloadpacket, args, result)
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        if not func.is_view:
            tensors = [each for each in tree_leaves((args, result)) if isinstance(each, Tensor)]
            self.moved_bytes += sum(each.numel() * each.element_size() for each in tensors)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._known:
            return
        self._known[key] = storage.nbytes()
        self._live_bytes += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self._live_bytes)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self._live_bytes -= self._known.pop(key)


def _flops(operator: Any, args: tuple[Any, ...], result: Any) -> int:
    """The operations of a convolution or a product of matrices, 0 for others.

    A multiply-add is two, as for torch's FlopCounterMode.
    """
    if operator is _ATEN.convolution:
        images, kernels, _, _, _, _, transposed, *_ = args
        pixels = prod((images if transposed else result).shape[2:])
        return 2 * len(images) * int(pixels) * int(kernels.numel())
    if operator in _PRODUCTS:
        return 2 * int(result.numel()) * int(args[_PRODUCTS[operator]].shape[-1])
    return 0


def without_compiler(mode: type[TorchDispatchMode]) -> None:
    """Keep torch from importing its compiler, which takes 3 s, for a mode that does not need it.

    torch wraps the function of a mode to exclude it from compilation, and keeps the wrapped
    function under this name. If a version of torch does not, this has no effect.
    """
    function = getattr(mode.__torch_dispatch__, "__wrapped__", None)
    if function is not None:
        setattr(function, "__dynamo_disable", function)


without_compiler(CountingMode)
