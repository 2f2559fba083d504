"""Whether torch.compile pays for a training, and the compiled network.

Measured on two cores in bf16, batches of 100: 1.14 (U-Net) and 1.12 times (autoencoder) as fast,
the tutorial's network 1.08 times, after 11 to 25 s. On a GPU CUDA graphs save the host from
launching every operation of every step: on an H200 the U-Net of photographs, batches of 32 crops of
128×128, is trained 1.7 times as fast (4600 and 2700 images/s), after 11 s.
"""

import logging
import warnings
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dae_tui.core.weights.cost import network_cost
from dae_tui.errors import DaeError
from dae_tui.spec.training_config import TrainingConfig

# Compiling pays for runs with at least so many multiply-adds in forward passes: on two cores some
# ten minutes, of which a tenth is saved; a GPU does a hundred times as much in that time.
PAYS_FROM = {"cpu": 3e13, "cuda": 3e15}


def pays(
    config: TrainingConfig,
    network: nn.Module,
    shape: tuple[int, int, int],
    images: int,
    processes: int = 1,
) -> bool:
    """Whether to compile for a training on `images` images of `shape` (C, H, W) in all epochs.

    Decided by counting, not by timing, and for the whole run even if it is resumed, so that the
    same command gives the same weights. The gain with several processes was not measured: they
    compile only on request.
    """
    if config.compile != "auto":
        return config.compile == "yes"
    kind = next(network.parameters()).device.type
    if kind not in PAYS_FROM or processes > 1:
        return False
    adds = network_cost(network, *shape).multiply_adds or 0
    return adds * images >= PAYS_FROM[kind]


def compiled(network: nn.Module, device: torch.device, *, asked_for: bool = False) -> nn.Module:
    """The compiled `network`, which shares its parameters.

    If compiling fails, for example without a C++ compiler, it runs uncompiled; but if compiling was
    `asked_for`, raises DaeError.
    """
    import torch._dynamo  # Takes 3 s.
    import torch._inductor.config

    for name in ("torch.utils.cpp_extension", "torch._dynamo", "torch._inductor"):
        logging.getLogger(name).setLevel(logging.ERROR)  # They log to stderr.
    torch._inductor.config.compile_threads = 1  # No processes that outlive a killed training.
    if asked_for:
        _try_to_compile(device)
    torch._dynamo.config.suppress_errors = True
    # CUDA graphs and DistributedDataParallel do not go together.
    alone = not isinstance(network, DistributedDataParallel)
    mode = "reduce-overhead" if device.type == "cuda" and alone else None
    made: Any = torch.compile(network, mode=mode)
    return made  # type: ignore[no-any-return]


def _try_to_compile(device: torch.device) -> None:
    """Compile something small to check that it works here. Raises DaeError."""
    import torch._dynamo
    import torch._inductor.config

    torch._dynamo.reset()  # Earlier results must not be reused.
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # It warns that caches are off.
            torch._dynamo.config.patch(suppress_errors=False),
            torch._inductor.config.patch(force_disable_caches=True),
        ):
            torch.compile(torch.sin)(torch.ones(16, device=device))
    except Exception as failure:
        reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        raise DaeError(
            f"torch.compile does not work here: {reason}", "leave --compile yes out"
        ) from failure
