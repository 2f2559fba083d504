"""The networks, a registry of them by name, and the folder of published weights."""
