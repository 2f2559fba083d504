"""Noise: added to images, and estimated in them."""
