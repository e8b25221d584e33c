"""Ways to fit a low-rank network: one file each."""
