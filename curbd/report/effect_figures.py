"""Pictures of the strongest effects over time, and of predicted against true or measured effects on units."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from curbd.recording.scaling import scaled_rates
from curbd.report.drawing import (
    GREY,
    INK,
    Drawing,
    Palette,
    event_line,
    in_order,
    legend_below,
    legend_marker,
    panels,
    wrapped_label,
    zero_line,
)
from curbd.report.rate_range import BEYOND_RANGE, BEYOND_RANGE_MEANING, RateRange
from curbd.report.reading import ModelResults
from curbd.report.region_effects import effects
from curbd.report.wording import number_text, r2_text
from curbd.tables.perturbation_comparison import ALL_REGIONS

MAX_EXPERIMENTS_SHOWN, MAX_REGIONS_IN_LEGEND = 4, 12
TITLE_POINTS = 8
"""Size of the titles of time courses, with which a line of the longest name has room above its panel."""
MAX_MAP_P_VALUE = 0.05
"""Largest share of random halves with an r at least as large for a map that counts as predicted."""


def timecourses(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the strongest effects over time: intact and perturbed rates, and their difference."""
    course = fit.of_first_seed("inactivation_timecourses")
    chosen = _strongest(effects(fit))
    if not chosen or course.empty:
        return None
    figure, axes = panels(2, len(chosen), (max(4.0, 0.5 + 2.4 * len(chosen)), 4.6), share_x=True)
    ranges = _recorded_ranges(fit)
    lines = [_rows_of_effect(course, row) for row in chosen]
    beyond = [_leaves(ranges[row["target"]], line) for row, line in zip(chosen, lines, strict=True)]
    has_truth = "true_mean" in course and bool(course["true_mean"].notna().any())
    for (upper, lower), row, line, is_beyond in zip(axes.T, chosen, lines, beyond, strict=True):
        colour = palette[row["target"]]
        for panel in (upper, lower):
            panel.set_label(f"{row['perturbation']} on {row['target']}")
            panel.axvspan(row["start_s"], row["stop_s"], color="#F0F0F0", zorder=-1)
        title = f"{wrapped_label(row['perturbation'], 26)}\non {row['target']}" + _of_condition(fit, row)
        upper.set_title(title + f"\n{BEYOND_RANGE}" * is_beyond, fontsize=TITLE_POINTS)
        if is_beyond:
            ranges[row["target"]].draw(upper)
        _draw_rates(upper, line, colour)
        _draw_difference(lower, line, colour, has_truth)
        event_line(upper)
        event_line(lower)
    axes[0, 0].set_ylabel("scaled rate")
    axes[1, 0].set_ylabel("effect")
    interval_label = fit.interval_label if any(np.isfinite(line["ci_low"]).any() for line in lines) else ""
    legend_below(figure, _legend_of_courses(interval_label, has_truth))
    names = "; ".join(f"{row['perturbation']} on {row['target']}" for row in chosen)
    return Drawing(
        figure,
        f"Time courses of the strongest effects: {names}",
        "Effects over time, mean over units and trials: of every experiment the largest effect, supported effects "
        "first. Top: rates of the region in the intact and the perturbed simulation. Bottom: the difference. Grey: the "
        "time of the perturbation. Effects of opposite sign on different units cancel in this mean, but not in "
        "effect_rms of inactivation_timecourses.parquet." + f" {BEYOND_RANGE_MEANING}" * any(beyond),
    )


def _strongest(rows: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The largest effect of every experiment on regions that it leaves at least partly alone, supported ones first."""
    rows = rows[rows["perturbed_share"] < 1]
    order = rows.assign(unsupported=rows["verdict"] != "supported")
    order = order.sort_values(["unsupported", "size"], ascending=[True, False], kind="stable")
    return order.drop_duplicates("perturbation").head(MAX_EXPERIMENTS_SHOWN).to_dict("records")


def _rows_of_effect(course: pd.DataFrame, effect: Mapping[Hashable, Any]) -> pd.DataFrame:
    """The time course of an effect, in the order of the bins."""
    keys = ("perturbation", "target", "condition")
    return course[np.logical_and.reduce([course[key] == effect[key] for key in keys])].sort_values("time_s")


def _leaves(recorded: RateRange, line: pd.DataFrame) -> bool:
    """Whether the intact or the perturbed rate leaves the range of the recorded rates."""
    return recorded.is_left_by(np.concatenate([line["intact_mean"], line["intact_mean"] + line["effect_mean"]]))


def _draw_rates(panel: Axes, line: pd.DataFrame, colour: str) -> None:
    """Draw the intact and the perturbed rate over time."""
    time, intact, effect = (line[name].to_numpy() for name in ("time_s", "intact_mean", "effect_mean"))
    low, high = intact + line["ci_low"].to_numpy(), intact + line["ci_high"].to_numpy()
    panel.plot(time, intact, color=INK, linewidth=0.9, label="intact")
    panel.fill_between(time, low, high, color=colour, alpha=0.25, linewidth=0, label="perturbed")
    panel.plot(time, intact + effect, color=colour, linewidth=1.8, label="perturbed")


def _draw_difference(panel: Axes, line: pd.DataFrame, colour: str, has_truth: bool) -> None:
    """Draw the perturbed minus the intact rate over time and, if it is known, that of the true network."""
    time = line["time_s"].to_numpy()
    zero_line(panel)
    low, high = line["ci_low"].to_numpy(), line["ci_high"].to_numpy()
    panel.fill_between(time, low, high, color=colour, alpha=0.25, linewidth=0, label="effect")
    panel.plot(time, line["effect_mean"].to_numpy(), color=colour, linewidth=1.8, label="effect")
    if has_truth:
        panel.plot(time, line["true_mean"], color=INK, linewidth=0.9, linestyle="--", label="true effect")
    panel.set_xlabel("time (s)")


def _legend_of_courses(interval_label: str, has_truth: bool) -> list[Line2D | Patch]:
    """The legend of effects over time; without an interval if the label is ''."""
    legend: list[Line2D | Patch] = [
        Line2D([], [], color=INK, linewidth=0.9, label="intact run"),
        Line2D([], [], color=GREY, linewidth=1.8, label="perturbed (in the colour of the region)"),
    ]
    if interval_label:
        legend.append(Patch(color=GREY, alpha=0.4, label=interval_label))
    if has_truth:
        legend.append(Line2D([], [], color=INK, linewidth=0.9, linestyle="--", label="true effect"))
    return legend


def _recorded_ranges(fit: ModelResults) -> dict[str, RateRange]:
    """Region -> range of the recorded scaled rates, mean over the units of the region, over bins and trials."""
    rates = scaled_rates(fit.recording, fit.networks.attrs.get("phi"))
    means = rates.groupby("region").mean("unit")
    return {str(name): RateRange.of(means.sel(region=name).values) for name in means["region"].values}


def _of_condition(fit: ModelResults, row: Mapping[Hashable, Any]) -> str:
    names = fit.condition_names
    return f"\n{wrapped_label(names.get(row['condition'], row['condition']), 26)}" if len(names) > 1 else ""


def agreement(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw predicted against true effects on units, for the experiments with the largest true effects."""
    units = fit.of_first_seed("inactivation_units")
    if "true_mean" not in units:
        return None
    units = units[~units["perturbed"]].dropna(subset=["true_mean"])
    strength = (units["true_mean"] ** 2).groupby(units["perturbation"]).mean()
    strength = strength[strength > 0].sort_values(ascending=False, kind="stable")
    if strength.empty:
        return None
    shown = list(strength.index[:MAX_EXPERIMENTS_SHOWN])
    figure, axes = panels(1, len(shown), (max(4.0, 0.5 + 2.4 * len(shown)), 3.1))
    for panel, name in zip(axes[0], shown, strict=True):
        of_experiment = units[units["perturbation"] == name]
        for region, of_region in of_experiment.groupby("region"):
            panel.plot(
                of_region["true_mean"],
                of_region["effect_mean"],
                "o",
                color=palette[str(region)],
                markersize=3.5,
                # An image, because a recording has many units, each with a dot for every condition.
                rasterized=True,
            )
        _diagonal(panel)
        true = of_experiment["true_mean"]
        missed = ((true - of_experiment["effect_mean"]) ** 2).sum() / (true**2).sum()
        panel.set_title(f"{wrapped_label(name, 26)}\nR² of means {r2_text(float(1 - missed))}")
        panel.set_xlabel("true effect")
    axes[0, 0].set_ylabel("predicted effect")
    legend = [legend_marker("o", str(name), color=palette[str(name)]) for name in in_order(units["region"], palette)]
    if len(legend) <= MAX_REGIONS_IN_LEGEND:
        legend_below(figure, legend)
    return Drawing(
        figure,
        "Predicted against true effects on units: " + "; ".join(shown),
        "Predicted against true effect on every unit, one dot for each unit and condition: mean over trials and the "
        "time of the perturbation, in scaled rates. R² of means: share of these squared true effects that is "
        "predicted.",
    )


def measured(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw predicted against measured effects of real perturbations: the maps over regions, then the units."""
    rows = fit.of_first_seed("perturbation_comparison")
    if rows.empty:
        return None
    of_regions = (rows["unit_id"] == "") & (rows["baseline"] == "model")
    # A region of one unit has no pattern over units; its effect is one point of the map over regions.
    enough = rows["target"].map(rows[rows["unit_id"] != ""].groupby("target").size()) > 1
    chosen = rows[of_regions & (enough | (rows["target"] == ALL_REGIONS))].sort_values(
        "target", key=lambda target: target != ALL_REGIONS, kind="stable"
    )
    if chosen.empty:
        return None
    panels_of = chosen.to_dict("records")[: 2 * MAX_EXPERIMENTS_SHOWN]
    columns = min(MAX_EXPERIMENTS_SHOWN, len(panels_of))
    lines = -(-len(panels_of) // columns)
    figure, axes = panels(lines, columns, (max(4.0, 0.5 + 2.4 * columns), 0.4 + 2.9 * lines))
    for panel, row in zip(axes.flat, panels_of, strict=False):
        of_perturbation = rows[rows["perturbation"] == row["perturbation"]]
        if row["target"] == ALL_REGIONS:
            points = of_perturbation[(of_perturbation["unit_id"] == "") & of_perturbation["predicted"].notna()]
        else:
            points = of_perturbation[(of_perturbation["target"] == row["target"]) & (of_perturbation["unit_id"] != "")]
        _draw_points(panel, points, palette)
        panel.set_title(f"{wrapped_label(row['perturbation'], 22)}\non {row['target']}: {_comparison_text(row)}")
    for panel in axes.flat[len(panels_of) :]:
        panel.set_visible(False)
    texts = "; ".join(f"{row['perturbation']} on {row['target']}: {_comparison_text(row)}" for row in panels_of)
    return Drawing(
        figure,
        f"Predicted against measured effects of real perturbations: {texts}",
        "Predicted against measured effect of a real perturbation on every unit, or on every region in the map over "
        "all regions, with 95 % intervals. The network was fitted to unperturbed trials only. r is the correlation; "
        "“chance” is the r that random halves of unperturbed trials exceed in one of twenty cases, and “at most” the r "
        "of a perfect prediction, given the noise of the measured effects. R² of means: share of "
        "the squared measured effects that is predicted; 0 if no change is predicted. A "
        "region has no measured effect if perturbed and unperturbed trials do not differ significantly. Plain "
        "predictions without a network are in perturbation_comparison.csv (column baseline).",
    )


def _draw_points(panel: Axes, points: pd.DataFrame, palette: Palette) -> None:
    """Draw one point with intervals for every unit or region."""
    x, y = points["predicted"].to_numpy(), points["measured"].to_numpy()
    interval = points[["predicted_low", "predicted_high"]].to_numpy(dtype=float)
    sides = np.clip(np.abs(interval - x[:, None]), 0, None).T
    for target in points["target"].unique():
        here = (points["target"] == target).to_numpy()
        bars: dict[str, Any] = {"fmt": "o", "markersize": 3.5, "linewidth": 0.7, "color": palette[target], "alpha": 0.8}
        across = None if np.isnan(sides[:, here]).any() else sides[:, here]
        panel.errorbar(x[here], y[here], yerr=1.96 * points["measured_se"].to_numpy()[here], xerr=across, **bars)
    _diagonal(panel)
    panel.set_xlabel("predicted effect")
    panel.set_ylabel("measured effect")


def _comparison_text(row: Mapping[Hashable, Any]) -> str:
    """Result of a comparison in a few words."""
    predicted = row["predicted_effect"] == "effect"
    if row["measured_effect"] == "none" and row["target"] != ALL_REGIONS:
        return "none measured,\none predicted" if predicted else "no effect"
    text = f"R² of means {r2_text(row['r2'])}"
    if np.isfinite(row["r"]):
        chance = f", chance {number_text(row['null_r'])}" if np.isfinite(row["null_r"]) else ""
        text = f"r {number_text(row['r'])}{chance}, at most {number_text(row['ceiling_r'])}\n{text}"
    if row["target"] == ALL_REGIONS:
        above = np.isfinite(row["r_p_value"]) and row["r_p_value"] <= MAX_MAP_P_VALUE
        return text + ("" if above else ", within chance")
    return text + {"effect": "", "none": ", not predicted", "not_supported": ", not supported"}[row["predicted_effect"]]


def _diagonal(panel: Axes) -> None:
    """Lines at zero, and the diagonal of perfect predictions."""
    panel.axline((0, 0), slope=1, color=GREY, linewidth=0.8, zorder=0)
    panel.axhline(0, color="#E4E4E4", linewidth=0.7, zorder=0)
    panel.axvline(0, color="#E4E4E4", linewidth=0.7, zorder=0)
    panel.locator_params(nbins=4)
