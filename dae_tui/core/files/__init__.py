"""Image files in and out, each written back as the kind, size and type it was."""
