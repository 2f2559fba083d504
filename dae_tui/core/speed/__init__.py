"""How fast it is: `dae benchmark speed`. What is compared takes turns in one run."""
