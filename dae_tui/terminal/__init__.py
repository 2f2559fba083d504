"""Pictures and curves in characters, for commands and the dashboard alike. Knows neither."""
