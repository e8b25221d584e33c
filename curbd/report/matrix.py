"""Matrices of shaded cells, such as all pathways by target and source, in which every label and number can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from curbd.report.drawing import PAGE_WIDTH_INCHES, Palette, hover, in_order, panels, sources_in_order, wrapped_label
from curbd.report.page_colours import CELL_INK
from curbd.report.wording import number_text

BELOW_ZERO = "#EDEDED"
"""Shade of negative numbers, of which only the sign is shown."""
SHADES: Colormap = LinearSegmentedColormap.from_list(
    "shades", ["#FCFDFE", "#DCEAF3", "#AFCFE4", "#82B7D9"]
).with_extremes(under=BELOW_ZERO)
"""White to blue, light enough for small dark text in every cell."""
MAX_MATRIX_NAMES = 40
"""Matrices of more regions and inputs show those with the best evidence, because labels would be too small to read."""
CELL_SIDES_INCHES = (0.2, 0.45)
"""Smallest and largest side of cells without text."""
MARGIN_INCHES = (1.6, 0.9)
"""Width and height of the labels of a matrix."""
HEADING_POINTS, DETAIL_POINTS, LABEL_POINTS = 9.5, 7.5, 7.0
"""Sizes of the text in cells, and of labels beside cells without text; 7 points are 9 pixels on the page."""
LINE_SPACING = 1.25
LETTER_WIDTH = 0.62
"""Width of a letter of a label, as a share of its size."""
MAX_LETTERS = 24
"""Longer names of rows and columns are cut."""
MAX_CELLS_WITH_GAP = 400
"""Cells of larger matrices touch."""
Size = tuple[float, float]


def names_of_matrix(
    rows: pd.DataFrame, palette: Palette, limit: int = MAX_MATRIX_NAMES
) -> tuple[list[str], list[str], str]:
    """Choose the targets and sources of a matrix of pathways.

    Parameters
    ----------
    rows : a table with the columns ``target`` and ``source``, the pathways that a reader most wants to see first.
    palette : region -> colour, in the order of figures.
    limit : largest number of names.

    Returns
    -------
    targets, sources : names in the order of figures; if there are too many, those of the first pathways between two.
    remark : sentence for the caption about what is left out; '' if all names are shown.
    """
    names = dict.fromkeys([*rows["target"], *rows["source"]])
    shown, remark = set(names), ""
    if len(names) > limit:
        between = rows[rows["source"] != rows["target"]]
        shown = set(list(dict.fromkeys(between[["source", "target"]].to_numpy().ravel()))[:limit])
        remark = (
            f" {len(shown)} of {len(names)} regions and other sources are shown, those of the pathways with the best "
            "evidence or the largest values; with regions=[...], the line of code draws any others."
        )
    chosen = rows[rows["target"].isin(shown) & rows["source"].isin(shown)]
    return in_order(chosen["target"], palette), sources_in_order(chosen["source"], palette), remark


def draw_matrix(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    cell: Size | None,
    largest: float,
    texts: Mapping[tuple[int, int], str] | None = None,
    bar: str = "",
) -> tuple[Figure, Axes]:
    """Draw a figure of one matrix of shaded cells.

    Parameters
    ----------
    values : (row, column) numbers from 0 to ``largest``; negative numbers are grey, and cells with NaN are empty.
    rows, columns : names of the rows and columns.
    cell : width and height of a cell with text in inches; None for squares without text.
    largest : number with the darkest shade.
    texts : (row, column) -> text under the pointer; by default the number.
    bar : label of the colour bar; '' for a matrix without one.

    Returns
    -------
    The figure and its panel.
    """
    n_rows, n_columns = values.shape
    if cell is None:
        side = float(np.clip((PAGE_WIDTH_INCHES - 2) / max(n_rows, n_columns), *CELL_SIDES_INCHES))
        size = (side * n_columns + MARGIN_INCHES[0] + 0.4, side * n_rows + MARGIN_INCHES[1] + 0.7)
        names = [_shortened(name) for name in rows], [_shortened(name) for name in columns]
    else:
        size = (max(4.0, cell[0] * n_columns + MARGIN_INCHES[0]), cell[1] * n_rows + MARGIN_INCHES[1])
        width = (min(size[0], PAGE_WIDTH_INCHES) - MARGIN_INCHES[0]) / n_columns
        letters = max(6, int(72 * width / (LETTER_WIDTH * 8)))
        names = [wrapped_label(name, MAX_LETTERS) for name in rows], [wrapped_label(name, letters) for name in columns]
    figure, axes = panels(1, 1, size)
    panel = axes[0, 0]
    shades = matrix_cells(panel, values, *names, largest, texts)
    if cell is None:
        panel.tick_params(labelsize=LABEL_POINTS)
        panel.tick_params(axis="x", rotation=90)
    if bar:
        figure.colorbar(shades, ax=panel, label=bar, shrink=0.6)
    return figure, panel


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_LETTERS else f"{name[: MAX_LETTERS - 1]}…"


def matrix_cells(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    largest: float,
    texts: Mapping[tuple[int, int], str] | None = None,
) -> ScalarMappable:
    """Draw a matrix as shaded cells.

    Parameters
    ----------
    axes : the panel.
    values : (row, column) numbers from 0 to ``largest``; negative numbers are grey, and cells with NaN are empty.
    rows, columns : names of the rows and columns.
    largest : number with the darkest shade.
    texts : (row, column) -> text under the pointer; by default the number.

    Returns
    -------
    The shades, for a colour bar.
    """
    shades = ScalarMappable(Normalize(0, largest or 1.0), SHADES)
    gap = 0.06 if values.size <= MAX_CELLS_WITH_GAP else 0.0
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            corner = (column - 0.5 + gap / 2, row - 0.5 + gap / 2)
            cell = Rectangle(corner, 1 - gap, 1 - gap, facecolor=shades.to_rgba(value), edgecolor="none")
            cell.set_clip_on(False)
            names = f"{rows[row]}, {columns[column]}".replace("\n", " ")
            hover(cell, (texts or {}).get((row, column), f"{names}: {number_text(float(value), 3)}"))
            axes.add_patch(cell)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return shades


def text_inches(n_details: int) -> float:
    """Return the height of a heading with smaller lines below it in inches."""
    return LINE_SPACING * (HEADING_POINTS + DETAIL_POINTS * n_details) / 72


def write_cell(
    panel: Axes, where: tuple[int, int], heading: str, details: Sequence[str], height: float, colour: str = CELL_INK
) -> None:
    """Write a heading and smaller lines below it into the middle of a cell.

    Parameters
    ----------
    panel : the panel of the matrix.
    where : row and column of the cell.
    heading : the first line.
    details : the other lines.
    height : height of a cell in inches.
    colour : colour of the text.
    """
    row, column = where
    top = row - text_inches(len(details)) / height / 2
    style: dict[str, Any] = {"ha": "center", "va": "top", "color": colour}
    panel.text(column, top, heading, fontsize=HEADING_POINTS, **style)
    if details:
        text = "\n".join(details)
        panel.text(
            column, top + text_inches(0) / height, text, fontsize=DETAIL_POINTS, linespacing=LINE_SPACING, **style
        )
