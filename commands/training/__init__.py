"""What `dae train` alone needs: the session, its display and its result."""
