"""Distributed training of one network by several processes, on one machine or many.

Started by `torchrun`, each process takes its share of every batch; torch's DistributedDataParallel
averages gradients, over NCCL between GPUs and otherwise over gloo. Every process draws the whole
batch with its noise, so that the result is that of one process with the same batch; only dropout
differs between processes.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from dae_tui.errors import DaeError, DataError, UsageError
from dae_tui.system.ranks import ranks

# While rank 0 is paused, the other processes wait for it.
PATIENCE = timedelta(days=1)


class LostProcessError(DaeError):
    """Another process of the same training is gone."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this training has ended",
            "start all of them again, with --resume RUN if a checkpoint was saved",
        )


@dataclass(frozen=True)
class Group:
    """The processes that train together; by default a single one."""

    rank: int = 0
    size: int = 1

    @property
    def is_rank_0(self) -> bool:
        """Whether this process evaluates, saves and writes; the others only compute."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The part of `count` images that belongs to this process."""
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def check(self, batch_size: int) -> None:
        """Raise UsageError unless a batch can be divided equally, into parts of at least two."""
        if batch_size % self.size or batch_size < 2 * self.size:
            # Not larger than this batch, which may hold all images.
            best = max(2, batch_size // self.size) * self.size
            raise UsageError(
                f"a batch of {batch_size} cannot be shared by {self.size} processes",
                f"use --batch-size {best}, or fewer processes",
            )

    def meet(self, images: str, device: torch.device) -> None:
        """Check that all processes have the same images, and each a GPU of its own.

        `images` identifies the images of this process. Raises the same DataError or UsageError in
        every process.
        """
        own = (images, device.type, f"{device} of {socket.gethostname()}", _identity(device))
        met: list[Any] = [None] * self.size
        dist.all_gather_object(met, own)  # Over gloo.
        identities = [identity for *_, identity in met]
        for rank, (others, kind, where, identity) in enumerate(met):
            if others != met[0][0]:
                raise DataError(
                    f"process 0 would train on {met[0][0]}, process {rank} on {others}",
                    "give every machine the same files for --data",
                )
            if kind != met[0][1]:
                raise UsageError(
                    f"process 0 would train on {met[0][2]}, process {rank} on {where}",
                    "give all of them the same --device",
                )
            first = identities.index(identity)
            if identity is not None and first != rank:
                raise UsageError(
                    f"processes {first} and {rank} would share {where}",
                    "start no more processes on a machine than it has GPUs",
                )

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a scalar, which is on the device, over the processes."""
        if self.size > 1:
            dist.all_reduce(value)
            value = value / self.size
        return value

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process; all get the same answer."""
        if self.size == 1:
            return flag
        count = torch.tensor(int(flag))  # On the CPU, so that no GPU waits.
        dist.all_reduce(count)
        return bool(count)

    def barrier(self) -> None:
        """Wait until all processes have reached this point."""
        self.any(False)

    def broadcast(self, value: Any) -> Any:
        """The value of rank 0, in all processes."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Wrap `network` for training: its gradients are averaged over the processes."""
        if self.size == 1:
            return network
        share_statistics(network, self)
        on_gpu = [device.index] if device.type == "cuda" else None
        wrapped = DistributedDataParallel(network, device_ids=on_gpu)
        # Statistics are shared already: torch must not broadcast them before each step.
        wrapped.broadcast_buffers = False
        return wrapped


def _identity(device: torch.device) -> str | None:
    """The unique identity of a GPU; None for devices that processes may share."""
    # Not its number: if each process sees only one GPU, all of them call theirs cuda:0.
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else None


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def share_statistics(network: nn.Module, group: Group) -> None:
    """Let batch normalisation use the whole batch, not only this process's part of it.

    torch's own SyncBatchNorm works on GPUs only (torch 2.15, 2026-11-26). Raises ValueError for one
    without a weight or momentum, which none of our networks has.
    """
    for module in batch_norms(network):
        if not module.affine or module.momentum is None or not module.track_running_stats:
            raise ValueError(f"the statistics of {module} cannot be shared")
        module.forward = _SharedBatchNorm(module, group)  # type: ignore[assignment]


class _SharedBatchNorm:
    """The forward pass of a batch normalisation whose batch is spread over several processes."""

    def __init__(self, module: _BatchNorm, group: Group) -> None:
        self._module = module
        self._group = group
        self._alone = module.forward

    def __call__(self, features: Tensor) -> Tensor:
        module = self._module
        if not module.training:
            return self._alone(features)
        dims = [0, *range(2, features.ndim)]
        values = features.float()
        own = torch.stack(torch.var_mean(values, dims, correction=0))
        variances, means = _FromAll.apply(own, self._group).unbind(1)
        mean = means.mean(0)
        # Chan et al. (1983): unlike a difference of squares, this is never negative.
        variance = (variances + (means - mean).square()).mean(0)
        with torch.no_grad():
            count = self._group.size * features.numel() / features.shape[1]
            assert module.momentum is not None
            assert module.running_mean is not None
            assert module.running_var is not None
            assert module.num_batches_tracked is not None
            module.running_mean.lerp_(mean, module.momentum)
            module.running_var.lerp_(variance * count / (count - 1), module.momentum)
            module.num_batches_tracked.add_(1)
        scale = module.weight * torch.rsqrt(variance + module.eps)
        shift = module.bias - mean * scale
        shape = [1, -1, *[1] * (features.ndim - 2)]
        normalised: Tensor = values * scale.view(shape) + shift.view(shape)
        return normalised.to(features.dtype)


class _FromAll(torch.autograd.Function):
    """Gathers the values of every process, (processes, …); gradients flow back to each.

    torch.distributed.nn has such functions, which are deprecated (torch 2.15, 2026-11-26).
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, group: Group) -> Tensor:
        ctx.rank = group.rank
        values = [torch.empty_like(own) for _ in range(group.size)]
        dist.all_gather(values, own)
        return torch.stack(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.rank], None


@contextmanager
def joined() -> Iterator[Group]:
    """Join the process group and leave it at the end; a single process has nothing to do.

    Raises LostProcessError if another process ends early, UsageError if no address is given at
    which the processes meet, and DaeError if they do not find each other.
    """
    here = ranks()
    if here.size == 1:
        yield Group()
        return
    if "MASTER_ADDR" not in os.environ:
        raise UsageError(
            f"{here.size} processes are to train together, but MASTER_ADDR is not set",
            "start them with torchrun, which sets MASTER_ADDR and MASTER_PORT",
        )
    # Tensors on GPUs are exchanged over NCCL, all others over gloo.
    on_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as failure:
        raise DaeError(
            f"the {here.size} processes do not find each other: {_first_line(failure)}",
            "start them with torchrun, and check its --rdzv-endpoint",
        ) from failure
    try:
        yield Group(here.rank, here.size)
    except RuntimeError as failure:
        if is_of_the_others(failure):
            raise LostProcessError from failure
        raise
    # Not after an error: torch would wait for the other processes, which may wait for this one.
    dist.destroy_process_group()


def is_of_the_others(failure: RuntimeError) -> bool:
    """Whether torch reports a lost connection, and not an error of this process."""
    said = str(failure).lower()
    gone = ("connection", "socket", "peer", "remote process", "broken pipe")
    of_torch = dist.DistNetworkError | dist.DistStoreError
    return isinstance(failure, of_torch) or any(words in said for words in gone)


def _first_line(failure: Exception) -> str:
    return (str(failure).strip() or type(failure).__name__).splitlines()[0]
