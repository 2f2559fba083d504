"""What a network costs for one image, counted and not timed: the same on every machine."""

import copy
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from dae_tui.core.weights import count_parameters
from models.registry import channels_of, takes_sigma


@dataclass(frozen=True)
class Cost:
    """Of denoising one image."""

    parameters: int = 0
    multiply_adds: int | None = None
    """Of convolutions and matrix products; None where they are not counted."""
    peak_bytes: int | None = None
    """Of the tensors that live at once, parameters aside."""


def network_cost(network: nn.Module, channels: int, height: int, width: int) -> Cost:
    """What `network` costs for one image (C, H, W), in float32.

    It is run without data, on torch's meta device.
    """
    stride = getattr(network, "stride", 1)
    planes = channels // channels_of(network)
    shape = (1, channels_of(network), height + -height % stride, width + -width % stride)
    silent = copy.deepcopy(network).to("meta")
    told = [torch.empty(1, device="meta")] if takes_sigma(network) else []
    with torch.inference_mode():
        noisy = torch.empty(shape, device="meta")
        with FlopCounterMode(display=False) as counter:
            silent(noisy, *told)
        with _LiveBytes() as live:
            silent(noisy, *told)
    # torch counts a multiply-add as two.
    adds = counter.get_total_flops() // 2 * planes
    return Cost(count_parameters(network), adds, live.peak)


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory of tensors while they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._known:
            return
        self._known[key] = storage.nbytes()
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self._now -= self._known.pop(key)
