"""The graph of attractors is drawn with every node, and with every transition that leads to another node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
from matplotlib.patches import FancyArrowPatch

from curbd.report.attractor_figure import MAX_NODES, graph
from curbd.report.reading import ModelResults


def fit_with(edges: list[tuple[str, str, str]], seed: int = 0) -> ModelResults:
    """Results with the transitions (start, cause, end) of two fits, of which the second has none of them."""
    rows: list[dict[str, Any]] = [
        {"seed": seed, "start": start, "cause": cause, "end": end, "share": 1.0, "changes": start != end}
        for start, cause, end in edges
    ]
    second = {"seed": seed + 1, "start": "x_1", "cause": "y", "end": "z_1", "share": 1.0, "changes": True}
    return cast(ModelResults, SimpleNamespace(tables={"transitions": pd.DataFrame([*rows, second])}))


def test_nodes_arrows_and_legend() -> None:
    a, b, saddle = "stable_fixed_point_1", "stable_limit_cycle_1", "saddle_fixed_point_1"
    edges = [(a, "bit+", b), (a, "bit-", a), (b, "bit-", a), (b, "bit+", "elsewhere")]
    drawing = graph(fit_with([*edges, (saddle, "autonomous", a), (saddle, "autonomous", b)]), {})
    assert drawing is not None
    [panel] = drawing.figure.axes
    assert len(panel.lines) == 4
    assert sum(isinstance(patch, FancyArrowPatch) for patch in panel.patches) == 5
    legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    names = {"stable point", "stable cycle", "saddle", "none of these", "bit+", "bit−", "without input"}
    assert set(legend) == names
    assert "the same attractor (1)" in drawing.caption


def test_no_transitions_and_too_many_nodes_are_not_drawn() -> None:
    empty = cast(ModelResults, SimpleNamespace(tables={"transitions": pd.DataFrame(columns=["seed"])}))
    assert graph(empty, {}) is None
    many = [(f"stable_fixed_point_{k}", "bit+", f"stable_fixed_point_{k + 1}") for k in range(MAX_NODES + 1)]
    assert graph(fit_with(many), {}) is None
