"""The table of all sessions and animals together."""

from __future__ import annotations

from curbd.tables.column import MODEL, Column, Table

NO_SPREAD = "there is a single session without an interval of its own, or all sessions have the same estimate"

TABLES: dict[str, Table] = {
    "group": Table(
        "group.csv",
        "Every pathway, effect and contrast over all sessions and animals. Currents of different recordings have "
        "different scales and are never pooled: all quantities are shares, standardised, or evidence per bin. "
        "docs/contrasts.md explains how they are combined.",
        ("model", "quantity", "target", "source"),
        (
            MODEL,
            Column(
                "quantity",
                "text",
                "what is combined. `share`: share of the variance of the current of the target. `unique_share`: share "
                "of the held-out current that the source adds to all other sources. `held_out_gain`: share "
                "of the held-out current that only the source predicts, beyond its null. `evidence_per_bin`: log Bayes "
                "factor for the pathway, in nats for each training bin. `asymmetry_<quantity>`: the quantity from "
                "source to target minus that from target to source. `contrast:<name>:<level_a>-<level_b>:<part>`: "
                "difference between two levels, in standard deviations of single trials. `effect:<experiment>`: effect "
                "of perturbing the source, relative to random groups of as many units, in their standard deviations",
            ),
            Column("target", "text", "region that receives the current, or changes"),
            Column("source", "text", "what sends the current, or is perturbed"),
            Column("n_sessions", "integer", "sessions that have the pathway", low=1),
            Column("n_subjects", "integer", "animals that have the pathway", low=1),
            Column(
                "n_resolved",
                "integer",
                "sessions that resolve it: verdict resolved or supported, for a contrast q of at most 0.05, for an "
                "asymmetry both directions",
                low=0,
            ),
            Column(
                "n_supported",
                "integer",
                "sessions in which the grade of the pathway is at least `supported`; for a contrast or an effect, as "
                "n_resolved",
                low=0,
            ),
            Column("estimate", "number", "mean over animals, and within animals over sessions (random effects)"),
            Column("ci_low", "number", "lower end of the 95 % interval of estimate", empty=NO_SPREAD),
            Column("ci_high", "number", "upper end of the 95 % interval of estimate", empty=NO_SPREAD),
            Column(
                "p_value",
                "number",
                "`p_value_of` says what is tested: `sessions`, the p-values of the sessions combined (Stouffer; with "
                "their signs where a quantity has a sign), or `mean`, the estimate against 0",
                empty="no session has a p-value, and the estimate has no interval",
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "p_value corrected for the number of pathways of the model and quantity (Benjamini-Hochberg)",
                empty="there is no p-value",
                low=0,
                high=1,
            ),
            Column(
                "interval_over",
                "text",
                "what the interval generalises to: `subjects`; `sessions` of the only animal, which says nothing about "
                "other animals; or `trials` of the only session",
                values=("subjects", "sessions", "trials"),
            ),
            Column("p_value_of", "text", "what p_value tests", values=("sessions", "mean")),
        ),
    ),
}
