"""Contrasts, changes and verdicts in time windows in sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.pathways.grades import believed_currents
from curbd.report.findings import between_regions
from curbd.report.reading import ModelResults
from curbd.report.wording import (
    are,
    counted,
    listed,
    number_text,
)

MAX_Q_TO_REPORT = 0.05
"""Differences between conditions with a larger q-value are not called differences."""


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
            text += f": {listed(pd.Series(pathways))}. {resolved} of these currents {are(resolved)} resolved"
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
    named = f" ({listed(by_number)})" if len(found) else ""
    return f" {len(found)} of {counted(len(latents), 'latent')} differ{named}."


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


def window_sentences(fit: ModelResults) -> list[str]:
    """Say for every time window of the verdicts which pathways between regions are resolved or supported in it."""
    sentences = []
    for (start_s, stop_s), rows in fit.tables["pathway_windows"].groupby(["start_s", "stop_s"], sort=True):
        pathways = between_regions(rows)
        parts = []
        for grade in ("resolved", "supported"):
            named = pathways[pathways["grade"] == grade]
            names = listed(named["source"] + " → " + named["target"])
            parts.append(f"{len(named)} {grade}" + (f" ({names})" if names else ""))
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
            text += ": " + listed(
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
                f"noise of the measurement, in {listed(pd.Series(unknown.loc[misfit, 'target'].unique()))}."
            )
        sentences.append(text)
    return sentences
