"""Currents of a fitted network by source, nulls of every pathway, and a verdict on every pathway."""
