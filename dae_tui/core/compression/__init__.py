"""Compression of images by networks with one hidden layer, whose units are pruned."""
