"""The numbers that TIFF gives to tags, to types of their values, to colours and to compressions.

From TIFF 6.0, its supplements and the extensions of libtiff.
"""

# Tags.
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
FILL_ORDER, DESCRIPTION, ORIENTATION, SAMPLES, STRIP_ROWS = 266, 270, 274, 277, 278
STRIPS, STRIP_SIZES, TILES, TILE_SIZES = 273, 279, 324, 325
X_DPI, Y_DPI, PLANAR, DPI_UNIT, PREDICTOR, PALETTE = 282, 283, 284, 296, 317, 320
TILE_WIDTH, TILE_HEIGHT, SUB_PAGES, EXTRA, FORMAT = 322, 323, 330, 338, 339
DEPTH, ICC, EXIF, GPS, INTEROP, XMP = 32997, 34675, 34665, 34853, 40965, 700
MIN_SAMPLE, MAX_SAMPLE, SMIN_SAMPLE, SMAX_SAMPLE = 280, 281, 340, 341
NO_DATA = 42113  # GDAL's, as text.

# Types of the values of a tag.
BYTE, SHORT, LONG, RATIONAL, BYTES, IFD, LONG8 = 1, 3, 4, 5, 7, 13, 16

# What the samples of a pixel mean (photometric interpretation).
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTED, MASK, CMYK, YCBCR = range(7)

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 7, 8, 32946, 32773
LZMA, ZSTD = 34925, 50000
# Compressions that are written as well as read.
WRITABLE = (NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD)
# What is read, and written back as deflate.
READ_ALONE = {2: "CCITT", 3: "CCITT", 4: "CCITT", JPEG: "JPEG", 50001: "WebP"}
