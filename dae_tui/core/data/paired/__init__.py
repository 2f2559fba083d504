"""Pairs of clean and noisy images, noisy takes of a scene, and noisy images alone."""
