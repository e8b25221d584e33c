"""The models of a recording side by side: what every model says about every pathway, and which model to read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.report.drawing import INK, Picture, matrix_cells, panels, percent_text, picture, r2_text
from curbd.report.findings import between_regions
from curbd.report.reading import ModelResults, RecordingResults

MAX_COMPARED_PATHWAYS = 40
"""Largest number of pathways in the table and the picture; pathways.csv has all of them."""
LEVELS = {
    "unit": "currents between the recorded units",
    "population": "currents between whole populations, of which the recorded units are samples",
}
"""Level of a model -> what its statements are about."""


class Comparison(NamedTuple):
    """What all models say about the pathways of a recording.

    Attributes
    ----------
    headings : names of the columns of the table, the models after the pathway.
    rows : pathway, and share and verdict of every model.
    scores : name of a model, what its statements are about, and its score on held-out trials.
    recommendation : which model to read, in one sentence.
    picture : shares and verdicts as a picture.
    """

    headings: list[str]
    rows: list[list[str]]
    scores: list[tuple[str, str, str]]
    recommendation: str
    picture: Picture


def comparison(recorded: RecordingResults) -> Comparison | None:
    """Compare the models of a recording; None if there is one model or no pathway between regions."""
    pathways = {fit.name: _by_pathway(fit) for fit in recorded.fits}
    if len(pathways) < 2 or any(rows.empty for rows in pathways.values()):
        return None
    shares = pd.DataFrame({name: rows["share"] for name, rows in pathways.items()})
    resolved = pd.DataFrame({name: rows["verdict"] == "resolved" for name, rows in pathways.items()})
    # The pathways with the largest share in any model come first.
    order = shares.max(axis=1).sort_values(ascending=False, kind="stable").index[:MAX_COMPARED_PATHWAYS]
    shares, resolved = shares.loc[order], resolved.loc[order].fillna(False).astype(bool)
    cells = [
        [f"{percent_text(share)} {_mark(is_resolved)}" for share, is_resolved in zip(*of_pathway, strict=True)]
        for of_pathway in zip(shares.to_numpy(float), resolved.to_numpy(bool), strict=True)
    ]
    rows = [[str(pathway), *row] for pathway, row in zip(order, cells, strict=True)]
    return Comparison(
        headings=["pathway", *shares],
        rows=rows,
        scores=[(fit.name, LEVELS[level_of(fit)], _score(fit)) for fit in recorded.fits],
        recommendation=recommendation(recorded),
        picture=_picture(shares, resolved),
    )


def level_of(fit: ModelResults) -> str:
    """Return the level of a model's statements, ``unit`` or ``population``."""
    return "population" if fit.is_of_populations else "unit"


def recommendation(recorded: RecordingResults) -> str:
    """Say in one sentence which of the models of a recording to read."""
    of_populations = [fit.name for fit in recorded.fits if fit.is_of_populations]
    if of_populations:
        return (
            f"Read {of_populations[0]} first: a recording of spikes holds a few of the units of every region, and what "
            "it can tell is how whole populations drive one another. Models of recorded units attribute the currents "
            "of all other units to the recorded units."
        )
    scored = {fit.name: fit.scores.get("test", fit.scores["train"])["one_step_r2"] for fit in recorded.fits}
    best = max(scored, key=lambda name: np.nan_to_num(scored[name], nan=-np.inf))
    return f"Read {best} first: it predicts held-out trials best one bin ahead."


def _by_pathway(fit: ModelResults) -> pd.DataFrame:
    rows = between_regions(fit.tables["pathways"])
    return rows.set_index(rows["source"] + " → " + rows["target"])


def _mark(is_resolved: bool) -> str:
    return "✓" if is_resolved else "?"


def _score(fit: ModelResults) -> str:
    row = fit.scores.get("test", fit.scores["train"])
    if fit.is_of_populations:
        return f"{row['cosmoothing_bits_per_spike']:.3g} bits per spike about units that the network does not see"
    return f"R² {r2_text(row['one_step_r2'])} one bin ahead"


def _picture(shares: pd.DataFrame, resolved: pd.DataFrame) -> Picture:
    figure, axes = panels(1, 1, (2.5 + 0.9 * shares.shape[1], 1.0 + 0.22 * len(shares)))
    panel = axes[0, 0]
    matrix_cells(panel, shares.to_numpy(float), list(shares.index), list(shares.columns), 1.0)
    for (row, column), share in np.ndenumerate(shares.to_numpy(float)):
        if np.isfinite(share):
            text = f"{percent_text(share)} {_mark(bool(resolved.iloc[row, column]))}"
            panel.text(column, row, text, ha="center", va="center", fontsize=7, color=INK)
    panel.set_xlabel("")
    return picture(
        figure,
        "Share of every pathway in every model",
        "Share of each pathway in the variance of all currents into its target, in every model. ✓: resolved, ?: "
        "unresolved. A large difference between models means that the share depends on the assumptions of the models.",
    )
