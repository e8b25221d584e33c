"""The matrix of the verdicts on all pathways of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from curbd.report.drawing import GRADE_LINES, Drawing, Palette, resolved_first
from curbd.report.matrix import LABEL_POINTS, draw_matrix, names_of_matrix, write_cell
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults
from curbd.report.wording import (
    GRADE_KEY,
    GRADE_WORDS,
    NOT_JUDGED_KEY,
    NOT_JUDGED_MARK,
    meaning_of_estimated,
    number_text,
    pathway_label,
    percent_text,
    source_label,
    with_marks,
)

MAX_NAMES_WITH_SIZES, MAX_NAMES_WITH_SHARES = 9, 16
"""Matrices of more names have no rms and null in their cells, and those of still more names no shares."""
CELL_WITH_SIZES, CELL_WITH_SHARE = (1.15, 0.75), (0.56, 0.42)
"""Width and height of cells in inches."""


def verdicts(fit: ModelResults, palette: Palette) -> Drawing:
    """Draw a matrix of all pathways with their share and grade, and with rms and null where there is room."""
    targets, sources, remark = names_of_matrix(resolved_first(fit.tables["pathways"]), palette)
    pathways = with_marks(fit.tables["pathways"])
    pathways = pathways[pathways["target"].isin(targets) & pathways["source"].isin(sources)]
    share = pathways.pivot_table(index="target", columns="source", values="share")
    share = share.reindex(index=targets, columns=sources)
    n_names = max(len(targets), len(sources))
    with_sizes, with_share = n_names <= MAX_NAMES_WITH_SIZES, n_names <= MAX_NAMES_WITH_SHARES
    cell = CELL_WITH_SIZES if with_sizes else CELL_WITH_SHARE if with_share else None
    rows = {(targets.index(row["target"]), sources.index(row["source"])): row for row in pathways.to_dict("records")}
    largest = _largest_share(share)
    figure, panel = draw_matrix(
        share.to_numpy(float),
        targets,
        [source_label(name) for name in sources],
        cell=cell,
        largest=largest,
        texts={where: _text_under_pointer(row, in_short=cell is None) for where, row in rows.items()},
        bar="" if cell else "share of the current of the target",
    )
    for where, row in rows.items():
        if cell is None:
            _mark_small_cell(panel, where, row)
            continue
        if row["mark"] != NOT_JUDGED_MARK:
            _outline(panel, where, row["grade"])
        details = _sizes(row) if with_sizes else []
        write_cell(panel, where, f"{row['mark']} {percent_text(row['share'])}", details, cell[1])
    panel.set_ylabel("to (target)")
    panel.set_xlabel("from (source)", labelpad=8)
    alt = "; ".join(
        f"{row['source']} to {row['target']}: {row['grade'].replace('_', ' ')}"
        for row in rows.values()
        if cell and row["mark"] != NOT_JUDGED_MARK
    )
    return Drawing(
        figure,
        f"Matrix of verdicts: {alt}" if alt else "Matrix of shares and verdicts",
        "Which source drives which target: the darker the cell, the larger the share of the source in the current of "
        f"the target; cells are darkest from {percent_text(largest)} on. "
        f"{_key(pathways, has_share=cell is not None, has_sizes=with_sizes)}"
        f"{meaning_of_estimated(sources)}{remark}",
    )


def _mark_small_cell(panel: Axes, where: tuple[int, int], row: dict[Any, Any]) -> None:
    """Write the mark alone into a cell without room for numbers; only resolved pathways have an outline."""
    if row["grade"] == "resolved":
        _outline(panel, where, row["grade"])
    if row["grade"] != "no_evidence":
        panel.text(*where[::-1], row["mark"], fontsize=LABEL_POINTS, color=CELL_INK, ha="center", va="center")


def _key(pathways: pd.DataFrame, *, has_share: bool, has_sizes: bool) -> str:
    """What marks, outlines and numbers of the cells mean."""
    key = f"{GRADE_KEY}." + NOT_JUDGED_KEY * bool((pathways["mark"] == NOT_JUDGED_MARK).any())
    if not has_share:
        return f"{key} Cells without a mark: no evidence."
    has_null = bool(pathways["null_rms"].notna().any())
    return (
        f"{key} Outlines as in the diagram: solid if resolved, dashed if supported, dotted if nothing can be told. "
        "Every cell has the share of the current of the target"
        + ", and the rms of the current" * has_sizes
        + " with its null, which is the rms that the fit gives when the trials of the source are shuffled"
        * (has_sizes and has_null)
        + "."
    )


def _largest_share(share: pd.DataFrame) -> float:
    """The share with the darkest shade: the largest of a source on another region, so that small shares differ."""
    others = [share.loc[target, source] for target in share.index for source in share.columns if source != target]
    largest = np.nanmax(others) if len(others) and np.isfinite(others).any() else 1.0
    return float(largest) if largest > 0 else 1.0


def _sizes(row: dict[Any, Any]) -> list[str]:
    null = [f"null {number_text(row['null_rms'])}"] if np.isfinite(row["null_rms"]) else []
    return [f"rms {number_text(row['rms'])}", *null]


def _text_under_pointer(row: dict[Any, Any], *, in_short: bool) -> str:
    """What the page says about a pathway under the pointer; the share alone in matrices of many cells."""
    share = percent_text(row["share"]) if np.isfinite(row["share"]) else ""
    numbers = (
        {"share": share}
        if in_short
        else {
            "share": share,
            "rms": number_text(row["rms"]),
            "null": number_text(row["null_rms"]),
            "q": number_text(row["q_value"]),
        }
    )
    texts = ", ".join(f"{name} {text}" for name, text in numbers.items() if text)
    grade = "not judged" if row["mark"] == NOT_JUDGED_MARK else GRADE_WORDS[row["grade"]]
    return f"{pathway_label(row['source'], row['target'])}: {grade}; {texts}"


def _outline(panel: Axes, where: tuple[int, int], grade: str) -> None:
    """Outline a cell in the style of the arrows of its grade; a hatching would be behind the numbers."""
    if grade in GRADE_LINES:
        corner = (where[1] - 0.45, where[0] - 0.43)
        width = 1.4 if grade == "resolved" else 1.1
        style: dict[str, Any] = {"edgecolor": CELL_INK, "linewidth": width, "linestyle": GRADE_LINES[grade]}
        panel.add_patch(Rectangle(corner, 0.9, 0.86, fill=False, clip_on=False, **style))
