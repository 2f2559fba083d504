"""Results and measurements as pictures, PNG and SVG."""
