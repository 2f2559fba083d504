"""What `dae denoise` alone needs: which file goes where, and the report on it."""
