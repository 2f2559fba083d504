"""How fast networks learn: loops, crops, time to an accuracy, sizes of data."""
