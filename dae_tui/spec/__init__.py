"""Requests and results as plain data: nothing here imports torch."""
