"""From a fitted network to its currents by source, the nulls, and a verdict on every pathway."""
