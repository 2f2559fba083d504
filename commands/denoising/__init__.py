"""What `dae denoise` alone needs: which file goes where, and what is said of it."""
