"""The mechanism of a low-rank network: latents, attractors, geometry, populations and transmission."""
