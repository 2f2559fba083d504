"""How strong the noise of an image is, as `dae denoise` needs to know it."""
