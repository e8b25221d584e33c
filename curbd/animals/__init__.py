"""Several animals as one network: shared weights of identified units, and the deviations of every animal."""
