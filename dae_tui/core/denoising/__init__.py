"""Noisy images in, denoised images out: any size, many files."""
