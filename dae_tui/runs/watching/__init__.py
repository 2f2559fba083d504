"""What a dashboard shows of runs, read anew at each look and only where needed."""
