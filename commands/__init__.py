"""What a person types: one file per subcommand, each parses, calls dae_tui and prints."""
