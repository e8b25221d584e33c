"""Diagram of the attractors of a fit and of the transitions between them that inputs cause."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from curbd.report.drawing import (
    GREY,
    INK,
    LINE_STYLES,
    REGION_COLOURS,
    Dash,
    Drawing,
    Palette,
    hover,
    legend_below,
    panels,
)
from curbd.report.reading import ModelResults
from curbd.report.wording import percent_text

MAX_NODES = 24
"""Graphs with more nodes are not drawn."""
NODE_MARKS = {
    "stable_fixed_point": ("o", True, "stable point"),
    "stable_limit_cycle": ("o", False, "stable cycle"),
    "saddle_fixed_point": ("D", False, "saddle"),
    "unstable_fixed_point": ("s", False, "unstable point"),
    "elsewhere": ("X", False, "none of these"),
}
"""Kind of a node -> its mark, whether the mark is filled, and its name in the legend."""
NODE_POINTS = 22
"""Size of the mark of a node, in points."""
LEGEND_POINTS = 9
"""Size of the mark of a node in the legend, in points."""
AUTONOMOUS_CAUSE = "autonomous"
"""Cause of the transitions that need no input."""


def graph(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the graph of attractors of the first fit: a mark by kind for every node, an arrow by input for every edge.

    Returns None without transitions, and for graphs of more than `MAX_NODES` nodes.
    """
    rows = fit.tables["transitions"]
    if rows.empty:
        return None
    rows = rows[rows["seed"] == rows["seed"].iloc[0]]
    nodes = sorted({*rows["start"], *rows["end"]})
    if len(nodes) > MAX_NODES:
        return None
    position = _positions(nodes, rows)
    leading = rows[rows["changes"]]
    styles = _styles(leading["cause"])
    span = np.ptp(np.array(list(position.values())), axis=0)
    figure, axes = panels(1, 1, (4.2 + 0.9 * min(len(nodes), 6), 2.0 + (0.7 * min(len(nodes), 6)) * (span[1] > 0.3)))
    panel = axes[0, 0]
    for (start, end), of_pair in leading.groupby(["start", "end"], sort=True):
        for number, row in enumerate(of_pair.to_dict("records")):
            arrow = _arrow(position[start], position[end], row["share"], number, *styles[row["cause"]])
            meaning = f"{_cause_label(row['cause'])}, {percent_text(row['share'])} of simulations"
            hover(arrow, f"{start} → {end}: {meaning}".replace("_", " "))
            panel.add_patch(arrow)
    for name in nodes:
        _node(panel, name, position[name])
    panel.margins(0.22)
    panel.set_aspect("equal", "datalim")
    panel.axis("off")
    kinds = dict.fromkeys(map(_kind, nodes))
    legend = [_mark(kind, LEGEND_POINTS) for kind in kinds]
    legend += [
        Line2D([], [], color=colour, linestyle=dash, label=_cause_label(cause))
        for cause, (colour, dash) in styles.items()
    ]
    legend_below(figure, legend)
    staying = int((~rows["changes"] & (rows["cause"] != AUTONOMOUS_CAUSE)).sum())
    return Drawing(
        figure,
        "Graph of attractors; the table of transitions lists its edges",
        "Attractors and unstable points without input, and where pulses of the inputs lead from each attractor. "
        f"Pulses that lead back to the same attractor ({staying}) are not drawn. Pulses have the median size and "
        "length of those in the recording. attractors.graphml and attractors.json hold the graph.",
    )


def _positions(nodes: list[str], rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Place (2,) of every node, so that nodes with transitions between them are near each other."""
    undirected = nx.Graph()
    undirected.add_nodes_from(nodes)
    undirected.add_edges_from(rows.loc[rows["changes"], ["start", "end"]].itertuples(index=False, name=None))
    if len(nodes) == 1:
        return {nodes[0]: np.zeros(2)}
    # Nodes without any transition to another have no distance from them: all are then on a circle.
    layout = nx.kamada_kawai_layout if nx.is_connected(undirected) else nx.circular_layout
    return {str(name): np.asarray(place) for name, place in layout(undirected).items()}


def _styles(causes: pd.Series) -> dict[str, tuple[str, Dash]]:
    """Colour and dash of every cause; without input, arrows are grey."""
    names = sorted(set(causes) - {AUTONOMOUS_CAUSE})
    styles = dict(zip(names, zip(cycle(REGION_COLOURS), cycle(LINE_STYLES), strict=False), strict=False))
    return styles | ({AUTONOMOUS_CAUSE: (GREY, ":")} if AUTONOMOUS_CAUSE in set(causes) else {})


def _arrow(start: np.ndarray, end: np.ndarray, share: float, number: int, colour: str, dash: Dash) -> FancyArrowPatch:
    """An arrow for one transition; further transitions between the same nodes are bent more."""
    return FancyArrowPatch(
        (start[0], start[1]),
        (end[0], end[1]),
        connectionstyle=f"arc3,rad={0.14 + 0.16 * number}",
        arrowstyle="-|>",
        mutation_scale=13,
        linewidth=0.8 + share,
        linestyle=dash,
        color=colour,
        shrinkA=NODE_POINTS / 2 + 3,
        shrinkB=NODE_POINTS / 2 + 3,
    )


def _node(panel: Axes, name: str, place: np.ndarray) -> None:
    mark = _mark(_kind(name), NODE_POINTS)
    mark.set_data([place[0]], [place[1]])
    hover(mark, name.replace("_", " "))
    panel.add_line(mark)
    number = name.rpartition("_")[2]
    if number.isdigit():
        style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 8.5}
        panel.annotate(number, (place[0], place[1]), (0, NODE_POINTS / 2 + 3), **style)


def _mark(kind: str, points: float) -> Line2D:
    """The mark of a kind of node; a stable cycle is a ring."""
    marker, is_filled, label = NODE_MARKS[kind]
    return Line2D(
        [],
        [],
        marker=marker,
        markersize=points * (0.75 if marker == "D" else 1.0),
        markeredgewidth=points / 6 if kind == "stable_limit_cycle" else 1.2,
        markeredgecolor=INK,
        markerfacecolor=INK if is_filled else "none",
        linewidth=0,
        label=label,
    )


def _kind(name: str) -> str:
    """Kind of a node from its name, such as ``saddle_fixed_point_1``; unstable cycles are drawn as unstable points."""
    kind = name.rpartition("_")[0] if name.rpartition("_")[2].isdigit() else name
    return kind if kind in NODE_MARKS else "unstable_fixed_point"


def _cause_label(cause: str) -> str:
    return "without input" if cause == AUTONOMOUS_CAUSE else cause.replace("-", "−")
