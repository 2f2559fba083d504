"""Screens that lie over another one: questions, help, a command to copy."""
