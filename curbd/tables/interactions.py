"""The table of measures that combine several experiments or currents."""

from __future__ import annotations

from curbd.tables.column import CONDITION, MODEL, RECORDING, SEED, Column, Table

TABLES: dict[str, Table] = {
    "interactions": Table(
        "interactions.csv",
        "How regions depend on one another: measures that combine several experiments, or several currents.",
        ("recording", "model", "seed", "measure", "perturbation", "source", "target", "condition"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column(
                "measure",
                "text",
                "meaning of value. An effect is expected_rms in inactivations.csv, or effect_rms if the estimator has "
                "no posterior. `total_effect`: effect on the target when the source is silenced. `direct_effect`: "
                "effect on the target when only the pathway from source to target is cut. `direct_share`: "
                "direct_effect / total_effect. `critical_window`: the window with the largest effect among successive "
                "windows; value is this effect divided by the mean effect of all windows. `transmitter_index`: share "
                "of the messages that a region sends (currents of resolved pathways) that the messages that the "
                "region receives predict on held-out trials. `generator_index`: 1 - transmitter_index. `synergy`: "
                "effect of several interventions together, divided by the size of the sum of their single effects, "
                "minus 1",
                values=(
                    "total_effect",
                    "direct_effect",
                    "direct_share",
                    "critical_window",
                    "transmitter_index",
                    "generator_index",
                    "synergy",
                ),
            ),
            Column(
                "perturbation",
                "text",
                "name of the experiment and what is perturbed",
                empty="the measure needs no experiment",
            ),
            Column(
                "source", "text", "region that acts on the target", empty="several regions act on the target, or none"
            ),
            Column(
                "target",
                "text",
                "what changes: a region, `latent:<number>` or `readout:<name>`",
                empty="the measure is about the source alone",
            ),
            CONDITION,
            Column("start_s", "number", "start of the perturbation, s", empty="the measure needs no experiment"),
            Column("stop_s", "number", "end of the perturbation, s", empty="the measure needs no experiment"),
            Column("value", "number", "value of the measure"),
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of value, the same for all seeds",
                empty="the measure is not synergy",
            ),
            Column(
                "ci_high",
                "number",
                "upper end of the 95 % interval of value, the same for all seeds",
                empty="the measure is not synergy",
            ),
        ),
    ),
}
