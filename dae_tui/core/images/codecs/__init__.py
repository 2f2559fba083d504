"""One module per image format: reading, and writing with the metadata that it had."""
