"""The classical filters of the paper's section 4, tuned and run on all cores. No torch."""
