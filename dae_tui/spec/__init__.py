"""What is asked for and what came of it, as plain data: nothing here imports torch."""
