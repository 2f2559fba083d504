"""Files, text and ranks at the border to the operating system. Imports nothing of ours."""
