"""The models of a recording side by side: what every model says about every pathway, and which model to read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.report.drawing import Drawing
from curbd.report.findings import between_regions, of_other_regions, population_scores
from curbd.report.matrix import DETAIL_POINTS, draw_matrix
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults, RecordingResults
from curbd.report.wording import GRADE_KEY, GRADE_MARKS, number_text, percent_text, r2_text

MAX_COMPARED_PATHWAYS = 40
"""Largest number of pathways in the table and the picture; pathways.csv has all of them."""
COMPARED_CELL = (1.1, 0.23)
"""Width and height of a cell of the picture in inches."""
LEVELS = {
    "unit": "currents between the recorded units",
    "population": "currents between whole populations, of which the recorded units are samples",
}
"""Level of a model -> what its statements are about."""


class ModelComparison(NamedTuple):
    """What all models say about the pathways of a recording.

    Attributes
    ----------
    headings : names of the columns of the table, the models after the pathway.
    rows : pathway, and share and grade of every model.
    scores : name of a model, what its statements are about, and its score on held-out trials.
    """

    headings: list[str]
    rows: list[list[str]]
    scores: list[tuple[str, str, str]]


def comparison(recorded: RecordingResults) -> ModelComparison | None:
    """Compare the models of a recording; None if there is one model or no pathway between regions."""
    if not _are_comparable(recorded):
        return None
    shares, grades = _shares_and_grades(recorded)
    rows = [
        [str(pathway), *(_cell(share, grade) for share, grade in zip(of_shares, of_grades, strict=True))]
        for pathway, of_shares, of_grades in zip(shares.index, shares.to_numpy(float), grades.to_numpy(), strict=True)
    ]
    scores = [(fit.name, LEVELS[level_of(fit)], score_text(fit)) for fit in recorded.fits]
    return ModelComparison(headings=["pathway", *shares], rows=rows, scores=scores)


def _are_comparable(recorded: RecordingResults) -> bool:
    return len(recorded.fits) > 1 and all(len(_by_pathway(fit)) for fit in recorded.fits)


def _shares_and_grades(recorded: RecordingResults) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(pathway, model) shares and grades; the pathways with the largest share in any model come first."""
    pathways = {fit.name: _by_pathway(fit) for fit in recorded.fits}
    shares = pd.DataFrame({name: rows["share"] for name, rows in pathways.items()})
    grades = pd.DataFrame({name: rows["grade"] for name, rows in pathways.items()})
    order = shares.max(axis=1).sort_values(ascending=False, kind="stable").index[:MAX_COMPARED_PATHWAYS]
    return shares.loc[order], grades.loc[order]


def _cell(share: float, grade: str) -> str:
    return f"{percent_text(share)} {GRADE_MARKS[grade]}" if np.isfinite(share) else ""


def level_of(fit: ModelResults) -> str:
    """Return the level of a model's statements, ``unit`` or ``population``."""
    return "population" if fit.is_of_populations else "unit"


def recommended(recorded: RecordingResults) -> ModelResults:
    """Return the model of a recording to read first: a population network, or else the best forecast one bin ahead."""

    def rank(fit: ModelResults) -> tuple[bool, float]:
        score = fit.scores.get("test", fit.scores["train"])["one_step_r2"]
        return fit.is_of_populations, float(np.nan_to_num(score, nan=-np.inf))

    return max(recorded.fits, key=rank)


def recommendation(recorded: RecordingResults) -> str:
    """Say in one sentence which of the models of a recording to read."""
    best = recommended(recorded)
    if len(recorded.fits) == 1:
        return f"The recording has one model, {best.name}."
    if best.is_of_populations:
        return (
            f"Read {best.name} first: a recording of spikes holds a few of the units of every region, and what "
            "it can tell is how whole populations drive one another. Models of recorded units attribute the currents "
            "of all other units to the recorded units."
        )
    return (
        f"Read {best.name} first, its experiments included: it predicts held-out trials best one bin ahead. On "
        "networks with known effects of silencing, this told in most cases whether low or full rank was needed."
    )


def _by_pathway(fit: ModelResults) -> pd.DataFrame:
    rows = between_regions(fit.tables["pathways"])
    return rows.set_index(rows["source"] + " → " + rows["target"])


def score_text(fit: ModelResults) -> str:
    """Return the score of a model on held-out trials, with its meaning."""
    row = fit.scores.get("test", fit.scores["train"])
    if fit.is_of_populations:
        return (
            f"{number_text(row['cosmoothing_bits_per_spike'])} bits per spike about units that the network does not "
            f"see, {of_other_regions(population_scores(fit))}"
        )
    alone = row["one_step_own_past_r2"]
    return f"R² {r2_text(row['one_step_r2'])} one bin ahead" + (
        f" (each region alone: {r2_text(alone)})" if np.isfinite(alone) else ""
    )


def figure(recorded: RecordingResults) -> Drawing | None:
    """Draw the share and the grade of every pathway in every model; None if there is nothing to compare."""
    if not _are_comparable(recorded):
        return None
    shares, grades = _shares_and_grades(recorded)
    values = shares.to_numpy(float)
    largest = float(np.nanmax(values, initial=0))
    pathways, models = list(map(str, shares.index)), list(map(str, shares))
    drawn, panel = draw_matrix(values, pathways, models, cell=COMPARED_CELL, largest=largest)
    for (row, column), share in np.ndenumerate(values):
        text = _cell(share, str(grades.iloc[row, column]))
        panel.text(column, row, text, ha="center", va="center", fontsize=DETAIL_POINTS, color=CELL_INK)
    return Drawing(
        drawn,
        "Share of every pathway in every model",
        "Share of each pathway in the variance of all currents into its target, in every model. "
        f"{GRADE_KEY}. A large difference means that the share depends on the assumptions of the models.",
    )
