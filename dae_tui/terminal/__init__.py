"""Pictures and curves in characters, for commands and the dashboard. Imports neither."""
