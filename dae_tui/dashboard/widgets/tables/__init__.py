"""Tables of runs, and of what differs between them."""
