"""What experiments on the networks do, and what real ones did."""

from __future__ import annotations

from curbd.tables.column import (
    AFFECTED,
    CONDITION,
    MODEL,
    NO_GROUP,
    NO_TRUTH,
    PERTURBATION,
    RECORDING,
    SEED,
    Column,
    Table,
)

_INTERVAL = (
    Column(
        "ci_low",
        "number",
        "lower end of the 95 % interval of effect_mean, one for all seeds",
        empty="neither a posterior nor several seeds",
    ),
    Column("ci_high", "number", "upper end of it", empty="neither a posterior nor several seeds"),
)
_EXPECTED_MEAN = Column(
    "expected_mean",
    "number",
    "effect_mean expected under the posterior of the first fit, one for all seeds",
    empty="the estimator has no posterior",
)
_TRUE_EFFECT = (
    Column("true_mean", "number", "effect_mean in the true network", empty=NO_TRUTH, optional=True),
    Column("true_rms", "number", "effect_rms in the true network", empty=NO_TRUTH, low=0, optional=True),
)

TABLES: dict[str, Table] = {
    "inactivations": Table(
        "inactivations.csv",
        "What each experiment does, predicted by the fitted network.",
        ("recording", "model", "seed", "perturbation", "target", "condition"),
        (
            RECORDING,
            MODEL,
            SEED,
            PERTURBATION,
            Column(
                "kind",
                "text",
                "what is acted on",
                values=("region", "units", "population", "pathway", "input", "latent", "combination"),
            ),
            Column("strength", "number", "share of the way to the full action; 1 silences fully", low=0, high=1),
            Column("start_s", "number", "start of the window, s"),
            Column("stop_s", "number", "end of the window, s"),
            AFFECTED,
            Column("target_kind", "text", "what the target is", values=("region", "latent", "readout")),
            CONDITION,
            Column(
                "effect_rms",
                "number",
                "perturbed minus intact rates, rms over trials, time in the window and units (scaled rates, -1 to 1; "
                "latents in units of x, readouts in those of the variable); both runs start from the recorded state "
                "at the onset of the window, with the recorded inputs, without noise unless the config asks for it. "
                "Units that are held are left out, unless all units of the target are",
                low=0,
            ),
            Column(
                "expected_rms",
                "number",
                "the rms effect expected under the posterior of the first fit, one for all seeds: that of a fit is too "
                "small by as much as the data leave open, as its weights are shrunk",
                empty="the estimator has no posterior",
                low=0,
            ),
            Column("effect_mean", "number", "the mean of the same differences"),
            _EXPECTED_MEAN,
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of effect_mean, one for all seeds: from networks drawn from the "
                "posterior of the first fit, else from the spread over seeds",
                empty="neither a posterior nor several seeds",
            ),
            Column("ci_high", "number", "upper end of it", empty="neither a posterior nor several seeds"),
            Column(
                "predicted_r2",
                "number",
                "share of the effect's squares that is expected to be true, from the same networks",
                empty="neither a posterior nor several seeds, or no effect at all",
                low=0,
                high=1,
            ),
            Column(
                "null_low",
                "number",
                "2.5 % of effect_rms when the same is done to random groups of as many units, drawn from all units "
                "outside the target (a latent or readout: all units), in at most 8 trials of the condition",
                empty=NO_GROUP,
                low=0,
            ),
            Column("null_high", "number", "97.5 % of the same", empty=NO_GROUP, low=0),
            Column(
                "p_value",
                "number",
                "share of random groups with at least this effect, the real one counted among them",
                empty=NO_GROUP,
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "Benjamini-Hochberg over all effects of the fit on such targets",
                empty=NO_GROUP,
                high=1,
            ),
            Column(
                "perturbed_share",
                "number",
                "share of the target's units whose activity is set or pushed directly; effects of 1 are no finding",
                empty="the target is no region",
                low=0,
                high=1,
            ),
            Column(
                "readout_r2",
                "number",
                "R2 of the readout on held-out trials",
                empty="the target is no readout",
                high=1,
            ),
            Column(
                "verdict",
                "text",
                "whether the effect can be called: resolved pathways lead from what is perturbed to the target, and "
                "half of the effect is expected to be true",
                empty="it is done to the target itself, or the target is no region",
                values=("supported", "unsupported"),
            ),
            Column("reason", "text", "what supports it, or what speaks against it"),
            Column(
                "true_r2",
                "number",
                "share of the true network's effect that the fit predicts, over units, trials and time",
                empty="the true effect is zero or not known",
                high=1,
                optional=True,
            ),
            Column(
                "expected_true_r2",
                "number",
                "the same for the effect expected under the posterior of the first fit, one for all seeds",
                empty="the true effect is zero or not known, or the estimator has no posterior",
                high=1,
                optional=True,
            ),
            *_TRUE_EFFECT,
        ),
    ),
    "inactivation_timecourses": Table(
        "inactivation_timecourses.parquet",
        "The same effects over the whole trial, before, in and after the window.",
        ("recording", "model", "seed", "perturbation", "target", "condition", "time_s"),
        (
            RECORDING,
            MODEL,
            SEED,
            PERTURBATION,
            AFFECTED,
            CONDITION,
            Column("time_s", "number", "time from the alignment of the trial, s"),
            Column("effect_mean", "number", "perturbed minus intact rates, mean over trials and units"),
            Column("effect_rms", "number", "rms over the same", low=0),
            *_INTERVAL,
            Column("intact_mean", "number", "rates of the intact run, mean over the same"),
            *_TRUE_EFFECT,
        ),
    ),
    "inactivation_units": Table(
        "inactivation_units.parquet",
        "The effect of each experiment on every unit, in its window.",
        ("recording", "model", "seed", "perturbation", "unit_id", "condition"),
        (
            RECORDING,
            MODEL,
            SEED,
            PERTURBATION,
            Column("unit_id", "text", "name of the unit, unique in the recording"),
            Column("region", "text", "its region"),
            CONDITION,
            Column("perturbed", "flag", "whether its activity is set or pushed directly"),
            Column("effect_mean", "number", "perturbed minus intact rate, mean over trials and time in the window"),
            Column("effect_rms", "number", "rms over the same", low=0),
            _EXPECTED_MEAN,
            *_INTERVAL,
            Column("intact_mean", "number", "rate of the intact run, mean over the same"),
            *_TRUE_EFFECT,
        ),
    ),
    "perturbation_comparison": Table(
        "perturbation_comparison.csv",
        "What the networks predict of real perturbations, beside what was measured; a row for each region and for each "
        "of its units that nothing was done to directly.",
        ("recording", "model", "seed", "perturbation", "target", "unit_id"),
        (
            RECORDING,
            MODEL,
            SEED,
            PERTURBATION,
            Column("target", "text", "region whose rates change"),
            Column("unit_id", "text", "name of the unit", empty="the row tells of the region"),
            Column("n_perturbed", "integer", "perturbed trials that were compared", low=1),
            Column("n_unperturbed", "integer", "trials of the same conditions that they were compared with", low=1),
            Column(
                "predicted",
                "number",
                "effect_mean of the experiment in the network, in its window, conditions weighted by their perturbed "
                "trials; of a region, the mean over its units",
            ),
            Column(
                "predicted_low",
                "number",
                "lower end of its 95 % interval",
                empty="a region, or no interval is known",
            ),
            Column("predicted_high", "number", "upper end of it", empty="a region, or no interval is known"),
            Column(
                "measured",
                "number",
                "scaled rates in perturbed trials minus those in other trials of the same condition, mean over the "
                "same window",
            ),
            Column("measured_se", "number", "its standard error over trials", empty="one trial of a kind", low=0),
            Column(
                "p_value",
                "number",
                "probability of a measured effect on the region at least as large (rms over time and units) when "
                "perturbed and other trials of a condition are exchanged at random",
                empty="the row tells of a unit",
                low=0,
                high=1,
            ),
            Column(
                "measured_effect",
                "text",
                "whether the measured effect on the region differs from nothing (p_value of 0.01 or less)",
                values=("effect", "none"),
            ),
            Column(
                "predicted_effect",
                "text",
                "whether an effect on the region is predicted: its verdict in inactivations.csv is `supported`",
                values=("effect", "none"),
            ),
            Column(
                "r",
                "number",
                "correlation of predicted and measured effects over units",
                empty="a unit, a region without measured effect, or too few units",
                low=-1,
                high=1,
            ),
            Column(
                "ceiling_r",
                "number",
                "the r that a perfect prediction would have, as the measured effects hold noise",
                empty="a unit, a region without measured effect, or too few units",
                low=0,
                high=1,
            ),
            Column(
                "r2",
                "number",
                "share of the squares of the measured effects that is predicted; the prediction of no effect has 0",
                empty="a unit, or a region without measured effect",
                high=1,
            ),
            Column(
                "r2_mean_effect",
                "number",
                "the same when the mean measured effect on the other units of the region is predicted of each",
                empty="a unit, a region without measured effect, or one unit only",
                high=1,
            ),
        ),
    ),
    "interactions": Table(
        "interactions.csv",
        "What the single experiments say together about how regions depend on one another.",
        ("recording", "model", "seed", "measure", "perturbation", "source", "target", "condition"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column(
                "measure",
                "text",
                "total_effect: effect_rms of a silenced region on another; direct_effect: of cutting the pathway "
                "between them; direct_share: their ratio; critical_window: of successive windows the one with the "
                "largest effect, over the mean effect of all; transmitter_index: share of a region's outgoing messages "
                "(currents of resolved pathways) that its incoming ones predict on held-out trials, generator_index "
                "the rest; "
                "synergy: effect of a combination over that of the sum of the effects of its parts, minus 1",
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
            Column("perturbation", "text", "the experiment", empty="the measure needs none"),
            Column("source", "text", "region that acts", empty="not a single region"),
            Column(
                "target", "text", "region, latent or readout that is acted on", empty="the measure is of the source"
            ),
            CONDITION,
            Column("start_s", "number", "start of the window, s", empty="the measure needs no experiment"),
            Column("stop_s", "number", "end of the window, s", empty="the measure needs no experiment"),
            Column("value", "number", "its value, as the measure says"),
            Column("ci_low", "number", "lower end of the 95 % interval, one for all seeds", empty="not synergy"),
            Column("ci_high", "number", "upper end of it", empty="not synergy"),
        ),
    ),
}
