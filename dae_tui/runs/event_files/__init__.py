"""TensorBoard event files that other programs write: read live, and written from our runs.

Messages are decoded, and records written, by the package `tensorboard` (the extra of that name).
Imports no torch.
"""
