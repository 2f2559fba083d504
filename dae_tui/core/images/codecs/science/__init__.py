"""Codecs of the files of the sciences, through the libraries of the extra `science`."""
