"""The noise of real images as a noise spec: `dae noise estimate`."""
