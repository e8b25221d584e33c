"""Rates behind noisy observations, and how they are inferred."""
