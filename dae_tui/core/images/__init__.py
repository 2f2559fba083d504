"""Reading and writing image files, each in the format, size and type that it had."""
