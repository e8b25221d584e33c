"""Pictures of the mechanism of low-rank networks: vector field, fixed points, populations, ranks of blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from curbd.report.drawing import (
    INK,
    LINE_STYLES,
    REGION_COLOURS,
    Dash,
    Drawing,
    Palette,
    legend_below,
    legend_marker,
    panels,
    resolved_first,
    wrapped_label,
    zero_line,
)
from curbd.report.matrix import draw_matrix, names_of_matrix, write_cell
from curbd.report.reading import ModelResults
from curbd.report.recording_figures import most_frequent

MAX_FIELD_PANELS = 3
MAX_LOADING_PANELS = 3
MAX_FIELD_TRIALS = 3
MAX_FIELD_ARROWS = 13
"""Largest number of arrows of a vector field in a row."""
MAX_RANKS_WITH_TEXT = 16
"""Matrices with more rows or columns have their numbers under the pointer."""
RANK_CELL = (0.56, 0.5)
"""Width and height of a cell with a rank in inches."""
STABILITY_FACES = {"stable": INK, "saddle": "#BFC7CC", "unstable": "white"}
"""Fill colour of a fixed point by its stability."""
Looks = dict[str, tuple[str, Dash]]
Paths = dict[str, dict[int, pd.DataFrame]]
"""Condition -> latent -> position (time, trial)."""


def landscape(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the vector field of the first two latents at constant inputs, with fixed points, cycles and trajectories."""
    field = fit.tables["field"]
    if field.empty:
        return None
    inputs = list(dict.fromkeys(field["input"]))
    conditions = most_frequent(fit.recording["condition"].values.astype(str), len(LINE_STYLES))
    looks: Looks = dict(zip(conditions, zip(REGION_COLOURS, LINE_STYLES, strict=False), strict=False))
    # The order of the panels: no input, then mean inputs of conditions, then single inputs.
    preferred = ["none", *(f"condition:{name}" for name in conditions), *inputs]
    shown = list(dict.fromkeys(name for name in preferred if name in inputs))[:MAX_FIELD_PANELS]
    points = fit.of_first_seed("dynamics")
    paths = {name: _positions(fit, name) for name in looks}
    plane = bool(field["position_2"].notna().any())
    figure, axes = panels(1, len(shown), (3.4 * len(shown) if plane else 3.2 * len(shown), 3.4), share_y="all")
    for panel, name in zip(axes[0], shown, strict=True):
        of_field = field[field["input"] == name]
        of_input = points[points["input"] == name]
        if plane:
            _plane(panel, of_field, of_input, paths, looks)
        else:
            _line(panel, of_field, of_input, paths, looks)
        panel.set_title(wrapped_label(_input_text(name), 30))
        panel.set_xlabel("position along latent 1")
    axes[0, 0].set_ylabel("position along latent 2" if plane else "τ dz/dt")
    present = set(points.loc[(points["type"] == "fixed_point") & points["input"].isin(shown), "stability"])
    legend = [
        legend_marker("o", f"{kind} point", color=INK, markerfacecolor=face)
        for kind, face in STABILITY_FACES.items()
        if kind in present
    ]
    if (points["type"] == "slow_point").any():
        legend.append(legend_marker("D", "slow point", color="#E69F00"))
    if (points["type"] == "limit_cycle").any():
        legend.append(legend_marker("P", "centre of a cycle", color="#CC79A7"))
    if len(looks) > 1:
        names = fit.condition_names
        legend += [
            Line2D([], [], color=colour, linestyle=style, linewidth=2, label=names[condition])
            for condition, (colour, style) in looks.items()
        ]
    legend_below(figure, legend)
    rank = int(points["latent"].max()) if len(points) else 1 + plane
    return Drawing(
        figure,
        "Vector field of the latents with fixed points and mean trajectories",
        "Direction in which the latents of the network move at constant input: τ dz/dt = −z + n′ tanh(m z + B u + b). "
        "Thick lines: mean trajectories of the conditions, whose inputs change over time; the dot is the start."
        + (f" Thin lines: up to {MAX_FIELD_TRIALS} trials of each condition." if plane else "")
        + (f" The network has {rank} latents; those that are not shown are held at their median." * (rank > 2))
        + " The length of an arrow grows with the root of the speed." * plane
        + f" {_warning(points)}",
    )


def _plane(panel: Axes, field: pd.DataFrame, points: pd.DataFrame, paths: Paths, looks: Looks) -> None:
    wide = field.pivot_table(index="position_2", columns="position_1", values=["velocity_1", "velocity_2"])
    x, y = wide["velocity_1"].columns.to_numpy(), wide.index.to_numpy()
    u, v = wide["velocity_1"].to_numpy(), wide["velocity_2"].to_numpy()
    step = (1 + len(y) // MAX_FIELD_ARROWS, 1 + len(x) // MAX_FIELD_ARROWS)
    # The root keeps slow places, where arrows would be dots, legible.
    length = np.hypot(u, v) ** 0.5 + np.finfo(float).tiny
    every = np.s_[:: step[0], :: step[1]]
    panel.quiver(x[:: step[1]], y[:: step[0]], (u / length)[every], (v / length)[every], color="#A9B3BA", width=0.005)
    for name, path in paths.items():
        colour, style = looks[name]
        panel.plot(
            path[1].iloc[:, :MAX_FIELD_TRIALS],
            path[2].iloc[:, :MAX_FIELD_TRIALS],
            color=colour,
            linewidth=0.5,
            alpha=0.4,
        )
        x_mean, y_mean = (path[latent].mean(axis=1) for latent in (1, 2))
        panel.plot(x_mean, y_mean, style, color=colour, linewidth=2)
        panel.plot(x_mean.iloc[:1], y_mean.iloc[:1], "o", color=colour, markersize=4)
    for _, point in points.pivot_table(index="point", columns="latent", values="position").iterrows():
        rows = points[points["point"] == point.name]
        _dot(panel, float(point[1]), float(point[2]), rows)
    panel.set_xlim(x[0], x[-1])
    panel.set_ylim(y[0], y[-1])


def _line(panel: Axes, field: pd.DataFrame, points: pd.DataFrame, paths: Paths, looks: Looks) -> None:
    zero_line(panel)
    panel.plot(field["position_1"], field["velocity_1"], color=INK, linewidth=1.4)
    height = float(field["velocity_1"].abs().max())
    for index, (name, path) in enumerate(paths.items(), start=1):
        colour, style = looks[name]
        level = -height * (0.55 + 0.1 * index)
        mean = path[1].mean(axis=1)
        panel.plot(mean, np.full(len(mean), level), style, color=colour, linewidth=2)
        panel.plot(mean.iloc[:1], [level], "o", color=colour, markersize=4)
    for _, rows in points.groupby("point"):
        _dot(panel, float(rows["position"].iloc[0]), 0.0, rows)


def _dot(panel: Axes, x: float, y: float, rows: pd.DataFrame) -> None:
    kind, stability = rows["type"].iloc[0], rows["stability"].iloc[0]
    if kind == "fixed_point":
        panel.plot(x, y, "o", color=INK, markerfacecolor=STABILITY_FACES[stability], markersize=6.5, zorder=5)
    elif kind == "slow_point":
        panel.plot(x, y, "D", color="#E69F00", markersize=4.5, zorder=5)
    else:
        panel.plot(x, y, "P", color="#CC79A7", markersize=7, zorder=5)


def _input_text(name: str) -> str:
    """A constant input in words."""
    kind, _, label = name.partition(":")
    return {"none": "no input", "condition": f"mean input of {label}", "input": f"input {label} alone"}[kind]


def _positions(fit: ModelResults, condition: str) -> dict[int, pd.DataFrame]:
    """Latent -> position (time, trial) in a condition, for the first two latents."""
    rows = fit.of_first_seed("latents")
    rows = rows[rows["condition"] == condition]
    return {
        latent: rows[rows["latent"] == latent].pivot_table(
            index="time_s", columns="trial", values="position", dropna=False, aggfunc="first"
        )
        for latent in (1, 2)
    }


def _warning(points: pd.DataFrame) -> str:
    """The warning that goes with every picture of attractors."""
    if points.empty:
        return ""
    score = points[(points["input"] == "none") & (points["stability"] == "stable")]["line_attractor_score"].max()
    score_text = (
        "" if pd.isna(score) else f" The largest line-attractor score of a stable point without input is {score:.1f}."
    )
    incomplete = (
        ""
        if points["complete"].all()
        else " At some inputs, not all fixed points were found: their indices do not sum to 1."
    )
    return f"Warning, {points['warning'].iloc[0]}.{score_text}{incomplete}"


def populations(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the loadings of all units on the latents and inputs, coloured by population."""
    units = fit.tables["populations"]
    network = fit.networks.isel(seed=0)
    if units.empty or "m" not in network or not network["n"].values.any():
        return None
    m, n, B = network["m"].values, network["n"].values, network["B"].values
    used = n.any(0)
    m, n = m[:, used], n[:, used] * len(n)
    pairs = [("m 1", m[:, 0], "n 1", n[:, 0])]
    if m.shape[1] > 1:
        pairs.append(("n 1", n[:, 0], "n 2", n[:, 1]))
    for index in np.argsort(-(B**2).sum(0), kind="stable"):
        name = str(network["input"].values[index])
        pairs.append((f"input {name}", B[:, index], "n 1", n[:, 0]))
    pairs = pairs[:MAX_LOADING_PANELS]
    label = units.set_index("unit_id")["population"].loc[network["target"].values.astype(str)].to_numpy()
    numbers = sorted(set(label))
    figure, axes = panels(1, len(pairs), (3.1 * len(pairs), 3.2))
    for panel, (x_name, x, y_name, y) in zip(axes[0], pairs, strict=True):
        zero_line(panel)
        panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
        for number in numbers:
            members = label == number
            colour = REGION_COLOURS[(number - 1) % len(REGION_COLOURS)]
            panel.plot(x[members], y[members], "o", color=colour, markersize=3.5, alpha=0.7, markeredgewidth=0)
        panel.set_xlabel(x_name)
        panel.set_ylabel(y_name)
    texts = [
        f"population {number}: " + ", ".join(f"{count} of {name}" for name, count in _counted(members["region"]))
        for number, members in units.groupby("population")
    ]
    legend = [
        legend_marker("o", f"population {number} ({int((label == number).sum())} units)",
             color=REGION_COLOURS[(number - 1) % len(REGION_COLOURS)])
        for number in numbers
    ]  # fmt: skip
    legend_below(figure, legend)
    return Drawing(
        figure,
        "Loadings of the units by population",
        "Every dot is a unit: m is the weight from the latent to the unit, n (times the number of units) the weight "
        "from the unit to the latent, and an input weight is the weight from the input to the unit. "
        + ("One Gaussian describes the loadings of all units: the fit has no distinct populations."
           if len(numbers) == 1 else "; ".join(texts) + "."),
    )  # fmt: skip


def _counted(region: pd.Series[str]) -> list[tuple[str, int]]:
    names, counts = np.unique(region.to_numpy(dtype=str), return_counts=True)
    return [(str(name), int(count)) for name, count in zip(names, counts, strict=True)]


def ranks(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw a matrix of the ranks of the weights from every source to every target."""
    rows = fit.tables["pathways"]
    rows = rows[rows["rank"].notna()]
    # Weights between regions of one unit have rank 1, or do not exist.
    if rows["target"].nunique() < 2 or fit.tables["regions"]["n_units"].max() == 1:
        return None
    targets, sources, remark = names_of_matrix(resolved_first(rows), palette)
    rows = rows[rows["target"].isin(targets) & rows["source"].isin(sources)]
    wide = rows.pivot_table(index="target", columns="source", values="rank").reindex(index=targets, columns=sources)
    values = wide.to_numpy(dtype=float)
    has_text = max(values.shape) <= MAX_RANKS_WITH_TEXT
    cell = RANK_CELL if has_text else None
    figure, panel = draw_matrix(values, targets, sources, cell=cell, largest=max(float(np.nanmax(values)), 1.0))
    has_range = False
    for row in rows.to_dict("records") if has_text else []:
        low, high = (row.get(name, row["rank"]) for name in ("rank_low", "rank_high"))
        is_known = bool(pd.notna(low) and pd.notna(high) and low != high)
        has_range |= is_known
        where = targets.index(row["target"]), sources.index(row["source"])
        write_cell(panel, where, f"{int(row['rank'])}", [f"{int(low)}–{int(high)}"] if is_known else [], RANK_CELL[1])
    panel.set_xlabel("from (source)")
    panel.set_ylabel("to (target)")
    return Drawing(
        figure,
        "Rank of the connectivity from every source to every target",
        "Rank of the connectivity from source (columns) to target (rows); on the diagonal, within a region."
        + " Small numbers are the range of ranks that the data allow." * has_range
        + (
            " A rank of 0 means that no weight can be told from zero. The estimated weights are small and not exactly "
            "zero, so that other figures still show a current, which must not be interpreted."
        )
        * bool(((rows["rank"] == 0) & (rows["rms"] > 0)).any())
        + remark,
    )
