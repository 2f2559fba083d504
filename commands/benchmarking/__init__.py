"""What `dae benchmark` alone needs: its subcommands and their tables."""
