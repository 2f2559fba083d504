"""Evaluation of methods: Table 1 of the paper for any method, noise and data."""
