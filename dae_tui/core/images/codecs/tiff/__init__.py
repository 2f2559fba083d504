"""TIFF and BigTIFF: all tags are kept, the values of every page are new."""

from dae_tui.core.images.codecs.tiff.codec import bounds, read, write

__all__ = ["bounds", "read", "write"]
