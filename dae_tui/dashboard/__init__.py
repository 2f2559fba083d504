"""The Textual app: reads runs and devices, never trains. Leaving it leaves every training alone."""
