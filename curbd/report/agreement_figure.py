"""Drawing of the agreement between the fits of a model on every pathway."""

from __future__ import annotations

import numpy as np

from curbd.report.drawing import (
    CELL_INK,
    Drawing,
    Palette,
    in_order,
    matrix_cells,
    panels,
    r2_text,
    source_label,
    wrapped_label,
)
from curbd.report.reading import ModelResults

COLUMNS = {"J_seed_r": "weights", "seed_r": "currents", "inactivation_seed_r": "effect of silencing the source"}
MAX_AGREEMENTS_WITH_TEXT = 8
"""Matrices with more rows or columns have no text in their cells."""


def agreement(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the correlations between fits in weights, currents and effects of silencing; None if there is one fit."""
    pathways = fit.tables["pathways"]
    if pathways[list(COLUMNS)].isna().all(axis=None):
        return None
    targets = in_order(pathways["target"], palette)
    sources = [*targets, *(source for source in pathways["source"].unique() if source not in targets)]
    has_text = max(len(targets), len(sources)) <= MAX_AGREEMENTS_WITH_TEXT
    figure, axes = panels(1, len(COLUMNS), (10, 1.1 + (0.45 if has_text else 0.24) * len(targets)), share_y="all")
    for panel, (column, title) in zip(axes[0], COLUMNS.items(), strict=True):
        values = pathways.pivot_table(index="target", columns="source", values=column, dropna=False)
        cells = values.reindex(index=targets, columns=sources).to_numpy(float)
        names = [wrapped_label(source_label(source), 10) for source in sources]
        matrix_cells(panel, np.maximum(cells, 0), targets, names, 1.0)
        panel.tick_params(axis="x", labelsize=7, rotation=0 if has_text else 90)
        panel.set_title(title, fontsize=8.5)
        for (row, column_index), value in np.ndenumerate(cells):
            if has_text and np.isfinite(value):
                panel.text(column_index, row, r2_text(value), ha="center", va="center", fontsize=7.5, color=CELL_INK)
    axes[0, 0].set_ylabel("to (target)")
    return Drawing(
        figure,
        "Agreement between fits on every pathway",
        "Agreement between the fits of the model, from 0 (white) to 1; all fits but the first use resampled trials. "
        "Correlation between "
        "two fits (mean over pairs) of the weights of a pathway, of the current, and of the effect that silencing the "
        "source has on the target. Fits that agree can all be wrong; of fits that disagree, at most one is right.",
    )
