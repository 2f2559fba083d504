"""What a network gets: planes of equally strong noise, brightness and colour differences."""
