"""How fast images are denoised: digits and photographs."""
