"""Results in the forms of other programs: a copy of a session's NWB file with its currents, latents and verdicts."""
