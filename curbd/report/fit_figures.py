"""Pictures of how well the networks reproduce the recording."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from curbd.network.equation import free_run
from curbd.report.drawing import FAINT, INK, Picture, mark, panels, picture, r2, written, zero_line
from curbd.report.reading import Fitted

LOWEST = -0.5
"""Scores below this are written at the edge instead of drawn."""
MOST_BINS = 600
"""Longer trials are shown up to here."""
SCORES = {
    "one_step_r2": "one bin ahead",
    "rollout_r2": "some bins ahead",
    "free_run_r2": "running freely",
}
BESIDE: dict[str, tuple[str, dict[str, Any]]] = {
    "ceiling": ("ceiling", {"marker": "|", "color": INK, "markersize": 11, "markeredgewidth": 2}),
    "own_past": ("each region alone", {"marker": "D", "color": FAINT, "markerfacecolor": "white", "markersize": 5}),
    "average": ("average trial", {"marker": "x", "color": FAINT, "markersize": 6}),
    "persistence": ("no change", {"marker": "+", "color": FAINT, "markersize": 7}),
}
"""What test scores are shown beside, and how it is marked."""


def scores(fits: pd.DataFrame) -> Picture:
    """Scores of the first seed of every model on training and test trials, beside ceiling and baseline."""
    first = fits.groupby("model", sort=False)["seed"].transform("first") == fits["seed"]
    rows = fits[first]
    models = list(rows["model"].unique())
    figure, axes = panels(1, len(SCORES), (10, 1.25 + 0.42 * len(models)), share_y="all")
    for panel, (column, title) in zip(axes[0], SCORES.items(), strict=True):
        for place, model in enumerate(models):
            of_model = rows[rows["model"] == model].set_index("split")
            for split, filled, shift in (("train", False, -0.14), ("test", True, 0.14)):
                if split in of_model.index:
                    _score(panel, of_model.loc[split, column], place + shift, filled)
            _beside(panel, of_model, place, column.removesuffix("_r2"))
        panel.set_title(title)
        panel.set_xlim(LOWEST - 0.04, 1.04)
        panel.set_ylim(len(models) - 0.45, -0.55)
        panel.set_yticks(range(len(models)), models)
        panel.set_xlabel("R²")
        panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
        panel.axvline(1, color="#D0D0D0", linewidth=0.7, zorder=0)
        panel.tick_params(axis="y", length=0)
    marks = [
        mark("o", "training trials", color=INK, markerfacecolor="white"),
        mark("o", "test trials", color=INK),
        *(mark(label=f"{label} (test)", **look) for label, look in BESIDE.values()),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=6)
    return picture(
        figure,
        "Scores of every model on training and test trials",
        f"How well each network reproduces the activity: one bin ahead (share of the variance of the total current), "
        f"{rows['rollout_s'].iloc[0]:.3g} s ahead and running freely from the first bin of a trial (share of the "
        "variance of the rates). A mark at the left edge carries its number where the score is lower still. Baselines: "
        "each region predicted from itself and the known inputs alone, the average training trial of the condition, "
        "and no change at all; those that are worse than the axis shows are left out.",
    )


def _score(axes: Axes, value: float, height: float, filled: bool) -> None:
    if not np.isfinite(value):
        axes.text(LOWEST, height, "none" if filled else "", va="center", ha="left", fontsize=7.5, color=FAINT)
        return
    face = INK if filled else "white"
    axes.plot(max(value, LOWEST), height, "o" if value >= LOWEST else "<", color=INK, markerfacecolor=face)
    if value < LOWEST:
        axes.text(LOWEST + 0.05, height, written(value), va="center", ha="left", fontsize=7.5, color=INK)


def _beside(axes: Axes, of_model: pd.DataFrame, place: int, score: str) -> None:
    """Ceiling and baselines of the test trials, of the training trials where there are no others."""
    row = of_model.loc["test" if "test" in of_model.index else "train"]
    free = {"ceiling": "ceiling_r2", "average": "baseline_r2"} if score == "free_run" else {}
    for name, (_, look) in BESIDE.items():
        value = row[free.get(name, f"{score}_{name}_r2")]
        if np.isfinite(value) and value >= LOWEST:
            axes.plot(value, place + 0.14, linestyle="none", **look)


def unit_traces(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """Recorded and freely running rates of the best, the median and the worst unit in one held-out trial."""
    per_unit = _unit_scores(fit)
    if per_unit is None:
        return None
    order = np.argsort(per_unit, kind="stable")[::-1]
    order = order[np.isfinite(per_unit[order])]
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    seen = fit.seen("observed")
    r, trial = seen.r, example_trial(fit)
    recorded = np.flatnonzero(seen.observed[trial])
    shown = slice(recorded[0], min(recorded[-1] + 1, recorded[0] + MOST_BINS))
    run = free_run(seen.network, r[[trial], shown], seen.forecast_inputs[[trial], shown])[0]
    time = seen.time_s[shown]
    figure, axes = panels(1, 3, (10, 2.1), share_x=True)
    for panel, (word, unit) in zip(axes[0], chosen.items(), strict=True):
        zero_line(panel)
        panel.plot(time, r[trial, shown, unit], color="#B0B0B0", linewidth=2.2)
        panel.plot(time, run[:, unit], color=palette[seen.region[unit]])
        panel.set_title(f"{word}: {seen.unit_id[unit]}, {seen.region[unit]} (R² {r2(per_unit[unit])})", fontsize=8.5)
        panel.set_xlabel("time (s)")
    axes[0, 0].set_ylabel("scaled rate")
    lines = [
        Line2D([], [], color="#B0B0B0", linewidth=2.2, label="recorded"),
        Line2D([], [], color=INK, label="network running freely (in the colour of the region)"),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=2)
    split = str(fit.recording["split"].values[trial])
    return picture(
        figure,
        "Recorded rate and free run of three units",
        f"Three units in one {split} trial (number {trial}): the best, the median and the worst by R² one bin ahead. "
        "The network starts from the first recorded bin and then runs on its own, with the known inputs, so noise that "
        "the recording contains carries it away from the data even when it is right.",
    )


def _unit_scores(fit: Fitted) -> np.ndarray | None:
    """(unit,) held-out one-step R2, None where no unit has one."""
    units, column = fit.tables["units"], f"one_step_r2:{fit.name}"
    if column not in units or not units[column].notna().any():
        return None
    by_unit = units.set_index("unit_id")[column]
    return by_unit.reindex(fit.recording["unit_id"].values.astype(str)).to_numpy(float)


def example_trial(fit: Fitted) -> int:
    """The first test trial with activity, else the first trial that has some."""
    rates = fit.recording["rates"].transpose("trial", "time", "unit").values
    active = np.isfinite(rates).all(2).any(1)
    test = active & (fit.recording["split"].values == "test")
    return int((test if test.any() else active).argmax())
