"""Data sets by name, folders of images and shards, as batches on the device."""
