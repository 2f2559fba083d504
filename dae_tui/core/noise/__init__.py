"""Noise: synthesis and estimation."""
