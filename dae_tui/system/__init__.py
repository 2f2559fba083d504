"""Files, words and processes at the border to the operating system. Imports nothing of ours."""
