"""How busy the machine is."""
