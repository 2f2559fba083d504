"""Image files in and out, each written back as the format, size and type it was."""
