"""The tables about channels as oscillators."""

from __future__ import annotations

from curbd.tables.column import RECORDING, Column, Table

TABLES: dict[str, Table] = {
    "oscillators": Table(
        "oscillators.csv",
        "Every channel of a recording of fields (LFP, ECoG) as a damped oscillator, driven by other channels.",
        ("recording", "unit_id"),
        (
            RECORDING,
            Column("unit_id", "text", "name of the channel"),
            Column("region", "text", "region of the channel"),
            Column(
                "frequency_hz",
                "number",
                "frequency of the oscillation without damping, Hz",
                empty="the channel does not oscillate",
                low=0,
            ),
            Column("damping_per_s", "number", "damping gamma: free oscillations fall as exp(-gamma t), 1/s"),
            Column(
                "quality",
                "number",
                "omega / (2 gamma), about the number of radians that a free oscillation lasts",
                empty="the damping is not positive",
                low=0,
            ),
            Column(
                "held_out_r2",
                "number",
                "share of the variance of the smoothed acceleration that the past predicts, on test trials",
                empty="nothing varies",
                high=1,
            ),
        ),
    ),
    "oscillator_forces": Table(
        "oscillator_forces.csv",
        "The forces of regions on the oscillators of every region, on test trials. There is no verdict on them.",
        ("recording", "target", "source"),
        (
            RECORDING,
            Column("target", "text", "region whose channels receive the force"),
            Column("source", "text", "region that sends the force, or `inputs` for all inputs together"),
            Column(
                "rms", "number", "size of the force, rms over channels, trials and bins, field units per s^2", low=0
            ),
            Column(
                "share",
                "number",
                "variance of the force over channels and bins, as a share of the sum over all sources",
                low=0,
                high=1,
            ),
            Column(
                "held_out_gain",
                "number",
                "loss of held_out_r2 if the source is left out, mean over the channels of the target; a channel never "
                "leaves out itself",
                empty="nothing varies",
            ),
        ),
    ),
}
