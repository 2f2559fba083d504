"""Data sets that do not fit into memory: shards, and files that take its place."""
