"""Many trainings as one group: what belongs to it, running it, and what came of it."""
