"""The picture of the changes of a model: which pathways changed their weights, and how much of their current."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from curbd.report.drawing import (
    CELL_INK,
    Drawing,
    Palette,
    in_order,
    matrix_cells,
    number_text,
    panels,
    source_label,
    wrapped_label,
)
from curbd.report.reading import ModelResults

CHANGE_MARKS = {"changed": "★", "unchanged": "=", "cannot_tell": "?"}
"""Verdict on a change -> its mark in the matrix."""
LARGEST_SHARE = 1.0
"""Relative change with the darkest shade: the current has nothing in common with that before."""


def compared(fit: ModelResults) -> Iterator[pd.DataFrame]:
    """Yield the rows of every change of a model, one pair of levels at a time."""
    for _, rows in fit.tables["changes"].groupby(["change", "level_a", "level_b"], sort=True):
        yield rows


def title(rows: pd.DataFrame) -> str:
    """Return the name of a change and of its levels: ``day: 2 − 1``."""
    first = rows.iloc[0]
    return f"{first['change']}: {first['level_a']} − {first['level_b']}"


def matrix(rows: pd.DataFrame, palette: Palette) -> Drawing:
    """Draw a matrix of all pathways, shaded by the share of the current that changed."""
    cells = {(str(row["target"]), str(row["source"])): row for row in rows.to_dict("records")}
    targets, sources = in_order(rows["target"].unique(), palette), in_order(rows["source"].unique(), palette)
    share = rows.pivot_table(index="target", columns="source", values="relative_change", dropna=False)
    share = share.reindex(index=targets, columns=sources)
    shades = np.nan_to_num(share.to_numpy(dtype=float)).clip(0, LARGEST_SHARE)
    size = (max(4.0, 1.4 + 1.15 * len(sources)), 0.9 + 0.75 * len(targets))
    figure, axes = panels(1, 1, size)
    panel = axes[0, 0]
    texts = {
        (row, column): f"{source_label(source)} → {target}: {cells[target, source]['reason']}"
        for row, target in enumerate(targets)
        for column, source in enumerate(sources)
    }
    columns = [wrapped_label(source_label(name)) for name in sources]
    image = matrix_cells(panel, shades, [wrapped_label(name) for name in targets], columns, LARGEST_SHARE, texts)
    for (row, column), _ in np.ndenumerate(shades):
        cell = cells[targets[row], sources[column]]
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": CELL_INK}
        panel.text(column, row - 0.18, CHANGE_MARKS[cell["verdict"]], fontsize=9, **style)
        if np.isfinite(cell["relative_change"]):
            panel.text(column, row + 0.2, number_text(cell["relative_change"]), fontsize=8, **style)
    panel.set_ylabel("to (target)")
    panel.set_xlabel("from (source)", labelpad=8)
    figure.colorbar(image, ax=panel, label="relative change\nof the current", shrink=0.8)
    first = rows.iloc[0]
    return Drawing(
        figure,
        f"Matrix of the changes of weights, {title(rows)}",
        f"{title(rows)} ({first['n_trials_a']} against {first['n_trials_b']} training trials): which pathways changed "
        "their weights. ★: changed; =: unchanged; ?: cannot tell. Number and shade: share of the current that changed "
        "(0: equal weights, 0.2: halved, 1: nothing in common, 2: the opposite sign).",
    )
