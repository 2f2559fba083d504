"""The digits that are part of the package."""
