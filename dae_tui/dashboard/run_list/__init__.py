"""The list of runs, and the run at its cursor."""
