"""Devices, precisions and memory settings."""

import ctypes
import platform
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import nn

from dae_tui.errors import DeviceError, UsageError
from dae_tui.spec.device import parse_device
from dae_tui.system.ranks import ranks


def resolve_device(name: str) -> torch.device:
    """The torch device of `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises UsageError for another name, DeviceError for a device that this machine lacks.
    """
    if name == "auto":
        if torch.cuda.is_available():
            here = ranks()  # Each of several processes on a machine gets a GPU of its own.
            own = here.local % torch.cuda.device_count()
            return _cuda(own if here.size > 1 else torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, index = parse_device(name)
    if kind == "cuda":
        if not torch.cuda.is_available():
            reason = (
                "this torch is built without CUDA"
                if not torch.version.cuda
                else "no GPU is visible"
            )
            raise DeviceError(
                f"the device '{name}' is not available: {reason}", "use --device cpu, or auto"
            )
        if index is None:
            return resolve_device("auto")
        if ranks().size > 1:
            raise UsageError(
                f"{ranks().size} processes cannot share '{name}'",
                "use --device cuda: each process takes a GPU of its own",
            )
        if index >= torch.cuda.device_count():
            raise DeviceError(
                f"the device '{name}' is not available: there are {torch.cuda.device_count()} GPUs",
                f"use cuda:0 to cuda:{torch.cuda.device_count() - 1}",
            )
        return _cuda(index)
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"the device '{name}' is not available", "use --device cpu, or auto")
    return torch.device(kind)


def resolve_precision(name: str, device: torch.device) -> str:
    """`fp32` or `bf16`; `auto` is bf16 if the device supports it natively.

    Measured on two cores of a CPU with AVX512-BF16: training the autoencoder is 1.8 to 2.0 times
    as fast as in fp32, and with AMX the published U-Nets denoise 3 to 4 times as fast, with a loss
    of 0.003 dB and no accuracy. Without these instructions bf16 is emulated and slower.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    # Older versions of torch cannot tell, and get fp32.
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
        return "bf16" if native else "fp32"
    return "fp32"


def device_name(device: torch.device) -> str:
    """The name of the device: `NVIDIA H200`, `AMD EPYC 9654 (2 threads)`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return f"{_cpu_name()} ({torch.get_num_threads()} threads)"


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move `network` to the device, with its convolutions in channels-last memory.

    Measured on two cores with AVX512-BF16, training the autoencoder in batches of 100: 1.2 to 1.5
    times as fast in fp32, 1.3 to 1.5 times in bf16.
    """
    return network.to(device).to(memory_format=torch.channels_last)


def keep_freed_memory() -> None:
    """Have the C library keep large freed blocks of memory for the next step.

    If it returns them to the system, every activation is paged in again. Measured on two cores,
    training in batches of 100: 1.2 times as fast in bf16 (autoencoder, U-Net), 1.1 to 1.2 times in
    fp32; denoising digits takes 0.5 to 0.9 of the time. Has no effect without glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: no block gets a mapping of its own.
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: up to 2 GB of free memory are kept.


def helper_thread(name: str = "helper") -> ThreadPoolExecutor:
    """A thread beside the main one that leaves the cores to the network.

    OpenMP would give it a thread team of its own, and with more threads than cores they would wait
    for each other at every operation. Measured on two cores: denoising took 1.5 times as long,
    training with streamed images 2.2 times. Threads that start later have no team either.
    """
    torch.get_num_threads()  # Creates the main thread's team before others can limit theirs.
    return ThreadPoolExecutor(1, name, initializer=torch.set_num_threads, initargs=(1,))


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work, for example to measure time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def gpu_uuids(indices: Iterable[int]) -> list[str]:
    """The UUIDs of GPUs as NVML has them, which counts otherwise than CUDA where models differ."""
    every = (torch.cuda.get_device_properties(index) for index in indices)
    return [f"GPU-{properties.uuid}" for properties in every]


def _cuda(index: int) -> torch.device:
    # `fp32` in a protocol means fp32: torch's default for convolutions would be TF32.
    torch.backends.cudnn.allow_tf32 = False
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "CPU"
