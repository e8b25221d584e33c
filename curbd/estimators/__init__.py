"""Ways to fit a network: one file each, the same interface, the same outputs."""
