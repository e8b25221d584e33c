"""The table of real perturbations compared with predicted effects."""

from __future__ import annotations

from curbd.tables.column import MODEL, PERTURBATION, RECORDING, SEED, Column, Table

NO_PREDICTED_INTERVAL = "the row is about a region, or the effect on the unit has no interval"
NO_MEASURED_EFFECT = "the row is about a unit, or about a region without a measured effect"
ALL_REGIONS = "all regions"
"""Target of the rows of perturbation_comparison.csv about the map over regions."""

TABLES: dict[str, Table] = {
    "perturbation_comparison": Table(
        "perturbation_comparison.csv",
        "Predicted and measured effects of real perturbations: rows about the network and about baselines for every "
        "region and for the map over all regions, and one row per unit that was not perturbed directly.",
        ("recording", "model", "seed", "perturbation", "target", "unit_id", "baseline"),
        (
            RECORDING,
            MODEL,
            SEED,
            PERTURBATION,
            Column("target", "text", "region whose rates change; `all regions`: the map with one effect per region"),
            Column("unit_id", "text", "name of the unit", empty="the row is about a whole region, or the map"),
            Column(
                "baseline",
                "text",
                "what predicts. `model`: the network. `none`: no effect. `constant`: the mean measured effect on all "
                "other units or regions. `correlation`: the correlation with the perturbed units in unperturbed "
                "trials. `correlation_without_global`: the same without the mean of all units. `sd_at_rest`: the "
                "standard deviation in unperturbed trials. `lagged_regression`: the weight of the perturbed units in a "
                "regression of the next bin",
                values=(
                    "model",
                    "none",
                    "constant",
                    "correlation",
                    "correlation_without_global",
                    "sd_at_rest",
                    "lagged_regression",
                ),
            ),
            Column("n_perturbed", "integer", "number of perturbed trials", low=1),
            Column("n_unperturbed", "integer", "number of unperturbed trials of the same conditions", low=1),
            Column(
                "predicted",
                "number",
                "effect_mean of the experiment in the network, mean over conditions weighted by their number of "
                "perturbed trials; for a region, the mean over its units",
                empty="the row is about a baseline, or about the map over regions",
            ),
            Column(
                "predicted_low",
                "number",
                "lower end of the 95 % interval of predicted",
                empty=NO_PREDICTED_INTERVAL,
            ),
            Column(
                "predicted_high",
                "number",
                "upper end of the 95 % interval of predicted",
                empty=NO_PREDICTED_INTERVAL,
            ),
            Column(
                "measured",
                "number",
                "scaled rates in perturbed trials minus scaled rates in unperturbed trials of the same condition, "
                "mean over the time of the experiment; with `baseline_s`, minus the mean of each trial in that window",
                empty="the row is about the map over regions",
            ),
            Column(
                "measured_se",
                "number",
                "standard error of measured over trials",
                empty="there is one perturbed or one unperturbed trial, or the row is about the map over regions",
                low=0,
            ),
            Column(
                "p_value",
                "number",
                "probability of a measured effect on the region that is at least as large (rms over time and units) "
                "if the perturbed and unperturbed trials of each condition are exchanged at random",
                empty="the row is about a unit",
                low=0,
                high=1,
            ),
            Column(
                "measured_effect",
                "text",
                "whether the measured effect on the region differs from zero (`effect`: p_value of 0.01 or less)",
                values=("effect", "none"),
            ),
            Column(
                "predicted_effect",
                "text",
                "whether an effect on the region is predicted. `effect`: its verdict in inactivations.csv is "
                "`supported`. `none`: no effect is predicted (less than a tenth of the largest predicted effect). "
                "`not_supported`: an effect is predicted, but its verdict is not `supported`",
                empty="the row is about the map over regions",
                values=("effect", "none", "not_supported"),
            ),
            Column(
                "r",
                "number",
                "correlation of predicted and measured effects over units, or over regions",
                empty=f"{NO_MEASURED_EFFECT} or with too few units, or the prediction is the same for all",
                low=-1,
                high=1,
            ),
            Column(
                "r_low",
                "number",
                "lower end of the 95 % interval of r over animals or sessions (`group`), or over trials",
                empty="r is empty",
                low=-1,
                high=1,
            ),
            Column("r_high", "number", "upper end of that interval", empty="r is empty", low=-1, high=1),
            Column(
                "null_r",
                "number",
                "r of the same prediction with the difference between random halves of unperturbed trials, which one "
                "of twenty halves exceeds",
                empty="r is empty, or a condition has a single unperturbed trial",
                low=-1,
                high=1,
            ),
            Column(
                "r_p_value",
                "number",
                "share of random halves of unperturbed trials whose r is at least as large",
                empty="null_r is empty",
                low=0,
                high=1,
            ),
            Column(
                "ceiling_r",
                "number",
                "r that a perfect prediction would have, given the noise of the measured effects",
                empty=f"{NO_MEASURED_EFFECT} or with too few units",
                low=0,
                high=1,
            ),
            Column(
                "r2",
                "number",
                "share of the squared measured effects that is predicted; 0 for the prediction that nothing changes",
                empty=f"{NO_MEASURED_EFFECT}, or the baseline predicts a pattern without a size",
                high=1,
            ),
            Column(
                "drive_ratio",
                "number",
                "measured change of the units that are perturbed directly, divided by their predicted change: the "
                "factor by which the drive of the experiment is too weak",
                empty=f"{NO_MEASURED_EFFECT}, or about a baseline, or no change of these units is predicted",
            ),
            Column(
                "r2_scaled",
                "number",
                "r2 of the network if the prediction is multiplied by drive_ratio, as if the perturbed units moved as "
                "measured",
                empty=f"{NO_MEASURED_EFFECT}, or drive_ratio is empty",
                high=1,
            ),
            Column(
                "r2_mean_effect",
                "number",
                "r2 of a baseline instead of the network: for every unit, the mean measured effect on the other units "
                "of the region",
                empty=f"{NO_MEASURED_EFFECT} or with one unit, or about a baseline or the map over regions",
                high=1,
            ),
        ),
    ),
}
