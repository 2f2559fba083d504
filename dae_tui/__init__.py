"""dae: train, apply, measure and watch denoising autoencoders from a terminal."""

__version__ = "0.1.0"
