"""Rates behind noisy observations: the smoother that infers them."""
