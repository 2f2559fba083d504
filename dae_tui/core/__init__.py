"""Images in, images out: data, noise, training, denoising and evaluation."""
