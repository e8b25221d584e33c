"""The result tables: what each column means, and the check that every table passes before it is written.

One description serves everything: validation, the JSON schemas under ``workflow/schemas/`` and the data dictionary
``results/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from curbd.storage import whole_file

Kind = Literal["text", "integer", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """One column: its type, its meaning, whether it may be empty, and its allowed values.

    ``optional`` columns are left out where they make no sense (truth is known for teachers only).
    """

    name: str
    kind: Kind
    meaning: str
    empty: str = ""
    """When the cell may be empty; no text means never."""
    values: tuple[str, ...] = ()
    optional: bool = False
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Table:
    """One result table: one fact a row, found by its key columns."""

    file: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


_RECORDING = Column("recording", "text", "name of the recording, from recordings.tsv")
_MODEL = Column("model", "text", "name of the model, from the config")
_SEED = Column(
    "seed",
    "integer",
    "seed of the fit; the first of a model is fitted to the training trials as "
    "they are, the others to bootstrap resamples of them",
)
_REGION = Column("region", "text", "region after merging and renaming", empty="no label was found")
_TARGET = Column("target", "text", "region that receives")
_SOURCE = Column("source", "text", "what sends: a region, `input:<name>` or `bias`")
_CONDITION = Column("condition", "text", "condition of the trials; `all` where the config names no condition column")
_PERTURBATION = Column("perturbation", "text", "name in the config and what it acts on, `silence:ca1`")
_AFFECTED = Column("target", "text", "region whose rates change, `latent:<number>` or `readout:<name>`")
_NO_GROUP = "no other group could be drawn, or the target is not that of the cut pathway"
_NO_TRUTH = "what is perturbed is no part of the true network"

UNIT_SCORES = {
    "one_step_r2": "share of the variance of the total current of this unit that the model predicts on test trials",
    "rollout_r2": "the same of its rate, some bins ahead",
    "free_run_r2": "the same of its rate, running freely",
    "one_step_own_past_r2": "one_step_r2 of a network without pathways between regions",
}
"""Columns of ``units.csv`` that stand there once for each model, as ``<name>:<model>``."""

_BASELINES = {
    "average": "the average of the training trials of the same condition",
    "persistence": "nothing changes",
    "own_past": "every region predicted from itself and the known inputs alone, without other regions",
}
_NO_AVERAGE = "no repeated condition"


def _baselines(score: str, names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of ``fits``: the plain baselines of a score."""
    return tuple(
        Column(
            f"{score}_{name}_r2",
            "number",
            f"{score}_r2 of a plain baseline: {_BASELINES[name]}",
            empty=_NO_AVERAGE if name == "average" else "nothing varies, or there is no such prediction",
            high=1,
        )
        for name in names
    )


TABLES: dict[str, Table] = {
    "fits": Table(
        "fits.csv",
        "How well each network reproduces the recording.",
        ("recording", "model", "seed", "split"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            Column("split", "text", "trials that were scored", values=("train", "test")),
            Column("n_units", "integer", "units of the network", low=1),
            Column("n_trials", "integer", "trials (or blocks of continuous data) scored", low=1),
            Column(
                "one_step_r2",
                "number",
                "share of the variance of the total current (tau dx/dt + x, each unit about its mean) "
                "that the network predicts from the recorded activity one bin earlier",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "rollout_r2",
                "number",
                "share of the variance of the rates explained `rollout_s` ahead, the "
                "network started from the data and running freely",
                empty="trials are shorter than the horizon, or the prediction diverged",
                high=1,
            ),
            Column("rollout_s", "number", "horizon of rollout_r2, s", low=0),
            Column(
                "free_run_r2",
                "number",
                "share of the variance of the rates (each unit about its mean) explained by the "
                "network running freely from the first sample of every trial",
                empty="the run diverged",
                high=1,
            ),
            Column(
                "free_run_variance_explained",
                "number",
                "the same about one grand mean, the pVar of the CURBD literature",
                empty="the run diverged",
                high=1,
            ),
            Column(
                "ceiling_r2",
                "number",
                "what free_run_r2 could reach: for a teacher, the true network's own score; else the share of "
                "variance that repeats between trials of one condition (split halves)",
                empty="no truth and no repeated condition",
                high=1,
            ),
            Column(
                "baseline_r2",
                "number",
                "free_run_r2 of the plain baseline: the average of the training trials of the same condition",
                empty="no repeated condition",
                high=1,
            ),
            *_baselines("one_step", _BASELINES),
            *_baselines("rollout", _BASELINES),
            *_baselines("free_run", ("persistence", "own_past")),
            *(
                Column(f"{score}_ceiling_r2", "number", f"{score}_r2 of the true network", empty="no truth", high=1)
                for score in ("one_step", "rollout")
            ),
            Column("tau_s", "number", "time constant of the fit, s", low=0),
            Column(
                "process_noise_sd",
                "number",
                "standard deviation of the noise added to x in one bin, rms over units",
                empty="the estimator does not tell it from measurement noise",
                low=0,
            ),
            Column(
                "measurement_noise_sd",
                "number",
                "standard deviation of the noise on the scaled rates as they were observed, rms over units",
                empty="the estimator does not tell it from process noise",
                low=0,
            ),
            Column(
                "measurement_noise_share",
                "number",
                "its variance over that of the observed rates",
                empty="the estimator does not tell it from process noise",
                low=0,
                high=1,
            ),
            Column(
                "penalty_by",
                "text",
                "what chose the penalties: the evidence, or the error of held-out folds",
                empty="the estimator has no such choice",
                values=("evidence", "cross_validation"),
            ),
            Column(
                "residual_autocorrelation",
                "number",
                "lag-1 autocorrelation of the one-step residual, median over units; far from 0 means "
                "unmodelled input, measurement noise or a wrong time constant",
                empty="no two consecutive residuals",
                low=-1,
                high=1,
            ),
            Column("seconds", "number", "wall time of the fit, s; the one column that differs between two runs", low=0),
        ),
    ),
    "region_scores": Table(
        "region_scores.csv",
        "The scores of each network region by region, beside ceilings and plain baselines; the rows of all regions "
        "hold the numbers of fits.csv.",
        ("recording", "model", "seed", "split", "region", "score"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            Column("split", "text", "trials that were scored", values=("train", "test")),
            Column("region", "text", "region whose units are scored, or `all regions`"),
            Column(
                "score",
                "text",
                "what is predicted: the total current one bin ahead, the rates some bins ahead, or those of a free run",
                values=("one_step", "rollout", "free_run"),
            ),
            Column("n_units", "integer", "units that are scored", low=1),
            Column("r2", "number", "share of the variance that the network predicts", empty="nothing varies", high=1),
            Column(
                "ceiling_r2",
                "number",
                "for a teacher, the true network's own score; else, for the free run, the share of variance that "
                "repeats between trials of one condition (split halves)",
                empty="no truth, and no free run or no repeated condition",
                high=1,
            ),
            *(
                Column(f"{name}_r2", "number", f"plain baseline: {text}", empty="no such prediction", high=1)
                for name, text in _BASELINES.items()
            ),
        ),
    ),
    "units": Table(
        "units.csv",
        "Every unit of every recording, kept or not, and why.",
        ("recording", "unit_id"),
        (
            _RECORDING,
            Column("unit_id", "text", "name of the unit, unique in the recording"),
            _REGION,
            Column("region_raw", "text", "label as it stands in the file", empty="no label was found"),
            Column("region_source", "text", "rule and place that gave the label", empty="no label was found"),
            Column("cell_type", "text", "cell type as labelled", values=("excitatory", "inhibitory", "unknown")),
            Column("kept", "flag", "whether the unit is part of the fit"),
            Column("reason", "text", "why it is not", empty="the unit is kept"),
            Column("mean_rate_hz", "number", "mean rate over the used windows, Hz", empty="the activity is not spikes"),
            Column(
                "scale",
                "number",
                "rates are divided by this before the fit, in the units of the recording",
                empty="the unit is not kept",
                low=0,
            ),
        ),
    ),
    "regions": Table(
        "regions.csv",
        "What there is to fit in each region.",
        ("recording", "region"),
        (
            _RECORDING,
            Column("region", "text", "region after merging and renaming"),
            Column("n_units", "integer", "kept units", low=1),
            Column(
                "participation_ratio",
                "number",
                "effective dimension of the region's training activity, (sum of "
                "covariance eigenvalues)^2 / sum of their squares",
                low=0,
            ),
            Column("n_trials", "integer", "training trials or blocks", low=1),
            Column("n_samples", "integer", "training bins", low=1),
            Column("samples_per_dimension", "number", "n_samples over participation_ratio", low=0),
        ),
    ),
    "currents": Table(
        "currents.parquet",
        "Current that each region receives from each source, over time.",
        ("recording", "model", "seed", "target", "source", "sign", "condition", "time_s"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            _TARGET,
            _SOURCE,
            Column(
                "sign",
                "text",
                "all weights, or only the positive or negative ones",
                values=("net", "excitatory", "inhibitory"),
            ),
            _CONDITION,
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
            _RECORDING,
            _MODEL,
            _TARGET,
            _SOURCE,
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
            _RECORDING,
            _MODEL,
            _TARGET,
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
    "inactivations": Table(
        "inactivations.csv",
        "What each experiment does, predicted by the fitted network.",
        ("recording", "model", "seed", "perturbation", "target", "condition"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            _PERTURBATION,
            Column(
                "kind",
                "text",
                "what is acted on",
                values=("region", "units", "population", "pathway", "input", "latent", "combination"),
            ),
            Column("strength", "number", "share of the way to the full action; 1 silences fully", low=0, high=1),
            Column("start_s", "number", "start of the window, s"),
            Column("stop_s", "number", "end of the window, s"),
            _AFFECTED,
            Column("target_kind", "text", "what the target is", values=("region", "latent", "readout")),
            _CONDITION,
            Column(
                "effect_rms",
                "number",
                "perturbed minus intact rates, rms over trials, time in the window and units (scaled rates, -1 to 1; "
                "latents in units of x, readouts in those of the variable); both runs start from the recorded state "
                "with the recorded inputs, without noise unless the config asks for it. Units that are held are left "
                "out, unless all units of the target are",
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
                "outside the target, in at most 8 trials of the condition",
                empty=_NO_GROUP,
                low=0,
            ),
            Column("null_high", "number", "97.5 % of the same", empty=_NO_GROUP, low=0),
            Column(
                "p_value",
                "number",
                "share of random groups with at least this effect",
                empty=_NO_GROUP,
                low=0,
                high=1,
            ),
            Column("q_value", "number", "Benjamini-Hochberg over all effects of the fit", empty=_NO_GROUP, high=1),
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
            Column("true_rms", "number", "effect_rms in the true network", empty=_NO_TRUTH, low=0, optional=True),
            Column("true_mean", "number", "effect_mean in the true network", empty=_NO_TRUTH, optional=True),
        ),
    ),
    "inactivation_timecourses": Table(
        "inactivation_timecourses.parquet",
        "The same effects over the whole trial, before, in and after the window.",
        ("recording", "model", "seed", "perturbation", "target", "condition", "time_s"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            _PERTURBATION,
            _AFFECTED,
            _CONDITION,
            Column("time_s", "number", "time from the alignment of the trial, s"),
            Column("effect_mean", "number", "perturbed minus intact rates, mean over trials and units"),
            Column("effect_rms", "number", "rms over the same", low=0),
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of effect_mean, one for all seeds",
                empty="neither a posterior nor several seeds",
            ),
            Column("ci_high", "number", "upper end of it", empty="neither a posterior nor several seeds"),
            Column("intact_mean", "number", "rates of the intact run, mean over the same"),
            Column("true_mean", "number", "effect_mean in the true network", empty=_NO_TRUTH, optional=True),
            Column("true_rms", "number", "effect_rms in the true network", empty=_NO_TRUTH, low=0, optional=True),
        ),
    ),
    "inactivation_units": Table(
        "inactivation_units.parquet",
        "The effect of each experiment on every unit, in its window.",
        ("recording", "model", "seed", "perturbation", "unit_id", "condition"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            _PERTURBATION,
            Column("unit_id", "text", "name of the unit, unique in the recording"),
            Column("region", "text", "its region"),
            _CONDITION,
            Column("perturbed", "flag", "whether its activity is set or pushed directly"),
            Column("effect_mean", "number", "perturbed minus intact rate, mean over trials and time in the window"),
            Column("effect_rms", "number", "rms over the same", low=0),
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of effect_mean, one for all seeds",
                empty="neither a posterior nor several seeds",
            ),
            Column("ci_high", "number", "upper end of it", empty="neither a posterior nor several seeds"),
            Column("intact_mean", "number", "rate of the intact run, mean over the same"),
            Column("true_mean", "number", "effect_mean in the true network", empty=_NO_TRUTH, optional=True),
            Column("true_rms", "number", "effect_rms in the true network", empty=_NO_TRUTH, low=0, optional=True),
        ),
    ),
    "perturbation_comparison": Table(
        "perturbation_comparison.csv",
        "What the networks predict of real perturbations, beside what was measured; a row for each region and for each "
        "of its units that nothing was done to directly.",
        ("recording", "model", "seed", "perturbation", "target", "unit_id"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            _PERTURBATION,
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
            _RECORDING,
            _MODEL,
            _SEED,
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
            _CONDITION,
            Column("start_s", "number", "start of the window, s", empty="the measure needs no experiment"),
            Column("stop_s", "number", "end of the window, s", empty="the measure needs no experiment"),
            Column("value", "number", "its value, as the measure says"),
            Column("ci_low", "number", "lower end of the 95 % interval, one for all seeds", empty="not synergy"),
            Column("ci_high", "number", "upper end of it", empty="not synergy"),
        ),
    ),
    "latents": Table(
        "latents.parquet",
        "Latent variables of the low-rank networks.",
        ("recording", "model", "seed", "condition", "trial", "time_s", "latent"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            _CONDITION,
            Column("trial", "integer", "number of the trial in recording.nc", low=0),
            Column("time_s", "number", "time from the alignment of the trial, s"),
            Column(
                "latent",
                "integer",
                "number of the latent, by decreasing variance; block_rank: pathway by pathway",
                low=1,
            ),
            Column("value", "number", "its value, n'r", empty="past the end of the trial"),
            Column(
                "position",
                "number",
                "where the state stands along the latent: z of x = m z + B v + b, v the inputs as the time constant "
                "lets them through; it follows tau dz/dt = -z + value",
                empty="past the end of the trial",
            ),
        ),
    ),
    "dynamics": Table(
        "dynamics.csv",
        "Fixed points, slow points and limit cycles of the latents at constant inputs, one row a latent. Partial "
        "observation can invent slow modes: read no row without its score and its warning.",
        ("recording", "model", "seed", "input", "point", "latent"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            Column(
                "input",
                "text",
                "what is held constant: `none`, `condition:<name>` (the mean input of its trials) or `input:<name>` "
                "(that input alone, at its root mean square while it is on)",
            ),
            Column("point", "integer", "number among those of this fit and input", low=1),
            Column("type", "text", "what it is", values=("fixed_point", "slow_point", "limit_cycle")),
            Column(
                "stability",
                "text",
                "whether deviations shrink in all, some (saddle) or no directions of the latents",
                values=("stable", "saddle", "unstable"),
            ),
            Column("latent", "integer", "number of the latent", low=1),
            Column("position", "number", "its value there (of a cycle: the mean over one period)"),
            Column("amplitude", "number", "half its extent over a cycle", empty="not a cycle", low=0),
            Column(
                "eigenvalue_real",
                "number",
                "of n' diag(phi') m, the largest real part first, 1 is neutral; of a cycle: Floquet multiplier, the "
                "largest first and that along the orbit (1) last. They belong to the point, not to this latent",
            ),
            Column("eigenvalue_imag", "number", "its imaginary part"),
            Column(
                "time_constant_s",
                "number",
                "of deviations along that eigenvector, s; negative where they grow",
                empty="neutral",
            ),
            Column("speed", "number", "|tau dz/dt|, 0 but for slow points", empty="a cycle", low=0),
            Column("period_s", "number", "period, s", empty="not a cycle", low=0),
            Column(
                "line_attractor_score",
                "number",
                "log2 of the slowest over the second slowest time constant: 1 is twice as slow",
                empty="a cycle",
            ),
            Column(
                "non_normality",
                "number",
                "Henrici's departure from normality of J diag(phi'), 0 to 1: near 1 the eigenvalues say little",
                empty="a cycle",
                low=0,
                high=1,
            ),
            Column(
                "abscissa",
                "number",
                "largest eigenvalue of the symmetric part of J diag(phi'), a bound of all eigenvalues; above 1, "
                "deviations can grow for a while",
                empty="a cycle",
            ),
            Column("complete", "flag", "whether the indices of the fixed points sum to 1, as those of all of them do"),
            Column(
                "found_in",
                "number",
                "share of the other fits that have the same, to .3 of the spread of the rates (a cycle also to 10 % in "
                "period)",
                empty="one seed only",
                low=0,
                high=1,
            ),
            Column(
                "moved",
                "number",
                "distance of its rates (rms over units) to the nearest one of its type without input",
                empty="none without input",
                low=0,
            ),
            Column("warning", "text", "what goes with every statement on attractors"),
        ),
    ),
    "field": Table(
        "field.parquet",
        "Vector field of the latents of the first fit, on a grid over the first two of them.",
        ("recording", "model", "seed", "input", "position_1", "position_2"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            Column("input", "text", "what is held constant, as in dynamics.csv"),
            Column("position_1", "number", "position along the first latent"),
            Column("position_2", "number", "along the second; further ones are at their median", empty="rank 1"),
            Column("velocity_1", "number", "tau dz/dt along the first latent"),
            Column("velocity_2", "number", "along the second", empty="rank 1"),
        ),
    ),
    "geometry": Table(
        "geometry.csv",
        "How connectivity and inputs of the low-rank networks lie to one another, and how much of it the fits share.",
        ("recording", "model", "seed", "measure", "of", "with"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            Column(
                "measure",
                "text",
                "overlap: cosine of two vectors. latent_share: share of the recurrent current's variance. "
                "region_share: share of a region in the variance of a latent, negative where it works against the "
                "others. connectivity_r: cosine of J with that of another fit; effective_r: the same on the directions "
                "that the rates visited (99.9 % of their variance), which the data constrain; current_r2: R2 of this "
                "fit's recurrent current with the other's",
                values=(
                    "overlap",
                    "latent_share",
                    "region_share",
                    "connectivity_r",
                    "effective_r",
                    "current_r2",
                ),
            ),
            Column("of", "text", "a vector (`m_1`, `n_1`, `input:<name>`), a latent (`latent_1`) or `J`"),
            Column("with", "text", "another vector, a region, another fit (`seed:1`) or `all`"),
            Column("value", "number", "the measure", empty="nothing varies", high=1),
        ),
    ),
    "populations": Table(
        "populations.csv",
        "Population of every unit, by a Gaussian mixture on the loadings of the first fit.",
        ("recording", "model", "unit_id"),
        (
            _RECORDING,
            _MODEL,
            Column("unit_id", "text", "name of the unit"),
            Column("region", "text", "its region"),
            Column("population", "integer", "number of its population, the largest first", low=1),
            Column("probability", "number", "that it belongs to it", low=0, high=1),
        ),
    ),
    "transmission": Table(
        "transmission.csv",
        "What regions and populations pass on in one condition and not in another, at fixed connectivity.",
        ("recording", "model", "seed", "silenced", "target", "source", "condition"),
        (
            _RECORDING,
            _MODEL,
            _SEED,
            Column("silenced", "text", "region that is silenced in the run (first fit only), or `none`"),
            _TARGET,
            Column("source", "text", "region or `population:<number>` that sends"),
            _CONDITION,
            Column(
                "transmitted",
                "number",
                "standard deviation of its current about its mean over trials and time, rms over the target's units; "
                "the network runs from the recorded start with the recorded inputs, without noise",
                low=0,
            ),
            Column(
                "ratio",
                "number",
                "the same over that of the condition in which the least passes",
                empty="nothing passes in some condition",
                low=1,
            ),
            Column(
                "gating_index",
                "number",
                "deviation of `transmitted` from its mean over conditions, over that mean: -1 is closed",
                empty="nothing passes",
                low=-1,
            ),
            Column("coupling", "number", "Frobenius norm of J diag(phi'), phi' averaged over the condition", low=0),
            Column("gain", "number", "mean of phi' over the source's units and the condition", low=0, high=1),
        ),
    ),
}


def problems(name: str, table: pd.DataFrame) -> list[str]:
    """Everything in which a table departs from its schema, one sentence each."""
    schema = TABLES[name]
    found: list[str] = []
    known = schema.names
    missing = [c.name for c in schema.columns if not c.optional and c.name not in table]
    scores = tuple(f"{score}:" for score in UNIT_SCORES) if name == "units" else ()
    unknown = [c for c in table.columns if c not in known and not str(c).startswith(scores)]
    if missing:
        found.append(f"columns missing: {', '.join(missing)}")
    if unknown:
        found.append(f"columns unknown: {', '.join(map(str, unknown))}")
    for column in schema.columns:
        if column.name in table:
            found += [f"{column.name}: {text}" for text in _column_problems(column, table[column.name])]
    if not missing and table.duplicated(list(schema.key)).any():
        found.append(f"rows with the same {', '.join(schema.key)}")
    return found


def _column_problems(column: Column, values: pd.Series[Any]) -> Iterable[str]:
    empty = values.isna() | (values.astype(str) == "") if column.kind == "text" else values.isna()
    if empty.any() and not column.empty:
        yield f"{int(empty.sum())} empty cells"
    present = values[~empty]
    if not len(present):
        return
    if column.kind == "text":
        if column.values and not present.isin(column.values).all():
            yield f"values other than {', '.join(column.values)}"
    elif column.kind == "flag":
        if not present.isin([True, False]).all():
            yield "values other than true and false"
    elif not pd.api.types.is_numeric_dtype(present):
        yield f"{present.dtype} where numbers are expected"
    else:
        if column.kind == "integer" and (present != np.floor(present)).any():
            yield "numbers that are not whole"
        if np.isinf(present).any():
            yield "infinite numbers"
        # Rounding may carry a share or a correlation past its bound by an ulp or two.
        if (present < column.low - 1e-9).any() or (present > column.high + 1e-9).any():
            yield f"numbers outside [{column.low:g}, {column.high:g}]"


def write(name: str, table: pd.DataFrame, path: Path | str) -> None:
    """Check a table, bring it into the order of its schema, and write it whole.

    Raises
    ------
    ValueError : the table departs from its schema; nothing is written.
    """
    wrong = problems(name, table)
    if wrong:
        raise ValueError(f"{TABLES[name].file}: " + "; ".join(wrong))
    schema = TABLES[name]
    extra = sorted(c for c in table.columns if c not in schema.names)
    ordered = table[[c for c in schema.names if c in table] + extra].sort_values(list(schema.key), kind="stable")
    for column in schema.columns:
        if column.kind == "integer" and column.name in ordered:
            ordered[column.name] = ordered[column.name].astype("Int64" if column.empty else "int64")
    with whole_file(path) as part:
        if schema.file.endswith(".parquet"):
            ordered.to_parquet(part, index=False)
        else:
            ordered.to_csv(part, index=False, lineterminator="\n")


def read(name: str, path: Path | str) -> pd.DataFrame:
    """Read a table with the types of its schema; labels stay text (a region may be called NA or 007)."""
    schema = TABLES[name]
    if schema.file.endswith(".parquet"):
        return pd.read_parquet(path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    kinds = {column.name: column.kind for column in schema.columns}
    for column in table.columns:
        kind = kinds.get(column, "number")
        if kind == "flag":
            table[column] = table[column] == "True"
        elif kind == "integer":
            numbers = pd.to_numeric(table[column].replace("", np.nan))
            table[column] = numbers.astype("Int64") if numbers.isna().any() else numbers.astype("int64")
        elif kind == "number":
            table[column] = pd.to_numeric(table[column].replace("", np.nan)).astype(float)
    return table


def collect(name: str, parts: Iterable[Path | str]) -> pd.DataFrame:
    """One table from the parts that the steps of a run wrote; optional columns are empty where a part has none."""
    tables = [table for table in (read(name, part) for part in parts) if len(table)]
    if not tables:
        return pd.DataFrame(columns=[column.name for column in TABLES[name].columns if not column.optional])
    return pd.concat(tables, ignore_index=True)
