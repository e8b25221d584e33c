"""Inference of the rates behind noisy observations."""
