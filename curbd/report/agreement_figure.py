"""Picture of how far the fits of an ensemble agree on every pathway."""

from __future__ import annotations

import numpy as np

from curbd.report.drawing import INK, Picture, matrix_cells, panels, picture, r2, source_label, wrapped
from curbd.report.reading import Fitted

COLUMNS = {"J_seed_r": "weights", "seed_r": "currents", "inactivation_seed_r": "effect of silencing the source"}
MOST_WORDED = 8
"""Matrices with more rows or columns than this have no text in their cells."""


def agreement(fit: Fitted) -> Picture | None:
    """Correlation between fits of the weights, the currents and the effects of silencing; None for one seed."""
    pathways = fit.tables["pathways"]
    if pathways[list(COLUMNS)].isna().all(axis=None):
        return None
    targets = sorted(pathways["target"].unique())
    sources = [*targets, *(source for source in pathways["source"].unique() if source not in targets)]
    worded = max(len(targets), len(sources)) <= MOST_WORDED
    figure, axes = panels(1, len(COLUMNS), (10, 1.1 + (0.45 if worded else 0.2) * len(targets)), share_y="all")
    for panel, (column, title) in zip(axes[0], COLUMNS.items(), strict=True):
        values = pathways.pivot_table(index="target", columns="source", values=column, dropna=False)
        cells = values.reindex(index=targets, columns=sources).to_numpy(float)
        names = [wrapped(source_label(source), 10) for source in sources]
        matrix_cells(panel, np.maximum(cells, 0), targets, names, 1.0)
        panel.tick_params(axis="x", labelsize=7, rotation=0 if worded else 90)
        panel.set_title(title, fontsize=8.5)
        for (row, place), value in np.ndenumerate(cells):
            if worded and np.isfinite(value):
                panel.text(place, row, r2(value), ha="center", va="center", fontsize=7.5, color=INK)
    axes[0, 0].set_ylabel("to (target)")
    return picture(
        figure,
        "Agreement between fits, pathway by pathway",
        "How far the fits agree, of which all but the first were made to resampled trials: the correlation between "
        "fits of the weights of a pathway, of its current, and of what silencing its source does to the target (mean "
        "over pairs of fits). Fits that agree need not be right; fits that disagree cannot all be.",
    )
