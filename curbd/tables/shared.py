"""The tables of the network that several animals share."""

from __future__ import annotations

from curbd.tables.column import SOURCE, TARGET, Column, Table

STANDARDISED = "Weights are those between units whose activity has a variance of 1 in every animal."

TABLES: dict[str, Table] = {
    "shared_weights": Table(
        "shared_weights.parquet",
        "Weights that all animals share, between the units of all animals (key `shared` of the config). "
        f"{STANDARDISED} docs/animals.md explains how they are estimated.",
        ("target", "source"),
        (
            Column("target", "text", "unit that receives the current"),
            Column("source", "text", "unit that sends the current"),
            Column("target_region", "text", "region of the target"),
            Column("source_region", "text", "region of the source"),
            Column("n_animals", "integer", "animals in which both units were recorded", low=0),
            Column("weight", "number", "weight that all animals share"),
            Column("weight_sd", "number", "posterior standard deviation of weight", low=0),
            Column(
                "deviation_sd",
                "number",
                "root mean square of the deviations of single animals from weight, over the animals in which the "
                "target was recorded; deviations of short recordings are drawn to 0",
                low=0,
            ),
        ),
    ),
    "shared_pathways": Table(
        "shared_pathways.csv",
        f"The weights of `shared_weights` by pathway, without those of a unit onto itself. {STANDARDISED} There is no "
        "verdict on shared weights.",
        ("target", "source"),
        (
            TARGET,
            SOURCE,
            Column("n_pairs", "integer", "pairs of units", low=1),
            Column("n_recorded_pairs", "integer", "pairs of units that were recorded together in an animal", low=0),
            Column("weight_mean_abs", "number", "mean of the absolute weights", low=0),
            Column("weight_rms", "number", "root mean square of the weights", low=0),
            Column(
                "weight_sd", "number", "root mean square of the posterior standard deviations of the weights", low=0
            ),
            Column("deviation_sd", "number", "root mean square of the deviations of single animals", low=0),
        ),
    ),
}
