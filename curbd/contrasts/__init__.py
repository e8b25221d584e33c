"""Comparison of the currents of every pathway between conditions."""
