"""What `dae sweep` alone needs."""
