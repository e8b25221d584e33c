"""Currents, pathways and their nulls."""

from __future__ import annotations

from curbd.tables.column import CONDITION, MODEL, RECORDING, SEED, SOURCE, TARGET, Column, Table

TABLES: dict[str, Table] = {
    "currents": Table(
        "currents.parquet",
        "Current that each region receives from each source, over time.",
        ("recording", "model", "seed", "target", "source", "sign", "condition", "time_s"),
        (
            RECORDING,
            MODEL,
            SEED,
            TARGET,
            SOURCE,
            Column(
                "sign",
                "text",
                "all weights, or only the positive or negative ones",
                values=("net", "excitatory", "inhibitory"),
            ),
            CONDITION,
            Column("time_s", "number", "time from the alignment of the trial, s"),
            Column(
                "mean", "number", "current averaged over the target's units and the condition's trials, in units of x"
            ),
            Column("rms", "number", "root mean square over the same units and trials, in units of x", low=0),
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of mean",
                empty="neither a posterior nor several seeds",
            ),
            Column("ci_high", "number", "upper end of it", empty="neither a posterior nor several seeds"),
        ),
    ),
    "pathways": Table(
        "pathways.csv",
        "One verdict a pathway: does the source drive the target, and can the answer be believed?",
        ("recording", "model", "target", "source"),
        (
            RECORDING,
            MODEL,
            TARGET,
            SOURCE,
            Column(
                "rms",
                "number",
                "root mean square of the current over units, trials and time (first seed), in units of x",
                low=0,
            ),
            Column("share", "number", "its square over the sum of squares of all sources of the target", low=0, high=1),
            Column(
                "predicted_r2",
                "number",
                "the R2 with the true current that the posterior predicts",
                empty="the estimator has no posterior",
                high=1,
            ),
            Column(
                "seed_r",
                "number",
                "correlation of the current between fits, mean over pairs of seeds",
                empty="one seed only",
                low=-1,
                high=1,
            ),
            Column(
                "J_seed_r",
                "number",
                "correlation of the weights of the pathway between fits, mean over pairs of seeds",
                empty="one seed only, or no weights",
                low=-1,
                high=1,
            ),
            Column(
                "inactivation_seed_r",
                "number",
                "correlation between fits of what silencing the source does to the target (over units, time and "
                "conditions, mean over trials of a condition), mean over pairs of seeds",
                empty="one seed only, no effect, or the source is the target",
                low=-1,
                high=1,
            ),
            Column(
                "null_rms",
                "number",
                "rms of the current of the same fit when the source's trials are "
                "shuffled (time-shifted where there is one stretch)",
                empty="no null for this source",
                low=0,
            ),
            Column(
                "p_value",
                "number",
                "probability under that null of a held-out gain at least as large",
                empty="no null for this source",
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "Benjamini-Hochberg over all pathways of the fit",
                empty="no null for this source",
                low=0,
                high=1,
            ),
            Column(
                "memory_nats",
                "number",
                "log Bayes factor for a dependence of the target on the past of the recorded units beyond their "
                "present: a sign of unrecorded units, measurement noise, smoothing",
                low=0,
            ),
            Column(
                "shared_sd",
                "number",
                "slow fluctuations that the residuals of the target's units share, beyond the largest of independent "
                "units, in standard deviations: a sign of input from outside the recording",
            ),
            Column("verdict", "text", "whether the current can be believed", values=("resolved", "unresolved")),
            Column("reason", "text", "why not, or what supports it"),
            Column(
                "rank",
                "integer",
                "rank of the block of the connectivity that carries the current",
                empty="not a low-rank model, or the source is not a region",
                low=0,
            ),
            Column(
                "rank_low",
                "integer",
                "lowest rank that the data allow: over the fits of all seeds, and over resamples of the folds where "
                "each block has a rank of its own",
                empty="no rank, or a single fit without an interval",
                low=0,
            ),
            Column(
                "rank_high",
                "integer",
                "highest such rank",
                empty="no rank, or a single fit without an interval",
                low=0,
            ),
            Column(
                "true_r",
                "number",
                "correlation with the true current over units, trials and time",
                empty="the true current is zero",
                low=-1,
                high=1,
                optional=True,
            ),
            Column(
                "true_ratio", "number", "rms over the true rms", empty="the true current is zero", low=0, optional=True
            ),
            Column(
                "true_r2",
                "number",
                "1 - squared error over the true current's variance, each unit about its mean",
                empty="the true current is zero",
                high=1,
                optional=True,
            ),
        ),
    ),
    "nulls": Table(
        "nulls.csv",
        "Every pathway beside what its current would look like if nothing were there. None of these nulls is behind "
        "the verdict (that one is in pathways.csv); the question of each is in docs/methods.md.",
        ("recording", "model", "target", "source", "null", "measure"),
        (
            RECORDING,
            MODEL,
            TARGET,
            Column("source", "text", "what sends: a region or `input:<name>`"),
            Column(
                "null",
                "text",
                "what was drawn at random: the weights, at their scale; the time of the source; its trials, within a "
                "condition; the labels of all units; or which units are the source",
                values=("random_weights", "time_shift", "trial_shuffle", "region_labels", "random_group"),
            ),
            Column(
                "measure",
                "text",
                "what is compared: the share of the held-out squared current of the target that is predicted worse "
                "without the source (ridge regression); the rms of the current; or its correlation with what all "
                "other sources leave of the held-out current",
                values=("held_out_gain", "rms", "correlation"),
            ),
            Column("statistic", "number", "the measure of the pathway itself"),
            Column("null_low", "number", "2.5 % of the measure under the null"),
            Column("null_mean", "number", "its mean under the null"),
            Column("null_high", "number", "97.5 % of it"),
            Column("p_value", "number", "probability under the null of a measure at least as large", low=0, high=1),
            Column(
                "q_value", "number", "Benjamini-Hochberg over all pathways of the fit, null and measure", low=0, high=1
            ),
        ),
    ),
}
