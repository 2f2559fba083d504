"""How good a method is: Table 1 of the paper for any method, noise and data."""
