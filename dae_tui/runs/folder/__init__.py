"""The folder of one run: its files, who writes them, who reads them."""
