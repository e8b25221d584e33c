"""The table of pathways under additional nulls."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, TARGET, Column, Table

TABLES: dict[str, Table] = {
    "nulls": Table(
        "nulls.csv",
        "Every pathway compared with additional nulls: what the current would look like if the pathway did not exist. "
        "The null behind the verdict is in pathways.csv. docs/methods.md says which question each null answers.",
        ("recording", "model", "target", "source", "null", "measure"),
        (
            RECORDING,
            MODEL,
            TARGET,
            Column("source", "text", "what sends the current: a region or `input:<name>`"),
            Column(
                "null",
                "text",
                "what is random under the null. `random_weights`: the weights, drawn at the scale of the fitted "
                "weights. `time_shift`: the time of the source. `trial_shuffle`: the trial, within a condition, from "
                "which the source is taken. `region_labels`: the region labels of all units. `random_group`: the "
                "units that form the source",
                values=("random_weights", "time_shift", "trial_shuffle", "region_labels", "random_group"),
            ),
            Column(
                "measure",
                "text",
                "what is compared with the null. `held_out_gain`: the share of the squared held-out current of the "
                "target that a ridge regression predicts with the source and not without the source. `rms`: rms of "
                "the current. `correlation`: correlation of the current with the part of the held-out current that "
                "all other sources leave unexplained. `score`, for populations: mean derivative of the log likelihood "
                "of the trials by the weights of the pathway, relative to its covariance (Hotelling's T2)",
                values=("held_out_gain", "rms", "correlation", "score"),
            ),
            Column("statistic", "number", "value of the measure for the pathway itself"),
            Column(
                "null_low",
                "number",
                "2.5 % quantile of the measure under the null, of all 99 draws; if fewer draws decided, of a normal "
                "distribution with their mean and standard deviation",
            ),
            Column("null_mean", "number", "mean of the measure under the null"),
            Column("null_high", "number", "97.5 % quantile of the measure under the null, as null_low"),
            Column(
                "p_value",
                "number",
                "probability under the null of a value at least as large as statistic",
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "p_value corrected for the number of pathways, for each null and measure (Benjamini-Hochberg)",
                low=0,
                high=1,
            ),
        ),
    ),
}
