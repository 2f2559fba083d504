"""What `dae compress` and `dae benchmark compression` print and draw."""
