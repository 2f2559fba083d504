"""Codecs of newer photographs, animations and raw camera files."""
