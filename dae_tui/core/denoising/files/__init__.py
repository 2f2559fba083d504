"""Files on their way through a network: whole, page by page, many at once."""
