"""The tables of effects of in-silico experiments."""

from __future__ import annotations

from curbd.tables.column import (
    ACTS_ON,
    AFFECTED,
    CONDITION,
    EXPERIMENT,
    FRACTION,
    MODEL,
    NO_GROUP,
    NO_INTERVAL,
    NO_TRUTH,
    PERTURBATION,
    RECORDING,
    SEED,
    Column,
    Table,
)

NO_POSTERIOR = "the estimator has no posterior"
NOT_IN_HZ = "the rates of the recording are not in Hz, or the target is not a region"
TRUE_EFFECT_ZERO = "the true effect is zero or not known"
_EFFECT_OF = (RECORDING, MODEL, SEED, PERTURBATION, EXPERIMENT, ACTS_ON, FRACTION)
_CI_HIGH = Column(
    "ci_high", "number", "upper end of the 95 % interval of effect_mean, the same for all seeds", empty=NO_INTERVAL
)
_INTERVAL = (
    Column(
        "ci_low", "number", "lower end of the 95 % interval of effect_mean, the same for all seeds", empty=NO_INTERVAL
    ),
    _CI_HIGH,
)
_EXPECTED_MEAN = Column(
    "expected_mean",
    "number",
    "mean of effect_mean over networks drawn from the posterior of the first fit, the same for all seeds",
    empty=NO_POSTERIOR,
)
_TRUE_EFFECT = (
    Column("true_mean", "number", "effect_mean in the true network", empty=NO_TRUTH, optional=True),
    Column("true_rms", "number", "effect_rms in the true network", empty=NO_TRUTH, low=0, optional=True),
)

TABLES: dict[str, Table] = {
    "inactivations": Table(
        "inactivations.csv",
        "Effects of each experiment on each region, latent and readout, as the fitted networks predict them.",
        ("recording", "model", "seed", "perturbation", "target", "condition"),
        (
            *_EFFECT_OF,
            Column(
                "kind",
                "text",
                "what the experiment acts on",
                values=("region", "units", "population", "pathway", "input", "latent", "combination"),
            ),
            Column(
                "strength", "number", "strength of the action, from 0 (no effect) to 1 (full effect)", low=0, high=1
            ),
            Column("start_s", "number", "start of the perturbation, s"),
            Column("stop_s", "number", "end of the perturbation, s"),
            AFFECTED,
            Column("target_kind", "text", "what the target is", values=("region", "latent", "readout")),
            CONDITION,
            Column(
                "effect_rms",
                "number",
                "rms of the perturbed minus the intact simulation over trials, time from start_s to stop_s, and "
                "units: of scaled rates (-1 to 1) for a region, in the units of the state x for a latent, in the "
                "units of the variable for a readout. The two simulations start at start_s from the recorded state, "
                "with the recorded inputs, without noise unless the config asks for noise. Units whose rate is held "
                "are left out, unless all units of the target are held",
                low=0,
            ),
            Column(
                "expected_rms",
                "number",
                "effect_rms as expected from networks drawn from the posterior of the first fit, equal for all "
                "seeds. effect_rms of a single fit is too small on average, because the weights of a fit are shrunk",
                empty=NO_POSTERIOR,
                low=0,
            ),
            Column(
                "effect_mean",
                "number",
                "mean of the perturbed minus the intact simulation, over the trials, times and units of effect_rms",
            ),
            _EXPECTED_MEAN,
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of effect_mean, the same for all seeds: from networks drawn from the "
                "posterior of the first fit, or, if there is no posterior, from the spread over fits",
                empty=NO_INTERVAL,
            ),
            _CI_HIGH,
            Column(
                "effect_hz",
                "number",
                "as effect_mean, in Hz: every unit counts equally, whatever its largest rate",
                empty=NOT_IN_HZ,
                optional=True,
            ),
            Column(
                "expected_hz",
                "number",
                "mean of effect_hz over networks drawn from the posterior of the first fit, the same for all seeds",
                empty=f"{NOT_IN_HZ}, or {NO_POSTERIOR}",
                optional=True,
            ),
            Column(
                "intact_hz",
                "number",
                "mean rate of the same units in the intact simulation of the fit, Hz",
                empty=NOT_IN_HZ,
                optional=True,
            ),
            Column(
                "predicted_r2",
                "number",
                "share of the squared effect that is expected to be true, from the networks that give the interval; "
                "their squared error counts four times where the residuals show that the network misses something",
                empty=f"{NO_INTERVAL}, or there is no effect",
                low=0,
                high=1,
            ),
            Column(
                "null_low",
                "number",
                "2.5 % quantile of effect_rms if random groups of the same number of units are perturbed instead. "
                "Groups are drawn from all units outside the target (for a latent or a readout: from all units); at "
                "most 8 trials of the condition are simulated",
                empty=NO_GROUP,
                low=0,
            ),
            Column(
                "null_high", "number", "97.5 % quantile of effect_rms for these random groups", empty=NO_GROUP, low=0
            ),
            Column(
                "p_value",
                "number",
                "share of random groups whose effect_rms is at least as large as that of the experiment, which is "
                "counted as one of the groups",
                empty=NO_GROUP,
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "p_value corrected for the number of effects of the fit on targets of this kind (Benjamini-Hochberg)",
                empty=NO_GROUP,
                low=0,
                high=1,
            ),
            Column(
                "robust_bits",
                "number",
                "smallest number of bits, 4 to 8, to which the weights of the first fit can be rounded before the "
                "effect changes its sign or, by more than 20 %, its size",
                empty="8 bits are not enough, or there is no effect, or the network is of populations",
                optional=True,
                low=4,
                high=8,
            ),
            Column(
                "robust_noise",
                "number",
                "largest noise on every weight of the first fit, as a share of its size (0.01 to 0.5), with which the "
                "effect keeps its sign and, within 20 %, its size; 0 if 0.01 is too much",
                empty="there is no effect, or the network is of populations",
                optional=True,
                low=0,
            ),
            Column(
                "perturbed_share",
                "number",
                "share of the units of the target whose activity the experiment sets or drives directly; if the "
                "share is 1, the effect is imposed and not predicted",
                empty="the target is not a region",
                low=0,
                high=1,
            ),
            Column(
                "readout_r2",
                "number",
                "R2 with which the readout predicts its variable on held-out trials",
                empty="the target is not a readout",
                high=1,
            ),
            Column(
                "verdict",
                "text",
                "whether the effect can be believed: `supported` if pathways of the grade resolved or supported lead "
                "from what is perturbed to the target and at least 60 % of the squared effect is expected to be true",
                empty="the experiment acts on the target itself, or the target is not a region",
                values=("supported", "unsupported"),
            ),
            Column("reason", "text", "what supports the effect, or what speaks against the effect"),
            Column(
                "true_r2",
                "number",
                "share of the squared effect in the true network that the fit predicts, over units, trials and time",
                empty=TRUE_EFFECT_ZERO,
                high=1,
                optional=True,
            ),
            Column(
                "expected_true_r2",
                "number",
                "as true_r2, for the effect expected under the posterior of the first fit; equal for all seeds",
                empty=f"{TRUE_EFFECT_ZERO}, or {NO_POSTERIOR}",
                high=1,
                optional=True,
            ),
            *_TRUE_EFFECT,
        ),
    ),
    "inactivation_timecourses": Table(
        "inactivation_timecourses.parquet",
        "The effects of inactivations.csv over time: before, during and after the perturbation.",
        ("recording", "model", "seed", "perturbation", "target", "condition", "time_s"),
        (
            *_EFFECT_OF,
            AFFECTED,
            CONDITION,
            Column("time_s", "number", "time from t = 0 of the trial, s"),
            Column("effect_mean", "number", "perturbed minus intact simulation, mean over trials and units"),
            Column("effect_rms", "number", "perturbed minus intact simulation, rms over trials and units", low=0),
            *_INTERVAL,
            Column(
                "intact_mean", "number", "rates, latent or readout in the intact simulation, mean over trials and units"
            ),
            *_TRUE_EFFECT,
        ),
    ),
    "inactivation_units": Table(
        "inactivation_units.parquet",
        "The effect of each experiment on every unit, during the perturbation.",
        ("recording", "model", "seed", "perturbation", "unit_id", "condition"),
        (
            *_EFFECT_OF,
            Column("unit_id", "text", "name of the unit, unique in the recording"),
            Column("region", "text", "region of the unit"),
            CONDITION,
            Column("perturbed", "flag", "whether the experiment sets or drives the activity of the unit directly"),
            Column(
                "effect_mean", "number", "perturbed minus intact rate, mean over trials and time from start_s to stop_s"
            ),
            Column("effect_rms", "number", "perturbed minus intact rate, rms over trials and time", low=0),
            _EXPECTED_MEAN,
            *_INTERVAL,
            Column("intact_mean", "number", "rate in the intact simulation, mean over trials and time"),
            *_TRUE_EFFECT,
        ),
    ),
}
