"""What compressed images have lost, at one size and over sizes."""
