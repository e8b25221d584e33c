"""The tables of contrasts between conditions."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, SOURCE, TARGET, Column, Table

NO_DIFFERENCE = "the source sends no current that varies from trial to trial"
NO_LEVEL_MEAN = "the part is a pattern, which has no value in a single level"
CONTRAST = Column("contrast", "text", "name of the entry of `contrasts` in the config")
PART = Column(
    "part",
    "text",
    "part of the current that is compared, in the (dimensionless) units of the state x. `current`: the mean over the "
    "units of the target. `evoked`: the current projected on its mean over all trials, a pattern over the units of the "
    "target; positive if the evoked current is stronger in level_a. `pattern`: rms over units of the difference "
    "between the evoked currents of the levels, in whatever direction, without the bias of finite trials; negative "
    "if smaller than chance. `trial_to_trial`: rms over units of the deviation of single trials from the evoked "
    "current. `latent`: the value of a latent, which stands in target and source, such as `latent:1`; its sign and "
    "size have a meaning within one fit only",
    values=("current", "evoked", "pattern", "trial_to_trial", "latent"),
)
LEVEL_A = Column("level_a", "text", "value of the trial column from whose trials the difference is taken")
LEVEL_B = Column("level_b", "text", "value of the trial column whose trials are subtracted")

TABLES: dict[str, Table] = {
    "contrasts": Table(
        "contrasts.csv",
        "Differences of every current between conditions: one row per contrast, part of the current, pathway and pair "
        "of levels, and one row per latent of a low-rank network. docs/contrasts.md explains what is tested.",
        ("recording", "model", "contrast", "part", "target", "source", "level_a", "level_b"),
        (
            RECORDING,
            MODEL,
            CONTRAST,
            PART,
            TARGET,
            SOURCE,
            LEVEL_A,
            LEVEL_B,
            Column("start_s", "number", "start of the compared time, s"),
            Column("stop_s", "number", "end of the compared time, s"),
            Column(
                "difference",
                "number",
                "difference between the levels, level_a minus level_b, mean over the compared time",
                empty=NO_DIFFERENCE,
            ),
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of difference; `interval` says what the interval includes",
                empty=NO_DIFFERENCE,
            ),
            Column("ci_high", "number", "upper end of the 95 % interval of difference", empty=NO_DIFFERENCE),
            Column(
                "p_value",
                "number",
                "p-value of a difference at any time of the window, corrected for the number of bins: the larger of "
                "p_trials and p_posterior",
                empty=NO_DIFFERENCE,
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "p_value corrected for the number of pathways and pairs of levels of the contrast and part "
                "(Benjamini-Hochberg)",
                empty=NO_DIFFERENCE,
                low=0,
                high=1,
            ),
            Column(
                "standardised",
                "number",
                "difference divided by the standard deviation of single trials; comparable between recordings",
                empty=NO_DIFFERENCE,
            ),
            Column(
                "relative_difference",
                "number",
                "difference divided by the standard deviation of the total current into the target over its units, the "
                "compared trials and time, each unit about its mean; comparable between the sources of a target",
                empty="the source is a latent, or the total current does not vary",
            ),
            Column(
                "mean_a", "number", "value of the part in level_a, mean over the compared time", empty=NO_LEVEL_MEAN
            ),
            Column(
                "mean_b", "number", "value of the part in level_b, mean over the compared time", empty=NO_LEVEL_MEAN
            ),
            Column(
                "p_trials",
                "number",
                "p-value of the largest cluster of neighbouring bins, from permuted or shifted labels of the trials",
                empty=NO_DIFFERENCE,
                low=0,
                high=1,
            ),
            Column(
                "p_posterior",
                "number",
                "p-value of the difference in the largest cluster of bins if only the weights are uncertain",
                empty="the estimator has no posterior, or the source sends no current",
                low=0,
                high=1,
            ),
            Column(
                "window_p_value",
                "number",
                "p-value of difference itself, the mean over the window, from the labels of p_trials",
                empty=NO_DIFFERENCE,
                low=0,
                high=1,
            ),
            Column("cluster_start_s", "number", "start of the largest cluster, s", empty="there is no cluster"),
            Column("cluster_stop_s", "number", "end of the largest cluster, s", empty="there is no cluster"),
            Column("n_trials_a", "integer", "compared trials of level_a", low=1),
            Column("n_trials_b", "integer", "compared trials of level_b", low=1),
            Column(
                "label_autocorrelation",
                "number",
                "correlation of the labels of neighbouring trials. Permuted labels are right if labels or currents of "
                "neighbouring trials are uncorrelated",
                empty="the labels do not change",
                low=-1,
                high=1,
            ),
            Column(
                "trial_autocorrelation",
                "number",
                "correlation of the current of neighbouring trials, about the means of the levels",
                empty=NO_DIFFERENCE,
                low=-1,
                high=1,
            ),
            Column(
                "interval",
                "text",
                "what the interval includes: variability from trial to trial, and the uncertainty of the weights if "
                "the estimator has a posterior",
                values=("trials", "trials and weights"),
            ),
        ),
    ),
    "contrast_timecourses": Table(
        "contrast_timecourses.parquet",
        "Differences of every current between conditions over time.",
        ("recording", "model", "contrast", "part", "target", "source", "level_a", "level_b", "time_s"),
        (
            RECORDING,
            MODEL,
            CONTRAST,
            PART,
            TARGET,
            SOURCE,
            LEVEL_A,
            LEVEL_B,
            Column("time_s", "number", "time from t = 0 of the trial, s"),
            Column("mean_a", "number", "value of the part in level_a", empty=NO_LEVEL_MEAN),
            Column("mean_b", "number", "value of the part in level_b", empty=NO_LEVEL_MEAN),
            Column("difference", "number", "difference between the levels, level_a minus level_b", empty=NO_DIFFERENCE),
            Column("ci_low", "number", "lower end of the 95 % interval of difference", empty=NO_DIFFERENCE),
            Column("ci_high", "number", "upper end of the 95 % interval of difference", empty=NO_DIFFERENCE),
            Column(
                "p_value",
                "number",
                "p-value of the cluster of neighbouring bins to which the bin belongs, corrected for the number of "
                "bins; 1 outside all clusters. From permuted labels alone",
                low=0,
                high=1,
            ),
        ),
    ),
}
