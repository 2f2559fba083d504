"""The images that methods are measured on, and those that filters are tuned with."""
