"""Currents between the populations of regions, from recordings of a few units of each region.

Every region has a few latents, which the recorded units of the region read and which drive the latents of all regions.
The current that a region sends to a recorded unit therefore includes the unrecorded units of the region. The low-rank
network behind this model was described by Mastrogiuseppe & Ostojic (Neuron 2018).
"""
