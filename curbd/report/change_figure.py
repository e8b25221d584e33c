"""The picture of the changes of a model: which pathways changed their weights, and how much of their current."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from curbd.report.drawing import Drawing, Palette
from curbd.report.matrix import LABEL_POINTS, draw_matrix, names_of_matrix, write_cell
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults
from curbd.report.wording import number_text, source_label

CHANGE_MARKS = {"changed": "★", "unchanged": "=", "cannot_tell": "?"}
"""Verdict on a change -> its mark in the matrix."""
MAX_CHANGES_WITH_TEXT = 10
"""Matrices with more rows or columns have marks and no numbers."""
CHANGE_CELL = (1.15, 0.75)
"""Width and height of a cell with numbers in inches."""
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
    by_evidence = rows.assign(is_known=rows["verdict"] == "changed")
    by_evidence = by_evidence.sort_values(["is_known", "relative_change"], ascending=False, kind="stable")
    targets, sources, remark = names_of_matrix(by_evidence, palette)
    cells = {(str(row["target"]), str(row["source"])): row for row in rows.to_dict("records")}
    share = rows.pivot_table(index="target", columns="source", values="relative_change", dropna=False)
    share = share.reindex(index=targets, columns=sources)
    shades = np.nan_to_num(share.to_numpy(dtype=float)).clip(0, LARGEST_SHARE)
    texts = {
        (row, column): f"{source_label(source)} → {target}: {cells[target, source]['reason']}"
        for row, target in enumerate(targets)
        for column, source in enumerate(sources)
    }
    with_text = max(shades.shape) <= MAX_CHANGES_WITH_TEXT
    figure, panel = draw_matrix(
        shades,
        targets,
        [source_label(name) for name in sources],
        cell=CHANGE_CELL if with_text else None,
        largest=LARGEST_SHARE,
        texts=texts,
        bar="relative change\nof the current",
    )
    for row, column in np.ndindex(shades.shape):
        cell = cells[targets[row], sources[column]]
        mark = CHANGE_MARKS[cell["verdict"]]
        if with_text:
            number = [number_text(cell["relative_change"])] if np.isfinite(cell["relative_change"]) else []
            write_cell(panel, (row, column), mark, number, CHANGE_CELL[1])
        else:
            panel.text(column, row, mark, ha="center", va="center", fontsize=LABEL_POINTS, color=CELL_INK)
    panel.set_ylabel("to (target)")
    panel.set_xlabel("from (source)", labelpad=8)
    first = rows.iloc[0]
    return Drawing(
        figure,
        f"Matrix of the changes of weights, {title(rows)}",
        f"{title(rows)} ({first['n_trials_a']} against {first['n_trials_b']} training trials): which pathways changed "
        "their weights. ★: changed; =: unchanged; ?: cannot tell. "
        + ("Number and shade" if with_text else "Shade")
        + ": share of the current that changed (0: equal weights, 0.2: halved, 1: nothing in common, 2: the opposite "
        f"sign).{remark}",
    )
