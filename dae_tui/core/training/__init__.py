"""Training a network: the loop, its objectives, checkpointing, several processes."""
