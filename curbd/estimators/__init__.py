"""Estimators: ways to fit a network to a recording, one file each, with the same interface and the same outputs."""
