"""Diagram of the verdict: regions as circles, pathways between regions as arrows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch

from curbd.report.drawing import GRADE_LINES, GREY, Drawing, Palette, hover, in_order, panels, wrapped_label
from curbd.report.findings import between_regions
from curbd.report.reading import ModelResults
from curbd.report.wording import GRADE_WORDS, counted, percent_text

MAX_DIAGRAM_REGIONS = 24
MAX_ARROWS = 30
"""Largest number of arrows, those with the best evidence."""
MIN_SIDEWAYS = 0.3
"""Regions further to the side of the circle have their name on that side."""
GRADE_SIGNS = {
    "resolved": (3.0, "resolved (width: share)"),
    "supported": (1.6, "supported"),
    "cannot_tell": (0.9, "cannot tell"),
}
"""Grade -> width and label of its line in the legend."""
CIRCLE_RADIUS = 0.26
CIRCLE_SHARE = 0.55
"""Largest share of the way between neighbours that their circles take; the rest is for an arrow."""
GAP_POINTS = 5.0
"""Distance of an arrow from the circles of its regions."""
MANY_REGIONS = 8
"""Arrows between more regions are thinner, because the regions are closer together."""


def diagram(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the pathways for which there may be evidence; the style of an arrow tells the grade.

    Resolved pathways are arrows whose width grows with the share, supported pathways are dashed in the colour of the
    source, and pathways of which nothing can be told are dotted. Pathways without evidence are not drawn.

    Returns None for a single region, and for more regions than `MAX_DIAGRAM_REGIONS`.
    """
    regions = in_order(fit.tables["regions"]["region"], palette)
    if not 2 <= len(regions) <= MAX_DIAGRAM_REGIONS:
        return None
    spots = _spots(len(regions))
    position = dict(zip(regions, spots, strict=True))
    radius = min(CIRCLE_RADIUS, CIRCLE_SHARE * float(np.sin(np.pi / len(regions))))
    thinner = min(1.0, float(np.sqrt(MANY_REGIONS / len(regions))))
    margin = 0.75 if len(regions) <= 4 else 0.45
    low, high = np.array([-1.85, spots[:, 1].min() - margin]), np.array([1.85, spots[:, 1].max() + margin])
    width = 3.8 if len(regions) <= 4 else 5.5 if len(regions) <= MANY_REGIONS else 7.0
    figure, axes = panels(1, 1, (width, width * (high[1] - low[1]) / (high[0] - low[0]) + 0.3))
    panel = axes[0, 0]
    pathways = between_regions(fit.tables["pathways"])
    graded = pathways[pathways["grade"].isin(list(GRADE_LINES))].sort_values("grade_rank", kind="stable")
    # A pathway of rank 0 sends no current, whatever its grade.
    drawable = graded[~(graded["rank"] == 0).fillna(False).astype(bool)] if "rank" in graded else graded
    # Above the arrows, so that no arrow hides a region on its way.
    look = {"edgecolor": "none", "zorder": 2}
    circles = {name: Circle(spot, radius, facecolor=palette[name], **look) for name, spot in position.items()}
    for circle in circles.values():
        panel.add_patch(circle)
    for row in drawable.head(MAX_ARROWS).to_dict("records"):
        panel.add_patch(_arrow(row, circles[row["source"]], circles[row["target"]], thinner, palette))
    inside = max(map(len, regions)) <= 3 and len(regions) <= 6
    for name, (x, y) in position.items():
        if inside:
            panel.text(x, y, name, ha="center", va="center", fontsize=11, weight="bold", color="#FEFEFE")
        else:
            _name_outside(panel, name, x, y, radius)
    panel.set_xlim(low[0], high[0])
    panel.set_ylim(low[1], high[1])
    panel.set_aspect("equal")
    panel.axis("off")
    legend = [
        Line2D([], [], color=GREY, linewidth=width, linestyle=GRADE_LINES[grade], label=label)
        for grade, (width, label) in GRADE_SIGNS.items()
        if (drawable["grade"] == grade).any()
    ]
    if legend:
        figure.legend(handles=legend, loc="outside lower center", ncols=3, fontsize=7.5)
    return Drawing(
        figure,
        "Diagram of the pathways between regions; the table of pathways lists them",
        _what_is_drawn(len(pathways), len(graded), len(drawable)),
    )


def _spots(n_regions: int) -> np.ndarray:
    """(region, 2) places of the regions: two side by side, three or more on a circle that begins at the top."""
    first = np.pi if n_regions == 2 else np.pi / 2
    angle = first - 2 * np.pi * np.arange(n_regions) / n_regions
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _what_is_drawn(n_pathways: int, n_graded: int, n_drawable: int) -> str:
    """Which of all pathways between regions the diagram shows: of those with a grade, those that send a current."""
    if not n_drawable:
        return "No pathway is drawn, because there is no evidence for any pathway between regions."
    return (
        f"{min(MAX_ARROWS, n_drawable)} of {counted(n_pathways, 'pathway')} between regions are drawn"
        + ", those with the best evidence" * (n_drawable > MAX_ARROWS)
        + "."
        + " Pathways without evidence are not drawn." * (n_graded < n_pathways)
        + " Pathways without a current (rank 0) are not drawn." * (n_drawable < n_graded)
    )


def _arrow(row: dict[Hashable, Any], source: Circle, target: Circle, thinner: float, palette: Palette) -> Artist:
    """An arrow from the circle of a source to that of a target, whose style tells the grade.

    ``thinner`` is a factor of its width and of its distance from the circles.
    """
    resolved, is_graded = row["grade"] == "resolved", row["grade"] != "cannot_tell"
    arrow = FancyArrowPatch(
        source.center,
        target.center,
        patchA=source,
        patchB=target,
        connectionstyle="arc3,rad=0.16",
        arrowstyle="-|>",
        mutation_scale=(13 if is_graded else 8) * thinner,
        # The square of the width grows with the variance of the current.
        linewidth=(1 + 9 * float(np.sqrt(row["share"])) if resolved else 1.6 if is_graded else 0.9) * thinner,
        linestyle=GRADE_LINES[row["grade"]],
        color=palette[row["source"]] if is_graded else GREY,
        shrinkA=GAP_POINTS * thinner,
        shrinkB=GAP_POINTS * thinner,
    )
    hover(arrow, f"{row['source']} → {row['target']}: {GRADE_WORDS[row['grade']]}, share {percent_text(row['share'])}")
    return arrow


def _name_outside(panel: Axes, name: str, x: float, y: float, radius: float) -> None:
    """Write the name of a region beside its circle, away from the middle of the diagram."""
    reach = 1 + radius + 0.08
    sideways = abs(x) > MIN_SIDEWAYS
    horizontal = ("left" if x > 0 else "right") if sideways else "center"
    vertical = "center" if sideways else "bottom" if y > -0.01 else "top"
    panel.text(x * reach, y * reach, wrapped_label(name, 12), ha=horizontal, va=vertical, weight="bold", fontsize=8.5)
