"""Training a network: the loop, its objectives, exact resume, several processes."""
