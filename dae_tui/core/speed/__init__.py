"""Speed measurements: `dae benchmark speed`. What is compared takes turns in one run."""
