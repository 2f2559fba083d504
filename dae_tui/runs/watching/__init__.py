"""What a dashboard shows of runs: each look reads only what may have changed."""
