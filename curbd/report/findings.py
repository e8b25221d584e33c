"""What the tables say in plain words: which pathways can be believed, and what a reader must beware of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.pathways.verdict import RESIDUAL_AUTOCORRELATION
from curbd.recording.scaling import MAX_SCALED_RATE, observed_rates, silent
from curbd.report.drawing import counted, percent, r2, source_label
from curbd.report.reading import Fitted, Recorded

FEW_SAMPLES_PER_DIMENSION = 20
CLIPPED = 0.001
FAINT = 0.02
"""A network that predicts less than this share predicts nothing."""
NOISY = 0.5
"""Share of measurement noise in the observed rates above which the reader is told."""
MOST_LISTED = 12


class Judged(NamedTuple):
    """A pathway between regions as the summary names it."""

    pathway: str
    verdict: str
    share: str
    reason: str


class Summary(NamedTuple):
    """The verdict on one fit: a sentence, the pathways behind it (resolved ones first), and how many more."""

    model: str
    estimator: str
    sentence: str
    fit: str
    truth: str
    pathways: list[Judged]
    omitted: int


def between_regions(pathways: pd.DataFrame) -> pd.DataFrame:
    """The pathways from one region to another, the largest share first."""
    regions = set(pathways["target"])
    chosen = pathways[pathways["source"].isin(regions) & (pathways["source"] != pathways["target"])]
    return chosen.sort_values("share", ascending=False, kind="stable")


def summarise(fit: Fitted) -> Summary:
    """The verdict on the pathways of one fit."""
    # Resolved ones first, each group by its share.
    pathways = between_regions(fit.tables["pathways"]).sort_values("verdict", kind="stable")
    judged = [
        Judged(f"{row['source']} → {row['target']}", row["verdict"], percent(row["share"]), row["reason"])
        for _, row in pathways.iterrows()
    ]
    return Summary(
        fit.name,
        f"{fit.networks.attrs['family']}, {fit.networks.attrs['estimator']}".replace("_", " "),
        _verdict_sentence(pathways),
        _fit_sentence(fit),
        _truth_sentence(with_truth(fit)),
        judged[:MOST_LISTED],
        max(0, len(judged) - MOST_LISTED),
    )


def _verdict_sentence(pathways: pd.DataFrame) -> str:
    if pathways.empty:
        return "The recording has one region, so there is no pathway to judge."
    resolved = pathways[pathways["verdict"] == "resolved"]
    n = len(pathways)
    if resolved.empty:
        return f"None of the {counted(n, 'pathway')} between regions is resolved: do not read the currents as findings."
    if len(resolved) == n:
        return f"All {n} pathways between regions are resolved." if n > 1 else "The one pathway is resolved."
    strongest = ", ".join(f"{row['source']} → {row['target']}" for _, row in resolved.head(3).iterrows())
    return (
        f"{len(resolved)} of {counted(n, 'pathway')} between regions {'are' if len(resolved) > 1 else 'is'} resolved"
        f"{', above all' if len(resolved) > 3 else ':'} {strongest}."
    )


def _fit_sentence(fit: Fitted) -> str:
    held_out = "test" in fit.scores
    row = fit.scores["test" if held_out else "train"]
    text = (
        f"On {'held-out' if held_out else 'training'} trials the network predicts {_explained(row['one_step_r2'])} of "
        "the variance of the current one bin ahead"
    )
    if np.isnan(row["free_run_r2"]):
        return f"{text}; its free run could not be scored."
    text += f", and {_explained(row['free_run_r2'])} of the variance of the rates when it runs freely"
    if np.isnan(row["ceiling_r2"]):
        return f"{text}."
    known = fit.truth is not None and fit.recording.attrs["activity"] == "model"
    reached = "the true network itself predicts {}" if known else "{} repeats from trial to trial"
    return f"{text} ({reached.format(percent(row['ceiling_r2']))})."


def with_truth(fit: Fitted) -> pd.DataFrame:
    """The pathways whose true current is known, all but those from a region to itself; none without a truth.

    What a hidden input that the fit found should be is not known.
    """
    pathways = fit.tables["pathways"]
    if fit.truth is None or "true_r2" not in pathways:
        return pathways.head(0)
    inputs = fit.recording["input"].values.astype(str)
    sources = {*pathways["target"], *(f"input:{name}" for name in inputs)}
    return pathways[pathways["source"].isin(sources) & (pathways["source"] != pathways["target"])]


def _truth_sentence(pathways: pd.DataFrame) -> str:
    """What the truth says about the verdicts; empty where it is not known."""
    between = between_regions(pathways)
    if between.empty or not between["true_r2"].notna().any():
        return ""
    resolved = between[between["verdict"] == "resolved"]
    right = int((resolved["true_r2"] > 0.5).sum())
    text = (
        f"The truth is known here: of {counted(len(resolved), 'pathway')} called resolved, {right} "
        f"{'has' if right == 1 else 'have'} an R² above 0.5 with the true current."
    )
    absent = pathways[pathways["true_r"].isna()]
    if len(absent):
        wrong = int((absent["verdict"] == "resolved").sum())
        called = "none is" if not wrong else "1 is" if wrong == 1 else f"{wrong} are"
        text += (
            f" Of {counted(len(absent), 'pathway')} without any true current, inputs included, {called} called "
            "resolved."
        )
    return text


def warnings(recorded: Recorded) -> list[str]:
    """What a reader must know before believing a number, of one recording and its fits."""
    models: dict[str, list[str]] = {}
    for fit in recorded.fits:
        for text in _about_fit(fit):
            models.setdefault(text, []).append(fit.name)
    return [*_about_recording(recorded), *(f"{', '.join(names)}: {text}" for text, names in models.items())]


def _about_recording(recorded: Recorded) -> list[str]:
    found = []
    regions = recorded.regions
    if len(regions) == 1:
        found.append(f"one region ({regions['region'].iloc[0]}): there is no pathway to judge.")
    few = regions[regions["samples_per_dimension"] < FEW_SAMPLES_PER_DIMENSION]
    if len(few):
        found.append(
            f"few samples for the dimension of the activity in {_listed(few['region'])} "
            f"(fewer than {FEW_SAMPLES_PER_DIMENSION} training bins a dimension): expect wide intervals."
        )
    dropped = ~recorded.units["kept"]
    if dropped.mean() > 0.5:
        found.append(f"{dropped.sum()} of {len(dropped)} units were left out; their reasons are in units.csv.")
    clipped = clipped_share(recorded.recording)
    if clipped > CLIPPED:
        found.append(f"{clipped:.1%} of the bins are larger than the scale of their unit allows and were clipped.")
    return found


def clipped_share(recording: xr.Dataset) -> float:
    """Share of the recorded bins whose scaled rate lies beyond what the network can express; 0 for spike counts."""
    if silent(recording) < 0:
        return 0.0
    scaled = observed_rates(recording).values
    known = np.isfinite(scaled)
    return float((np.abs(scaled[known]) > MAX_SCALED_RATE).mean()) if known.any() else 0.0


def _about_fit(fit: Fitted) -> list[str]:
    train = fit.scores["train"]
    row = fit.scores.get("test", train)
    found = []
    if "test" not in fit.scores:
        found.append("no trial was held out: the scores are those of the training trials.")
    noisy = row["measurement_noise_share"] > NOISY
    if noisy:
        inferred = "inferred_rates" in fit.networks
        found.append(
            f"{percent(row['measurement_noise_share'])} of the variance of the observed rates is measurement noise: "
            + ("the currents are those of the rates inferred behind it" if inferred else "state_space may do better")
            + "; forecasts of single bins cannot be good."
        )
    elif max(row["one_step_r2"], train["one_step_r2"]) < FAINT:
        found.append(
            f"the network predicts next to nothing one bin ahead (R² {r2(row['one_step_r2'])}): its weights were "
            "shrunk away, because no weights predict held-out activity."
        )
    elif row["one_step_r2"] < train["one_step_r2"] / 2:
        found.append(
            f"R² one bin ahead falls from {r2(train['one_step_r2'])} on training trials to "
            f"{r2(row['one_step_r2'])} on held-out trials: a part of what the network learned is noise."
        )
    if len(fit.tables["regions"]) > 1 and row["one_step_r2"] <= row["one_step_own_past_r2"]:
        alone = r2(row["one_step_own_past_r2"])
        found.append(
            f"one bin ahead, the network predicts no more of the currents (R² {r2(row['one_step_r2'])}) than each "
            f"region does from itself alone ({alone}): its pathways between regions improve no forecast."
        )
    if not noisy and abs(row["residual_autocorrelation"]) > RESIDUAL_AUTOCORRELATION:
        found.append(
            f"the residual is correlated in time ({r2(row['residual_autocorrelation'])} from one bin to the next): an "
            "input that the model does not know, measurement noise, smoothing, or a wrong time constant. Intervals "
            "may be too narrow."
        )
    if np.isnan(row["free_run_r2"]):
        found.append(
            "its free run could not be scored, as no recorded bin of those trials differs from the others: read its "
            "inactivations with care."
        )
    elif np.isfinite(row["baseline_r2"]) and row["free_run_r2"] < row["baseline_r2"]:
        found.append(
            f"running freely, the network reproduces held-out trials less well (R² {r2(row['free_run_r2'])}) than the "
            f"average trial does ({r2(row['baseline_r2'])}): read its inactivations with care."
        )
    pathways = between_regions(fit.tables["pathways"])
    if pathways["predicted_r2"].isna().all() and (pathways["verdict"] == "resolved").any():
        found.append(
            "the estimator has no posterior, so that a resolved pathway is one that exists; how much of its current is "
            "right, nothing here tells."
        )
    if fit.tables["currents"]["ci_low"].isna().all():
        found.append("the currents have no interval: the estimator has no posterior, and there is one seed.")
    return found


def scores_by_region(fit: Fitted) -> pd.DataFrame:
    """Scores and baselines of every region under the first seed, on test trials where there are any."""
    rows = fit.of_first_seed("region_scores")
    return rows[rows["split"] == ("test" if "test" in fit.scores else "train")]


def sources_of_labels(units: pd.DataFrame) -> pd.DataFrame:
    """Units by region, by the place that gave the label, and by whether they are kept."""
    counted = units.groupby(["region", "region_source", "kept", "reason"], sort=True).size()
    return counted.rename("units").reset_index()


def _explained(share: float) -> str:
    return percent(share) if share >= 0 else f"nothing (R² {r2(share)})"


def _listed(names: pd.Series) -> str:
    shown = [source_label(str(name)) for name in names[:MOST_LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
