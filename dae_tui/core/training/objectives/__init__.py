"""What a training minimises: losses, with a clean target or without one."""
