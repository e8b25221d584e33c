"""Diagram of the verdict: regions as circles, pathways between regions as arrows."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch

from curbd.report.drawing import GREY, Dash, Picture, panels, picture, wrapped_label
from curbd.report.findings import between_regions
from curbd.report.reading import ModelResults

MAX_DIAGRAM_REGIONS = 8
CIRCLE_RADIUS = 0.26
GRADE_LINES: dict[str, Dash] = {"resolved": "-", "supported": "--", "cannot_tell": ":"}
"""Grade -> style of the arrow; pathways of other grades are not drawn."""


def diagram(fit: ModelResults, palette: dict[str, str]) -> Picture | None:
    """Draw the pathways for which there may be evidence; the style of an arrow tells the grade.

    Resolved pathways are arrows whose width grows with the share, supported pathways are dashed in the colour of the
    source, and pathways of which nothing can be told are dotted. Pathways without evidence are not drawn.

    Returns None for a single region, and for more regions than `MAX_DIAGRAM_REGIONS`.
    """
    regions = [str(name) for name in fit.tables["regions"]["region"]]
    if not 2 <= len(regions) <= MAX_DIAGRAM_REGIONS:
        return None
    # Two regions are side by side; three or more are on a circle that begins at the top.
    first = np.pi if len(regions) == 2 else np.pi / 2
    angle = first - 2 * np.pi * np.arange(len(regions)) / len(regions)
    position = dict(zip(regions, np.stack([np.cos(angle), np.sin(angle)], axis=1), strict=True))
    spots = np.array(list(position.values()))
    low, high = np.array([-1.75, spots[:, 1].min() - 0.75]), np.array([1.75, spots[:, 1].max() + 0.75])
    width = 3.6
    figure, axes = panels(1, 1, (width, width * (high[1] - low[1]) / (high[0] - low[0]) + 0.3))
    # Matplotlib shortens arrows by a length in points.
    gap = 1.25 * CIRCLE_RADIUS * 72 * width / (high[0] - low[0])
    panel = axes[0, 0]
    for _, row in between_regions(fit.tables["pathways"]).iterrows():
        start, end = position[row["source"]], position[row["target"]]
        if row["grade"] not in GRADE_LINES:
            continue
        resolved, is_graded = row["grade"] == "resolved", row["grade"] != "cannot_tell"
        arrow = FancyArrowPatch(
            (start[0], start[1]),
            (end[0], end[1]),
            connectionstyle="arc3,rad=0.16",
            arrowstyle="-|>",
            mutation_scale=13 if is_graded else 8,
            # The square of the width grows with the variance of the current.
            linewidth=1 + 9 * float(np.sqrt(row["share"])) if resolved else 1.6 if is_graded else 0.9,
            linestyle=GRADE_LINES[row["grade"]],
            color=palette[row["source"]] if is_graded else GREY,
            shrinkA=gap,
            shrinkB=gap,
        )
        panel.add_patch(arrow)
    inside = max(map(len, regions)) <= 3
    for name, (x, y) in position.items():
        panel.add_patch(Circle((x, y), CIRCLE_RADIUS, facecolor=palette[name], edgecolor="none"))
        if inside:
            panel.text(x, y, name, ha="center", va="center", fontsize=11, weight="bold", color="white")
        else:
            above = y > -0.01
            height = y + (CIRCLE_RADIUS + 0.08) * (1 if above else -1)
            panel.text(x, height, wrapped_label(name), ha="center", va="bottom" if above else "top", weight="bold")
    panel.set_xlim(low[0], high[0])
    panel.set_ylim(low[1], high[1])
    panel.set_aspect("equal")
    panel.axis("off")
    legend = [
        Line2D([], [], color=GREY, linewidth=3, label="resolved (width: share)"),
        Line2D([], [], color=GREY, linewidth=1.6, linestyle=GRADE_LINES["supported"], label="supported"),
        Line2D([], [], color=GREY, linewidth=0.9, linestyle=GRADE_LINES["cannot_tell"], label="cannot tell"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=3, fontsize=7.5)
    return picture(figure, "Diagram of the pathways between regions; the table next to it lists the pathways", "")
