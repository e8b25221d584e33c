"""The verdicts on the pathways of a model in sentences, and the scores and baselines that they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.truth import comparable_truth
from curbd.report.reading import ModelResults
from curbd.report.wording import (
    GRADE_MARKS,
    GRADE_WORDS,
    MAX_LISTED,
    are,
    counted,
    number_text,
    percent_text,
    r2_text,
)


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
    subject = "It is" if len(resolved) == 1 else f"{n} of them {are(n)}"
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
