"""A training run as a folder on disk: layout, writer, reader, process. Never imports torch."""
