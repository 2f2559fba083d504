"""TIFF and BigTIFF: all that the tags say is kept, every page's values are new."""

from dae_tui.core.images.codecs.tiff.codec import bounds, read, write

__all__ = ["bounds", "read", "write"]
