"""Drawing of the agreement between the fits of a model on every pathway."""

from __future__ import annotations

from typing import Any

import numpy as np

from curbd.report.drawing import Drawing, Palette, panels, resolved_first, wrapped_label
from curbd.report.matrix import DETAIL_POINTS, LABEL_POINTS, matrix_cells, names_of_matrix
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults
from curbd.report.wording import r2_text, source_label

COLUMNS = {"J_seed_r": "weights", "seed_r": "currents", "inactivation_seed_r": "effect of silencing the source"}
MAX_AGREEMENT_NAMES = 15
"""Largest number of rows or columns, of which each of three matrices side by side has room for the labels."""
MAX_AGREEMENTS_WITH_TEXT = 8
"""Matrices with more rows or columns have no text in their cells."""


def agreement(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the correlations between fits in weights, currents and effects of silencing; None if there is one fit."""
    pathways = fit.tables["pathways"]
    if pathways[list(COLUMNS)].isna().all(axis=None):
        return None
    targets, sources, remark = names_of_matrix(resolved_first(pathways), palette, MAX_AGREEMENT_NAMES)
    has_text = max(len(targets), len(sources)) <= MAX_AGREEMENTS_WITH_TEXT
    shown = {column: title for column, title in COLUMNS.items() if pathways[column].notna().any()}
    figure, axes = panels(
        1,
        len(shown),
        (10 * len(shown) / len(COLUMNS), 1.1 + (0.45 if has_text else 0.24) * len(targets)),
        share_y="all",
    )
    for panel, (column, title) in zip(axes[0], shown.items(), strict=True):
        values = pathways.pivot_table(index="target", columns="source", values=column, dropna=False)
        cells = values.reindex(index=targets, columns=sources).to_numpy(float)
        names = [wrapped_label(source_label(source), 10) for source in sources]
        matrix_cells(panel, np.maximum(cells, 0), targets, names, 1.0)
        panel.tick_params(axis="x", labelsize=LABEL_POINTS, rotation=0 if has_text else 90)
        panel.set_title(title, fontsize=8.5)
        for (row, column_index), value in np.ndenumerate(cells):
            if has_text and np.isfinite(value):
                style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": DETAIL_POINTS, "color": CELL_INK}
                panel.text(column_index, row, r2_text(value), **style)
    axes[0, 0].set_ylabel("to (target)")
    return Drawing(
        figure,
        "Agreement between fits on every pathway",
        "Agreement between the fits of the model, from 0 (white) to 1: correlation between two fits, mean over pairs."
        + " All fits but the first use resampled trials." * bool(fit.networks.attrs.get("resample_trials", True))
        + " Fits that agree can all be wrong; of fits that disagree, at most one is right."
        + remark,
    )
