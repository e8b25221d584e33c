"""The verdict at a glance: regions as circles, the currents between them as arrows."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch

from curbd.report.drawing import FAINT, Picture, panels, picture, wrapped
from curbd.report.findings import between_regions
from curbd.report.reading import Fitted

MOST_REGIONS = 8
RADIUS = 0.26


def diagram(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """Resolved pathways as arrows whose width grows with the share, unresolved ones dotted and thin."""
    regions = [str(name) for name in fit.tables["regions"]["region"]]
    if not 2 <= len(regions) <= MOST_REGIONS:
        return None
    # Two regions stand side by side, more of them on a circle from the top.
    first = np.pi if len(regions) == 2 else np.pi / 2
    angle = first - 2 * np.pi * np.arange(len(regions)) / len(regions)
    place = dict(zip(regions, np.stack([np.cos(angle), np.sin(angle)], axis=1), strict=True))
    spots = np.array(list(place.values()))
    low, high = np.array([-1.75, spots[:, 1].min() - 0.75]), np.array([1.75, spots[:, 1].max() + 0.75])
    width = 3.6
    figure, axes = panels(1, 1, (width, width * (high[1] - low[1]) / (high[0] - low[0]) + 0.3))
    # Circle and gap in points, the unit of an arrow's shrinking.
    gap = 1.25 * RADIUS * 72 * width / (high[0] - low[0])
    panel = axes[0, 0]
    for _, row in between_regions(fit.tables["pathways"]).iterrows():
        start, end = place[row["source"]], place[row["target"]]
        resolved = row["verdict"] == "resolved"
        arrow = FancyArrowPatch(
            (start[0], start[1]),
            (end[0], end[1]),
            connectionstyle="arc3,rad=0.16",
            arrowstyle="-|>",
            mutation_scale=13 if resolved else 8,
            # Area of the arrow grows with the variance of the current that it stands for.
            linewidth=1 + 9 * float(np.sqrt(row["share"])) if resolved else 0.9,
            linestyle="-" if resolved else (0, (2, 2)),
            color=palette[row["source"]] if resolved else FAINT,
            shrinkA=gap,
            shrinkB=gap,
        )
        panel.add_patch(arrow)
    inside = max(map(len, regions)) <= 3
    for name, (x, y) in place.items():
        panel.add_patch(Circle((x, y), RADIUS, facecolor=palette[name], edgecolor="none"))
        if inside:
            panel.text(x, y, name, ha="center", va="center", fontsize=11, weight="bold", color="white")
        else:
            above = y > -0.01
            height = y + (RADIUS + 0.08) * (1 if above else -1)
            panel.text(x, height, wrapped(name), ha="center", va="bottom" if above else "top", weight="bold")
    panel.set_xlim(low[0], high[0])
    panel.set_ylim(low[1], high[1])
    panel.set_aspect("equal")
    panel.axis("off")
    legend = [
        Line2D([], [], color=FAINT, linewidth=3, label="resolved, width by share"),
        Line2D([], [], color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), label="unresolved"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, fontsize=7.5)
    return picture(figure, "Diagram of the pathways between regions; the table beside it says the same", "")
