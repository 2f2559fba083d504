"""Files that do not fit into memory, page by page."""
