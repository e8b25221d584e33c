"""Recordings of fields (LFP, ECoG): every channel as a damped oscillator, driven by the channels of other regions."""
