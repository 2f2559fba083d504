"""Limits of `.dae` files."""

MOST_FILE = 2**28
"""The largest file, in bytes."""
