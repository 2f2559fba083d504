"""What the machine is doing: GPUs (NVML), CPU and memory. Never imports torch."""
