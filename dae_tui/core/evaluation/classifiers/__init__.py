"""The classifiers that judge denoised digits, and the kinds of their files."""
