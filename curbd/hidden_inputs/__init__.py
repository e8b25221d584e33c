"""Slow inputs that were not recorded: searched for, inferred, and laid beside those of other fits."""
