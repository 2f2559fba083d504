"""Curves, points and bars."""
