"""Trained networks on disk and in memory, and what they cost."""
