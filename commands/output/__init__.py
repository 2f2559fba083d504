"""What every command prints with: the two streams, tables and pictures."""
