"""Noise of every kind, made from a specification."""
