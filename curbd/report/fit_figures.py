"""Pictures of the scores, and of recorded rates together with a free run of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from curbd.network.equation import free_run
from curbd.report.drawing import (
    GREY,
    INK,
    THIRD_TITLE_LETTERS,
    Drawing,
    Palette,
    legend_below,
    legend_marker,
    panels,
    wrapped_label,
    zero_line,
)
from curbd.report.rate_range import BEYOND_RANGE, BEYOND_RANGE_MEANING, RateRange
from curbd.report.reading import ModelResults
from curbd.report.wording import number_text, r2_text

LOWEST_SCORE = -0.5
"""Lower scores are written as numbers at the edge of the panel."""
SMALL_SCORE = 0.3
"""If no score is larger, the axis ends near the largest."""
MAX_TRACE_BINS = 600
"""Bins of a trial that are shown."""
SCORES = {
    "one_step_r2": "one bin ahead",
    "rollout_r2": "several bins ahead",
    "free_run_r2": "running freely",
}
REFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "ceiling": ("true network", {"marker": "|", "color": INK, "markersize": 11, "markeredgewidth": 2}),
    "own_past": ("each region alone", {"marker": "D", "color": GREY, "markerfacecolor": "white", "markersize": 5}),
    "average": ("average trial", {"marker": "x", "color": GREY, "markersize": 6}),
    "persistence": ("no change", {"marker": "+", "color": GREY, "markersize": 7}),
}
"""References and baselines: part of the column name -> name in the legend, and marker."""
REFERENCE_WORDS = {
    "own_past": "every region predicted from its own activity and the inputs only",
    "average": "the average training trial of the condition",
    "persistence": "the last recorded value",
}
"""Baseline -> what it predicts with."""
REPEATED_VARIANCE_LABEL = "repeats between trials"
"""Name of the column ``ceiling_r2`` in the legend if the true network is not known."""


def scores(fits: Sequence[ModelResults]) -> Drawing | None:
    """Draw the scores of the first seed of every model on training and test trials, with references and baselines.

    Parameters
    ----------
    fits : the models of a recording; forecasts of population networks are not scored in this way.

    Returns
    -------
    The picture; None without models of units.
    """
    of_units = [fit for fit in fits if not fit.is_of_populations]
    if not of_units:
        return None
    rows = pd.concat([fit.of_first_seed("fits") for fit in of_units])
    models = list(rows["model"].unique())
    drawn: set[str] = set()
    figure, axes = panels(1, len(SCORES), (10, 1.25 + 0.6 * len(models)), share_y="all")
    for panel, (column, title) in zip(axes[0], SCORES.items(), strict=True):
        for height, model in enumerate(models):
            of_model = rows[rows["model"] == model].set_index("split")
            for split, filled, shift in (("train", False, -0.28), ("test", True, 0.28)):
                if split in of_model.index:
                    _score(panel, of_model.loc[split, column], height + shift, filled)
            drawn |= _references(panel, of_model, height, column.removesuffix("_r2"))
        panel.set_title(title)
        panel.set_xlim(*_score_limits(panel, bool(rows[column].notna().all())))
        panel.set_ylim(len(models) - 0.45, -0.55)
        panel.set_yticks(range(len(models)), models)
        panel.set_xlabel("R²")
        panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
        panel.axvline(1, color="#D0D0D0", linewidth=0.7, zorder=0)
        panel.tick_params(axis="y", length=0)
    # The true network alone predicts the next bin; the variance that repeats is known for a free simulation only.
    true_network_known = bool(rows["one_step_ceiling_r2"].notna().any())
    labels = {name: label for name, (label, _) in REFERENCES.items()}
    if not true_network_known:
        labels["ceiling"] = REPEATED_VARIANCE_LABEL
    below_axis = bool((rows[list(SCORES)] < LOWEST_SCORE).any(axis=None))
    has_test = bool((rows["split"] == "test").any())
    legend = [
        legend_marker("o", "training trials", color=INK, markerfacecolor="white"),
        *([legend_marker("o", "test trials", color=INK)] if has_test else []),
        *(
            legend_marker(label=labels[name] + " (test)" * has_test, **look)
            for name, (_, look) in REFERENCES.items()
            if name in drawn
        ),
    ]
    legend_below(figure, legend)
    return Drawing(
        figure,
        "Scores of every model on training and test trials",
        "How well every network reproduces the activity: one bin ahead (share of the variance of the total current), "
        f"{rows['rollout_s'].iloc[0]:.3g} s ahead, and running freely from the first bin of a trial (share of the "
        "variance of the rates). An axis ends at 1, or near the best score where all scores are small."
        + " A number at the left edge is a score below the axis." * below_axis
        + " Scores of population networks are in bits per spike, and stand below." * (len(of_units) < len(fits))
        + _references_text([name for name in REFERENCES if name in drawn], true_network_known),
    )


def _score_limits(panel: Axes, all_known: bool) -> tuple[float, float]:
    """Limits of the axis of a panel of scores: close around small scores, which would lie on one another otherwise."""
    low, high = panel.dataLim.intervalx
    if not all_known or low < -SMALL_SCORE or high > SMALL_SCORE:
        return LOWEST_SCORE - 0.04, 1.04
    margin = max(0.1 * (high - min(low, 0.0)), 0.01)
    return min(low, 0.0) - margin, high + margin


def _references_text(drawn: Sequence[str], true_network_known: bool) -> str:
    """Explain the references and baselines that are drawn."""
    baselines = [f"{REFERENCE_WORDS[name]} (“{REFERENCES[name][0]}”)" for name in drawn if name in REFERENCE_WORDS]
    text = f" Baselines, unless below the axis: {'; '.join(baselines)}." if baselines else ""
    if "ceiling" in drawn and not true_network_known:
        text += (
            f" “{REPEATED_VARIANCE_LABEL}” is the share of the variance over time that is the same in all trials of a "
            "condition; a simulation that starts at the recorded state of its trial may predict more."
        )
    return text


def _score(axes: Axes, value: float, height: float, filled: bool) -> None:
    if not np.isfinite(value):
        axes.text(LOWEST_SCORE, height, "none" if filled else "", va="center", ha="left", fontsize=7.5, color=GREY)
        return
    face = INK if filled else "white"
    axes.plot(max(value, LOWEST_SCORE), height, "o" if value >= LOWEST_SCORE else "<", color=INK, markerfacecolor=face)
    if value < LOWEST_SCORE:
        axes.text(LOWEST_SCORE + 0.05, height, number_text(value), va="center", ha="left", fontsize=7.5, color=INK)


def _references(axes: Axes, of_model: pd.DataFrame, height: int, score: str) -> set[str]:
    """Draw references and baselines on test trials, or on training trials if no trial was held out; say which."""
    drawn = set()
    row = of_model.loc["test" if "test" in of_model.index else "train"]
    free_run_columns = {"ceiling": "ceiling_r2", "average": "baseline_r2"} if score == "free_run" else {}
    for name, (_, look) in REFERENCES.items():
        value = row[free_run_columns.get(name, f"{score}_{name}_r2")]
        if np.isfinite(value) and value >= LOWEST_SCORE:
            axes.plot(value, height + 0.14, linestyle="none", **look)
            drawn.add(name)
    return drawn


def unit_traces(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw recorded and freely simulated rates in one held-out trial, for the best, the median and the worst unit."""
    per_unit = _unit_scores(fit)
    if per_unit is None:
        return None
    order = np.argsort(per_unit, kind="stable")[::-1]
    order = order[np.isfinite(per_unit[order])]
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    view = fit.first_view("observed")
    r, trial = view.r, example_trial(fit)
    recorded = np.flatnonzero(view.observed[trial])
    shown = slice(recorded[0], min(recorded[-1] + 1, recorded[0] + MAX_TRACE_BINS))
    run = free_run(view.network, r[[trial], shown], view.forecast_inputs[[trial], shown])[0]
    time = view.time_s[shown]
    figure, axes = panels(1, 3, (10, 2.1), share_x=True)
    beyond = []
    for panel, (rank, unit) in zip(axes[0], chosen.items(), strict=True):
        zero_line(panel)
        panel.plot(time, r[trial, shown, unit], color="#B0B0B0", linewidth=2.2, label="recorded")
        panel.plot(time, run[:, unit], color=palette[view.region[unit]], label="free run")
        panel.set_label(f"{view.unit_id[unit]}, {view.region[unit]}")
        title = f"{rank}: {view.unit_id[unit]}, {view.region[unit]} (R² {r2_text(per_unit[unit])})"
        recorded_range = RateRange.of(r[:, :, unit])
        if recorded_range.is_left_by(run[:, unit]):
            beyond.append(str(view.unit_id[unit]))
            title += f", {BEYOND_RANGE}"
            recorded_range.draw(panel)
        panel.set_title(wrapped_label(title, THIRD_TITLE_LETTERS), fontsize=8.5)
        panel.set_xlabel("time (s)")
    axes[0, 0].set_ylabel("scaled rate")
    legend = [
        Line2D([], [], color="#B0B0B0", linewidth=2.2, label="recorded"),
        Line2D([], [], color=INK, label="network running freely (in the colour of the region)"),
    ]
    legend_below(figure, legend)
    split = str(fit.recording["split"].values[trial])
    return Drawing(
        figure,
        "Recorded rate and free run of three units",
        f"Three units in one {split} trial (index {trial}): the best, the median and the worst by R² one bin ahead. "
        "The curves do not show these predictions: the network starts from the first recorded bin and is then "
        "simulated freely"
        + " with the recorded inputs" * bool(fit.recording.sizes["input"])
        + ". Even the true network would deviate from the data, because the recording contains noise."
        + f" {BEYOND_RANGE_MEANING}" * bool(beyond),
    )


def _unit_scores(fit: ModelResults) -> np.ndarray | None:
    """(unit,) one-step R2 on held-out trials; None if no unit has a score."""
    units, column = fit.tables["units"], f"one_step_r2:{fit.name}"
    if column not in units or not units[column].notna().any():
        return None
    by_unit = units.set_index("unit_id")[column]
    return by_unit.reindex(fit.recording["unit_id"].values.astype(str)).to_numpy(float)


def example_trial(fit: ModelResults) -> int:
    """Return the index of the first test trial, or else of the first trial, with a bin without missing values."""
    rates = fit.recording["rates"].transpose("trial", "time", "unit").values
    active = np.isfinite(rates).all(2).any(1)
    test = active & (fit.recording["split"].values == "test")
    return int((test if test.any() else active).argmax())
