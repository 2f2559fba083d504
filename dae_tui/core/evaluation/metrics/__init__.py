"""What is measured of an image against its reference."""
