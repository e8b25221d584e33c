"""What a reader must know about a recording and its fits before believing a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from curbd.pathways.verdict import MAX_RESIDUAL_AUTOCORRELATION
from curbd.recording.scaling import MAX_SCALED_RATE, observed_rates, silent
from curbd.report.findings import between_regions
from curbd.report.reading import ModelResults, RecordingResults
from curbd.report.wording import (
    listed,
    percent_text,
    r2_text,
)

SAMPLES_PER_DIMENSION_TO_REPORT = 20
"""Regions with fewer training bins for each dimension of their activity get a warning."""
CLIPPED_SHARE_TO_REPORT = 0.001
"""Recordings with a larger share of clipped bins get a warning."""
MIN_PREDICTED_SHARE = 0.02
"""Networks that predict a smaller share of the variance of the current get a warning."""
MIN_GAIN_R2 = 0.01
"""Networks whose R2 one bin ahead exceeds that of each region alone by less get a warning."""
MIN_FORWARD_ERRORS = 2.0
"""Resolved pathways whose forward prediction gains less than this number of standard errors get a warning."""
NOISE_SHARE_TO_REPORT = 0.5
"""Fits with a larger share of measurement noise in the observed rates get a warning."""


def warnings(recorded: RecordingResults) -> list[str]:
    """List what a reader must know about a recording and its fits before believing a number."""
    models: dict[str, list[str]] = {}
    for fit in recorded.fits:
        for text in about_fit(fit):
            models.setdefault(text, []).append(fit.name)
    return [*_about_recording(recorded), *(f"{', '.join(names)}: {text}" for text, names in models.items())]


def _about_recording(recorded: RecordingResults) -> list[str]:
    texts = []
    regions = recorded.regions
    if len(regions) == 1:
        texts.append(f"the recording has one region ({regions['region'].iloc[0]}): there is no pathway to judge.")
    few = regions[regions["samples_per_dimension"] < SAMPLES_PER_DIMENSION_TO_REPORT]
    if len(few):
        texts.append(
            f"there are few samples in {listed(few['region'])}: fewer than {SAMPLES_PER_DIMENSION_TO_REPORT} training "
            "bins per dimension of the activity. Expect wide intervals."
        )
    dropped = ~recorded.units["kept"]
    if dropped.mean() > 0.5:
        texts.append(f"{dropped.sum()} of {len(dropped)} units were left out; units.csv gives the reason for each.")
    clipped = clipped_share(recorded.recording)
    if clipped > CLIPPED_SHARE_TO_REPORT:
        texts.append(
            f"the rates in {clipped:.1%} of the bins were clipped, because they exceed the range that the scale of "
            f"their unit allows."
        )
    return texts


def clipped_share(recording: xr.Dataset) -> float:
    """Return the share of the recorded bins whose scaled rate is outside the range of the network.

    The share is 0 for spike counts.
    """
    if silent(recording) < 0:
        return 0.0
    scaled = observed_rates(recording).values
    recorded = np.isfinite(scaled)
    return float((np.abs(scaled[recorded]) > MAX_SCALED_RATE).mean()) if recorded.any() else 0.0


def about_fit(fit: ModelResults) -> list[str]:
    """List what a reader must know about the fits of one model before believing a number."""
    if fit.is_of_populations:
        return _about_populations(fit)
    return [*_about_scores(fit), *_about_free_run(fit), *_about_currents(fit)]


def _about_populations(fit: ModelResults) -> list[str]:
    """Name resolved pathways that the prediction of spikes hardly needs."""
    scores = fit.tables["region_scores"]
    scores = scores[(scores["score"] == "cosmoothing") & (scores["split"] == "test")]
    pathways = between_regions(fit.tables["pathways"])
    resolved = pathways[pathways["verdict"] == "resolved"]
    texts = []
    level = scores["own_region_bits_per_spike"] >= scores["bits_per_spike"]
    regions = scores.loc[level & scores["region"].isin(resolved["target"]), "region"]
    if len(regions):
        texts.append(
            f"unseen units of {listed(regions)} are predicted as well by units of the same region alone: the resolved "
            "pathways into these regions exist, and add nothing to the prediction of single units."
        )
    silent = resolved[resolved["forward_nats"] < MIN_FORWARD_ERRORS * resolved["forward_error"]]
    if len(silent):
        names = listed(silent["source"] + " → " + silent["target"])
        texts.append(
            f"{names} {'is' if len(silent) == 1 else 'are'} resolved, but in held-out trials the past of the recorded "
            "units of the source does not clearly improve the prediction of the target (columns `forward_nats` and "
            "`forward_error` of `pathways.csv`). The verdict then rests on latents that the fit infers from all "
            "regions at once: confirm the direction in another session, or with more units of the source."
        )
    return texts


def _about_scores(fit: ModelResults) -> list[str]:
    train = fit.scores["train"]
    row = fit.scores.get("test", train)
    texts = []
    if "test" not in fit.scores:
        texts.append("no trial was held out, so that all scores are on training trials.")
    noisy = row["measurement_noise_share"] > NOISE_SHARE_TO_REPORT
    if noisy:
        inferred = "inferred_rates" in fit.networks
        texts.append(
            f"{percent_text(row['measurement_noise_share'])} of the variance of the observed rates is measurement "
            "noise, so that forecasts of single bins cannot be good. "
            + (
                "Currents are evaluated at the rates that the fit inferred from the noisy observations."
                if inferred
                else "The estimator state_space, which infers the rates from noisy observations, may do better."
            )
        )
    elif max(row["one_step_r2"], train["one_step_r2"]) < MIN_PREDICTED_SHARE:
        texts.append(
            f"the network predicts almost nothing one bin ahead (R² {r2_text(row['one_step_r2'])}): its weights were "
            "shrunk to nearly zero, because no weights predict held-out activity."
        )
    elif row["one_step_r2"] < train["one_step_r2"] / 2:
        texts.append(
            f"R² one bin ahead falls from {r2_text(train['one_step_r2'])} on training trials to "
            f"{r2_text(row['one_step_r2'])} on held-out trials: part of what the network learned is noise."
        )
    if len(fit.tables["regions"]) > 1 and adds_little(row):
        alone = r2_text(row["one_step_own_past_r2"])
        is_no_better = row["one_step_r2"] <= row["one_step_own_past_r2"]
        texts.append(
            f"one bin ahead, the network predicts the currents {'no' if is_no_better else 'hardly'} better (R² "
            f"{r2_text(row['one_step_r2'])}) than a network without pathways between regions does ({alone}): these "
            f"pathways {'do not improve' if is_no_better else 'add little to'} the prediction."
        )
    if not noisy and abs(row["residual_autocorrelation"]) > MAX_RESIDUAL_AUTOCORRELATION:
        texts.append(
            f"the residual is correlated in time ({r2_text(row['residual_autocorrelation'])} from one bin to the "
            "next). Possible causes are an input that the model lacks, measurement noise, smoothing, and a wrong time "
            "constant. Intervals may be too narrow."
        )
    return texts


def adds_little(scores: Mapping[Any, Any]) -> bool:
    """Return True if the pathways between regions hardly improve the forecast one bin ahead.

    Parameters
    ----------
    scores : a row of the table ``fits``.
    """
    return bool(scores["one_step_r2"] < scores["one_step_own_past_r2"] + MIN_GAIN_R2)


def _about_free_run(fit: ModelResults) -> list[str]:
    row = fit.scores.get("test", fit.scores["train"])
    if np.isnan(row["free_run_r2"]):
        return [
            "the free simulation could not be scored, because the recorded rates of the scored trials do not vary. "
            "Read the predicted effects of experiments with care."
        ]
    if np.isfinite(row["baseline_r2"]) and row["free_run_r2"] < row["baseline_r2"]:
        return [
            f"in a free simulation, the network reproduces held-out trials less well (R² "
            f"{r2_text(row['free_run_r2'])}) than the average trial does ({r2_text(row['baseline_r2'])}). Read the "
            "predicted effects of experiments with care."
        ]
    return []


def _about_currents(fit: ModelResults) -> list[str]:
    texts = []
    pathways = between_regions(fit.tables["pathways"])
    if pathways["predicted_r2"].isna().all() and (pathways["verdict"] == "resolved").any():
        texts.append(
            "the estimator has no posterior. A resolved pathway then exists, but it is not known how much of its "
            "current is right."
        )
    if fit.tables["currents"]["ci_low"].isna().all():
        texts.append("the currents have no interval, because the estimator has no posterior and the model has one fit.")
    return texts
