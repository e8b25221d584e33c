"""The results in sentences: which pathways can be believed, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.truth import comparable_truth
from curbd.pathways.grades import believed_currents
from curbd.pathways.verdict import MAX_RESIDUAL_AUTOCORRELATION
from curbd.recording.scaling import MAX_SCALED_RATE, observed_rates, silent
from curbd.report.drawing import GRADE_MARKS, GRADE_WORDS, counted, number_text, percent_text, r2_text, source_label
from curbd.report.reading import ModelResults, RecordingResults

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
MAX_Q_TO_REPORT = 0.05
"""Differences between conditions with a larger q-value are not called differences."""
MAX_LISTED = 12
"""Longer lists of names are cut here."""


class Judged(NamedTuple):
    """A pathway between regions in the summary: its name, verdict, grade, share, codes of the objections, and needs."""

    pathway: str
    verdict: str
    grade: str
    share: str
    codes: str
    reason: str
    needed: str


class Summary(NamedTuple):
    """The verdict on the first fit of a model, as the top of the report shows it.

    Attributes
    ----------
    model : name of the model.
    estimator : family and estimator.
    sentence : how many pathways are resolved.
    fit : how well the network reproduces the recording.
    constraints : whether the data agree with the constraints on the weights; '' without constraints.
    truth : how many verdicts are right; '' if the true network is not known.
    pathways : the pathways between regions, the best evidence first.
    omitted : number of pathways that are not listed.
    """

    model: str
    estimator: str
    sentence: str
    constraints: str
    fit: str
    truth: str
    pathways: list[Judged]
    omitted: int


def between_regions(pathways: pd.DataFrame) -> pd.DataFrame:
    """Select the pathways from one region to another, in order of decreasing share."""
    regions = set(pathways["target"])
    chosen = pathways[pathways["source"].isin(regions) & (pathways["source"] != pathways["target"])]
    return chosen.sort_values("share", ascending=False, kind="stable")


def summarise(fit: ModelResults) -> Summary:
    """Summarise the verdicts on the pathways of one model in sentences."""
    pathways = between_regions(fit.tables["pathways"]).sort_values("grade_rank", kind="stable")
    judged = [
        Judged(
            pathway=f"{row['source']} → {row['target']}",
            verdict=row["verdict"],
            grade=f"{GRADE_MARKS[row['grade']]} {GRADE_WORDS[row['grade']]}",
            share=percent_text(row["share"]),
            codes="" if pd.isna(row["reason_codes"]) else row["reason_codes"].replace("_", " ").replace(";", ", "),
            reason=row["reason"],
            needed="" if pd.isna(row["needed"]) else row["needed"],
        )
        for _, row in pathways.iterrows()
    ]
    return Summary(
        model=fit.name,
        estimator=f"{fit.networks.attrs['family']}, {fit.networks.attrs['estimator']}".replace("_", " "),
        sentence=_verdict_sentence(pathways),
        constraints=_constraint_sentence(fit.tables["constraints"]),
        fit=_fit_sentence(fit),
        truth=_truth_sentence(with_truth(fit)),
        pathways=judged[:MAX_LISTED],
        omitted=max(0, len(judged) - MAX_LISTED),
    )


def _constraint_sentence(constraints: pd.DataFrame) -> str:
    """Say whether the data agree with the constraints of the first fit; '' without constraints."""
    judged = constraints[constraints["verdict"] != ""]
    if judged.empty:
        return ""
    first = judged.iloc[0]
    words = {
        "supported": "The data agree with the constraints",
        "contradicted": "⚠ The data contradict the constraints, so that currents and effects must not be interpreted",
        "no_evidence": "⚠ The data do not support the signs, so that currents and effects must not be interpreted",
        "untested": "The constraints are not tested",
    }
    wrong = first["wrong_sign_share"]
    share = "" if pd.isna(wrong) else f"; without constraints, {percent_text(wrong)} of the weights have the other sign"
    return f"{words[first['verdict']]}: {first['reason']}{share}."


def _verdict_sentence(pathways: pd.DataFrame) -> str:
    if pathways.empty:
        return "The recording has one region, so there is no pathway to judge."
    resolved = pathways[pathways["verdict"] == "resolved"]
    n = len(pathways)
    if resolved.empty:
        none = f"None of the {counted(n, 'pathway')} between regions is resolved: do not interpret the currents."
        return none + _supported_sentence(pathways)
    if len(resolved) == n:
        all_resolved = f"All {n} pathways between regions are resolved." if n > 1 else "The only pathway is resolved."
        return all_resolved + _skewness_sentence(resolved)
    strongest = ", ".join(f"{row['source']} → {row['target']}" for _, row in resolved.head(3).iterrows())
    return (
        f"{len(resolved)} of {counted(n, 'pathway')} between regions {'are' if len(resolved) > 1 else 'is'} resolved"
        f"{'; the best evidence is for' if len(resolved) > 3 else ':'} {strongest}."
        f"{_skewness_sentence(resolved)}{_supported_sentence(pathways)}"
    )


def _skewness_sentence(resolved: pd.DataFrame) -> str:
    """Say how many pathways are resolved by skewness, so that their currents are not read; '' if there are none."""
    n = int((resolved["resolved_by"] == "skewness").sum())
    if not n:
        return ""
    subject = "It is" if len(resolved) == 1 else f"{n} of them {_are(n)}"
    return (
        f" {subject} resolved by the skewness of the activity, because effects are over within a bin: "
        "believe existence, direction and sign, and not the current."
    )


def _supported_sentence(pathways: pd.DataFrame) -> str:
    """Say which pathways are supported, the best evidence first; '' if there are none."""
    supported = pathways[pathways["grade"] == "supported"]
    if supported.empty:
        return ""
    best = ", ".join(f"{row['source']} → {row['target']}" for _, row in supported.head(3).iterrows())
    return (
        f" There is evidence for {len(supported)} "
        f"{'pathways' if len(supported) > 1 else 'pathway'}, whose currents may partly come from what was not recorded"
        f"{'; the best is for' if len(supported) > 3 else ':'} {best}."
    )


def _fit_sentence(fit: ModelResults) -> str:
    held_out = "test" in fit.scores
    row = fit.scores["test" if held_out else "train"]
    if fit.is_of_populations:
        return _population_sentence(fit)
    text = (
        f"On {'held-out' if held_out else 'training'} trials the network predicts {_explained(row['one_step_r2'])} of "
        "the variance of the current one bin ahead"
    )
    if np.isnan(row["free_run_r2"]):
        return f"{text}; the free simulation of the network could not be scored."
    text += f", and {_explained(row['free_run_r2'])} of the variance of the rates in a free simulation"
    if np.isnan(row["ceiling_r2"]):
        return f"{text}."
    has_true_score = comparable_truth(fit.recording, fit.truth, fit.networks.attrs["phi"]) is not None
    ceiling = "the true network predicts {}" if has_true_score else "{} of the variance repeats from trial to trial"
    # The share that repeats is estimated without bias, and can be below 0 where nothing repeats.
    share = row["ceiling_r2"] if has_true_score else max(row["ceiling_r2"], 0.0)
    return f"{text} ({ceiling.format(percent_text(share))})."


def _population_sentence(fit: ModelResults) -> str:
    row = population_scores(fit)
    text = (
        "The statements of this model are about whole populations, of which the recorded units are samples. On "
        f"held-out trials the network predicts the spikes of units that it does not see with "
        f"{number_text(row['bits_per_spike'])} bits per spike, {of_other_regions(row)}"
    )
    if np.isnan(row.get("average_bits_per_spike", np.nan)):
        return f"{text}."
    return (
        f"{text} (average trial: {number_text(row['average_bits_per_spike'])}; units of the same region only: "
        f"{number_text(row['own_region_bits_per_spike'])}; Poisson regression on all other units: "
        f"{number_text(row['glm_bits_per_spike'])})."
    )


def population_scores(fit: ModelResults) -> dict[str, float]:
    """Return the scores of a population network over all regions, as in the table ``region_scores``."""
    rows = scores_by_region(fit)
    whole = (rows["score"] == "cosmoothing") & (rows["region"] == "all regions")
    numbers = rows[whole].select_dtypes("number")
    return {str(name): float(value) for name, value in numbers.iloc[0].items()}


def of_other_regions(scores: Mapping[str, float]) -> str:
    """Say how much of the information about unseen spikes comes from other regions than that of the unit.

    Parameters
    ----------
    scores : scores of a population network, see `population_scores`.
    """
    bits, own = scores["bits_per_spike"], scores["own_region_bits_per_spike"]
    if not np.isfinite(bits - own):
        return "of which the part from other regions is not known"
    if own >= bits:
        return "to which other regions add nothing"
    share = f" ({percent_text((bits - own) / bits)})" if bits > 0 else ""
    return f"of which other regions add {number_text(bits - own)}{share}"


def with_truth(fit: ModelResults) -> pd.DataFrame:
    """Select the pathways whose true current is known, without pathways from a region to itself.

    The selection is empty if the true network is not known. A hidden input that the fit inferred has no true current.
    """
    pathways = fit.tables["pathways"]
    if fit.truth is None or "true_r2" not in pathways:
        return pathways.head(0)
    inputs = fit.recording["input"].values.astype(str)
    sources = {*pathways["target"], *(f"input:{name}" for name in inputs)}
    return pathways[pathways["source"].isin(sources) & (pathways["source"] != pathways["target"])]


def _truth_sentence(pathways: pd.DataFrame) -> str:
    """How many verdicts are right; empty if the true network is not known."""
    between = between_regions(pathways)
    if between.empty or not between["true_r2"].notna().any():
        return ""
    resolved = between[between["verdict"] == "resolved"]
    right = int((resolved["true_r2"] > 0.5).sum())
    text = (
        f"The true network is known: of {counted(len(resolved), 'pathway')} called resolved, {right} "
        f"{'has' if right == 1 else 'have'} an R² above 0.5 with the true current."
    )
    absent = pathways[pathways["true_r"].isna()]
    if len(absent):
        wrong = int((absent["verdict"] == "resolved").sum())
        called = "none is" if not wrong else "1 is" if wrong == 1 else f"{wrong} are"
        n_inputs = int((~absent["source"].isin(pathways["target"])).sum())
        kinds = f"{len(absent) - n_inputs} between regions and {n_inputs} from inputs to regions"
        text += f" Of {counted(len(absent), 'pathway')} without a true current ({kinds}), {called} called resolved."
    return text


def contrast_sentences(fit: ModelResults) -> list[str]:
    """Say for every contrast of a model which currents between regions differ, and what may be wrong with its null."""
    contrasts = fit.tables["contrasts"]
    believed = set(believed_currents(fit.tables["pathways"]).set_index(["target", "source"]).index)
    sentences = []
    for (name, level_a, level_b), rows in contrasts.groupby(["contrast", "level_a", "level_b"], sort=True):
        between = rows[rows["source"].isin(rows["target"]) & (rows["source"] != rows["target"])]
        pattern = between[between["part"] == "pattern"]
        found = pattern[pattern["q_value"] <= MAX_Q_TO_REPORT].sort_values("q_value", kind="stable")
        text = (
            f"{name} ({level_a} − {level_b}): the evoked currents of {len(found)} of "
            f"{counted(len(pattern), 'pathway')} between regions differ"
        )
        if len(found):
            pathways = [f"{row['source']} → {row['target']}" for _, row in found.iterrows()]
            resolved = sum((row["target"], row["source"]) in believed for _, row in found.iterrows())
            text += f": {_listed(pd.Series(pathways))}. {resolved} of these currents {_are(resolved)} resolved"
        else:
            text += limit_of_permutations(pattern)
        sentences.append(f"{text}.{_latent_sentence(rows)}{_drift_sentence(rows)}")
    return sentences


def limit_of_permutations(rows: pd.DataFrame) -> str:
    """Say that more permutations may tell more, if several pathways share the smallest p-value; '' otherwise.

    A p-value of permuted trials cannot be smaller than one of all permutations, so that pathways that differ clearly
    share this value, which may be too large to remain after the correction for the number of pathways.

    Parameters
    ----------
    rows : rows of ``contrasts.csv`` with ``p_value`` and ``q_value``.
    """
    smallest = rows["p_value"].min()
    n_smallest = int((rows["p_value"] == smallest).sum())
    if n_smallest < 2 or not rows["q_value"].min() > MAX_Q_TO_REPORT:
        return ""
    return (
        f". That does not mean that they are alike: {n_smallest} pathways share the smallest p-value "
        f"({number_text(smallest)}), and their q-value of {number_text(rows['q_value'].min())} may be smaller with "
        "more permutations (permutations in contrasts)"
    )


def _latent_sentence(rows: pd.DataFrame) -> str:
    """Say which latents differ; '' for a network without latents."""
    latents = rows[rows["part"] == "latent"]
    if latents.empty:
        return ""
    found = latents.loc[latents["q_value"] <= MAX_Q_TO_REPORT, "target"].str.removeprefix("latent:")
    by_number = found.sort_values(key=lambda names: names.astype(int), kind="stable")
    named = f" ({_listed(by_number)})" if len(found) else ""
    return f" {len(found)} of {counted(len(latents), 'latent')} differ{named}."


def window_sentences(fit: ModelResults) -> list[str]:
    """Say for every time window of the verdicts which pathways between regions are resolved or supported in it."""
    sentences = []
    for (start_s, stop_s), rows in fit.tables["pathway_windows"].groupby(["start_s", "stop_s"], sort=True):
        pathways = between_regions(rows)
        parts = []
        for grade in ("resolved", "supported"):
            named = pathways[pathways["grade"] == grade]
            listed = _listed(named["source"] + " → " + named["target"])
            parts.append(f"{len(named)} {grade}" + (f" ({listed})" if listed else ""))
        sentences.append(
            f"{start_s:g} to {stop_s:g} s: of {counted(len(pathways), 'pathway')} between regions, {', '.join(parts)}."
        )
    return sentences


def change_sentences(fit: ModelResults) -> list[str]:
    """Say for every change of a model which pathways changed their weights, and of which nothing can be said."""
    sentences = []
    for (name, level_a, level_b), rows in fit.tables["changes"].groupby(["change", "level_a", "level_b"], sort=True):
        changed, unknown = rows[rows["verdict"] == "changed"], rows[rows["verdict"] == "cannot_tell"]
        text = (
            f"{name} ({level_a} − {level_b}): the weights of {len(changed)} of {counted(len(rows), 'pathway')} changed"
        )
        if len(changed):
            text += ": " + _listed(
                changed["source"].str.removeprefix("input:")
                + " → "
                + changed["target"]
                + changed["relative_change"].map(lambda share: "" if np.isnan(share) else f" (share {share:.2f})")
            )
        text += f"; of {len(unknown)} nothing can be said." if len(unknown) else "."
        misfit = unknown["reason"].str.contains("not recorded")
        if misfit.any():
            text += (
                " The errors of the regression differ between the levels, as with an input that was not recorded or "
                f"noise of the measurement, in {_listed(pd.Series(unknown.loc[misfit, 'target'].unique()))}."
            )
        sentences.append(text)
    return sentences


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _drift_sentence(rows: pd.DataFrame) -> str:
    """A warning if labels and currents of neighbouring trials are both alike, so that permuted labels may be wrong."""
    n_trials = rows["n_trials_a"].iloc[0] + rows["n_trials_b"].iloc[0]
    label, current = rows["label_autocorrelation"].iloc[0], rows["trial_autocorrelation"].max()
    if label > 2 / np.sqrt(n_trials) and current > 2 / np.sqrt(n_trials):
        return (
            f" Labels and currents of neighbouring trials are both alike (correlations {label:.2f} and up to "
            f"{current:.2f}), so that p-values from permuted labels may be too small: compare within blocks of trials "
            "(blocks), or shift the labels (null: shifted)."
        )
    return ""


def warnings(recorded: RecordingResults) -> list[str]:
    """List what a reader must know about a recording and its fits before believing a number."""
    models: dict[str, list[str]] = {}
    for fit in recorded.fits:
        for text in _about_fit(fit):
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
            f"there are few samples in {_listed(few['region'])}: fewer than {SAMPLES_PER_DIMENSION_TO_REPORT} training "
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


def _about_fit(fit: ModelResults) -> list[str]:
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
            f"unseen units of {_listed(regions)} are predicted as well by units of the same region alone: the resolved "
            "pathways into these regions exist, and add nothing to the prediction of single units."
        )
    silent = resolved[resolved["forward_nats"] < MIN_FORWARD_ERRORS * resolved["forward_error"]]
    if len(silent):
        names = _listed(silent["source"] + " → " + silent["target"])
        texts.append(
            f"the past of the recorded units of the source does not clearly improve the prediction of the target in "
            f"held-out trials for {names}, although resolved: these currents rest on the latents that the fit inferred "
            "from all regions (columns `forward_nats` and `forward_error`)."
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
            "Read the "
            "predicted effects of experiments with care."
        ]
    if np.isfinite(row["baseline_r2"]) and row["free_run_r2"] < row["baseline_r2"]:
        return [
            f"in a free simulation, the network reproduces held-out trials less well (R² "
            f"{r2_text(row['free_run_r2'])}) than "
            f"the average trial does ({r2_text(row['baseline_r2'])}). Read the predicted effects of experiments with "
            "care."
        ]
    return []


def _about_currents(fit: ModelResults) -> list[str]:
    texts = []
    pathways = between_regions(fit.tables["pathways"])
    if pathways["predicted_r2"].isna().all() and (pathways["verdict"] == "resolved").any():
        texts.append(
            "the estimator has no posterior. A resolved pathway then exists, but it is not known how much of its "
            "current "
            "is right."
        )
    if fit.tables["currents"]["ci_low"].isna().all():
        texts.append("the currents have no interval, because the estimator has no posterior and the model has one fit.")
    return texts


def scores_by_region(fit: ModelResults) -> pd.DataFrame:
    """Select scores and baselines of every region for the first seed; on training trials if no trial was held out."""
    rows = fit.of_first_seed("region_scores")
    return rows[rows["split"] == ("test" if "test" in fit.scores else "train")]


def sources_of_labels(units: pd.DataFrame) -> pd.DataFrame:
    """Count the units by region, by origin of the label, and by whether they are fitted."""
    counts = units.groupby(["region", "region_source", "kept", "reason"], sort=True).size()
    return counts.rename("units").reset_index()


def _explained(share: float) -> str:
    return percent_text(share) if share >= 0 else f"nothing (R² {r2_text(share)})"


def _listed(names: pd.Series) -> str:
    shown = [source_label(str(name)) for name in names[:MAX_LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
