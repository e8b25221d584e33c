"""Currents between regions of which a few units are recorded: latents of whole populations, not units, interact."""
