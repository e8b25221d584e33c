"""Picture of the effects of all experiments on all regions: one cell for every effect."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from curbd.report.comparison_sentences import MAX_Q_TO_REPORT
from curbd.report.drawing import INK, Drawing, Palette, in_order
from curbd.report.matrix import MAX_MATRIX_NAMES, draw_matrix, text_inches, write_cell
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults
from curbd.report.region_effects import effects, effects_in_hz
from curbd.report.wording import number_text

SUPPORTED_SIGN = "✓"
"""Sign of a supported effect where cells are too many for text."""
MAX_EXPERIMENTS_WITH_TEXT, MAX_REGIONS_WITH_TEXT = 16, 6
"""Matrices with more rows or columns have no text in their cells."""
CELL_WIDTH_INCHES, ROOM_AROUND_TEXT_INCHES = 1.75, 0.35
"""Width of a cell with text, and what is free above and below the text of the fullest cell."""


class _Matrix(NamedTuple):
    """What the matrix of effects shows.

    Attributes
    ----------
    rows : rows of the table ``inactivations`` about regions, with ``square``, the squared size of the effect, and
        ``own``, whether the experiment acts on all units of the region.
    perturbations, targets : names of the rows and of the columns of the matrix.
    cells : (perturbation, target) -> the rows of this effect, one for each condition.
    in_hz : (perturbation, target) -> the mean effect in Hz as text; empty if the recording is not in Hz.
    remark : sentence for the caption about what is left out; '' if all effects are shown.
    """

    rows: pd.DataFrame
    perturbations: list[str]
    targets: list[str]
    cells: dict[tuple[str, str], pd.DataFrame]
    in_hz: dict[tuple[str, str], str]
    remark: str

    @property
    def has_text(self) -> bool:
        """Return whether the cells are few enough for text in them."""
        return len(self.perturbations) <= MAX_EXPERIMENTS_WITH_TEXT and len(self.targets) <= MAX_REGIONS_WITH_TEXT

    def place(self, perturbation: str, target: str) -> tuple[int, int]:
        """Return the row and the column of an effect."""
        return self.perturbations.index(perturbation), self.targets.index(target)


def matrix(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw a matrix of the effects of all perturbations on all regions, over all conditions."""
    rows = effects(fit)
    if rows.empty:
        return None
    shown = _matrix(fit, rows, palette)
    lines = {key: _lines(cell, shown.in_hz.get(key, "")) for key, cell in shown.cells.items()}
    alt = [f"{p} on {t}: {number_text(_size(cell))}" for (p, t), cell in shown.cells.items()]
    return Drawing(
        _drawn(shown, lines),
        "Matrix of effects" + (": " + "; ".join(alt) if shown.has_text else ""),
        _caption(fit, shown),
    )


def _matrix(fit: ModelResults, rows: pd.DataFrame, palette: Palette) -> _Matrix:
    """Choose what the matrix shows of the effects on regions."""
    rows = rows.assign(square=rows["size"] ** 2, own=rows["perturbed_share"] == 1)
    perturbations, targets, remark = _shown(rows, palette)
    cells = {
        (str(perturbation), str(target)): cell
        for (perturbation, target), cell in rows.groupby(["perturbation", "target"])
        if perturbation in perturbations and target in targets
    }
    return _Matrix(rows, perturbations, targets, cells, effects_in_hz(fit), remark)


def _size(cell: pd.DataFrame) -> float:
    """The rms of an effect over all conditions."""
    return float(np.sqrt(cell["square"].mean()))


def _is_supported(cell: pd.DataFrame) -> bool:
    """Whether an effect is supported in all conditions."""
    return bool((cell["verdict"] == "supported").all())


def _is_own(cell: pd.DataFrame) -> bool:
    """Whether the experiment acts on the whole region itself."""
    return bool(cell["own"].any())


def _drawn(shown: _Matrix, lines: dict[tuple[str, str], list[str]]) -> Figure:
    """Draw the matrix; the lines of a cell are its text, or the text under the pointer."""
    sizes = np.full((len(shown.perturbations), len(shown.targets)), np.nan)
    for key, cell in shown.cells.items():
        if not _is_own(cell):
            sizes[shown.place(*key)] = _size(cell)
    height = text_inches(max(map(len, lines.values())) - 1) + ROOM_AROUND_TEXT_INCHES
    figure, panel = draw_matrix(
        sizes,
        shown.perturbations,
        shown.targets,
        cell=(CELL_WIDTH_INCHES, height) if shown.has_text else None,
        largest=float(np.nanmax(sizes, initial=0)),
        texts={
            shown.place(perturbation, target): f"{perturbation} on {target}: " + ", ".join(of_cell)
            for (perturbation, target), of_cell in lines.items()
        },
        bar="" if shown.has_text else "effect, rms of scaled rates",
    )
    panel.set_facecolor("#EEEEEE")
    if shown.has_text:
        for key, (first, *details) in lines.items():
            colour = INK if _is_own(shown.cells[key]) else CELL_INK
            write_cell(panel, shown.place(*key), first, details, height, colour)
    else:
        for key, cell in shown.cells.items():
            if _is_supported(cell):
                row, column = shown.place(*key)
                panel.text(column, row, SUPPORTED_SIGN, ha="center", va="center", fontsize=7, color=CELL_INK)
    panel.set_xlabel("effect on", labelpad=8)
    panel.set_ylabel("experiment")
    return figure


def _caption(fit: ModelResults, shown: _Matrix) -> str:
    """Explain what the shades and the text of the cells are; a sentence about text is left out if there is none."""
    rows, has_text = shown.rows, shown.has_text
    is_tested, several = bool(rows["q_value"].notna().any()), len(rows["condition"].unique()) > 1
    text = (
        "Predicted effect of every experiment (rows) on the rates of every region (columns): rms of the perturbed minus"
        " the intact simulation in scaled rates"
    )
    if fit.has_posterior:
        text += ", as expected under the posterior (expected_rms in inactivations.csv)"
    else:
        text += " (effect_rms in inactivations.csv)"
    if has_text and shown.in_hz:
        text += ", and below it the mean over the units in Hz and in percent of their rate in the intact simulation"
    elif has_text:
        text += ", and below it the mean" + f" with its {fit.interval_label}" * bool(rows["ci_low"].notna().any())
    text += "."
    if not has_text and rows["verdict"].isin(["supported", "unsupported"]).any():
        text += (
            f" {SUPPORTED_SIGN}: supported, because resolved or supported pathways lead from the perturbation to the"
            " region, and most of the squared effect is expected to be true."
        )
    if is_tested and has_text:
        star = f"; ★: q ≤ {MAX_Q_TO_REPORT:g}"
        text += (
            " q compares the effect with that of the same perturbation of random groups of as many units, corrected for"
            f" the number of effects{star}."
        )
    if rows["own"].any():
        text += " Cells are grey where the experiment acts on the whole region itself."
    if has_text and (rows["verdict"] == "unsupported").any():
        text += (
            " “Not supported” means that no resolved or supported pathways lead from the perturbation to the region, or"
            " that less than 60 % of the squared effect is expected to be true."
        )
    if has_text and _has_truth(rows):
        text += (
            " R² over time: share of the squared effect in the true network, over units, trials and time, that is"
            " predicted."
        )
    if has_text and several and is_tested:
        text += (
            " Where the conditions differ, the range over conditions is given; inactivations.csv has every condition."
        )
    return text + shown.remark


def _has_truth(rows: pd.DataFrame) -> bool:
    return "true_r2" in rows and bool(rows["true_r2"].notna().any())


def _lines(cell: pd.DataFrame, in_hz: str) -> list[str]:
    """The size of an effect, then the effect in Hz or its mean, and its test, as lines of a cell."""
    own = _is_own(cell)
    star = " ★" if not own and (cell["q_value"] <= MAX_Q_TO_REPORT).all() else ""
    lines = [f"{number_text(_size(cell))}{star}"] + (["itself"] if own else [])
    if in_hz:
        lines.append(in_hz)
    elif not own:
        lines.append(f"mean {number_text(float(cell['shift'].mean()))}")
        if cell["ci_low"].notna().all():
            # One interval for all conditions: from the lowest lower end to the highest upper end.
            lines.append(f"[{number_text(float(cell['ci_low'].min()))}, {number_text(float(cell['ci_high'].max()))}]")
    if cell["q_value"].notna().any() and not own:
        lines.append(f"q {_range(cell['q_value'])}")
    if (cell["verdict"] == "unsupported").all():
        lines.append("not supported")
    elif _is_supported(cell):
        lines.append("supported")
    if _has_truth(cell):
        lines.append(f"R² over time {_range(cell['true_r2'])}")
    return lines


def _shown(rows: pd.DataFrame, palette: Palette) -> tuple[list[str], list[str], str]:
    """The perturbations and targets of the matrix, and a remark on those that are left out.

    If there are too many for legible labels, supported effects come first, then the largest.
    """
    perturbations, targets = list(rows["perturbation"].unique()), in_order(rows["target"], palette)
    if max(len(perturbations), len(targets)) <= MAX_MATRIX_NAMES:
        return perturbations, targets, ""
    best = rows[~rows["own"]].assign(unsupported=rows["verdict"] != "supported")
    best = best.sort_values(["unsupported", "size"], ascending=[True, False], kind="stable")
    strong, moved = (set(best[column].unique()[:MAX_MATRIX_NAMES]) for column in ("perturbation", "target"))
    remark = (
        f" {len(strong)} of {len(perturbations)} experiments and {len(moved)} of {len(targets)} regions are shown, "
        "those of supported and of large effects; inactivations.csv has all."
    )
    return [name for name in perturbations if name in strong], [name for name in targets if name in moved], remark


def _range(values: pd.Series[float]) -> str:
    """The smallest and the largest value as text; one number where both have the same digits."""
    low, high = number_text(float(values.min())), number_text(float(values.max()))
    return low if low == high else f"{low} to {high}"
