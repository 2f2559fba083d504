"""One module for each image format: how it is read, and how it is written as it was."""
