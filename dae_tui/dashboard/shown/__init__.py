"""Curves and images of runs, as they are shown."""
