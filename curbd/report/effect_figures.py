"""Pictures of the strongest effects over time, and of effects on single units beside the true or the measured ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from curbd.report.drawing import FAINT, Picture, mark, panels, picture, r2, wrapped, written, zero_line
from curbd.report.inactivation_figures import effects
from curbd.report.reading import Fitted

MOST_SHOWN, MOST_NAMED = 4, 12


def timecourses(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """The strongest effect of each of a few experiments, over time: rates with and without it, and their difference."""
    rows = effects(fit)
    rows = rows[rows["perturbed_share"] < 1]
    course = fit.of_first_seed("inactivation_timecourses")
    if rows.empty or course.empty:
        return None
    # What is supported comes first; of each experiment, the region that it moves most.
    order = rows.assign(unsupported=rows["verdict"] != "supported")
    order = order.sort_values(["unsupported", "size"], ascending=[True, False], kind="stable")
    chosen = order.drop_duplicates("perturbation").head(MOST_SHOWN).to_dict("records")
    figure, axes = panels(2, len(chosen), (max(4.0, 0.5 + 2.4 * len(chosen)), 4.6), share_x=True)
    true = "true_mean" in course and bool(course["true_mean"].notna().any())
    for column, row in enumerate(chosen):
        keys = ("perturbation", "target", "condition")
        mine = course[np.logical_and.reduce([course[key] == row[key] for key in keys])].sort_values("time_s")
        colour = palette[row["target"]]
        time, intact, effect = (mine[name].to_numpy() for name in ("time_s", "intact_mean", "effect_mean"))
        low, high = mine["ci_low"].to_numpy(), mine["ci_high"].to_numpy()
        upper, lower = axes[:, column]
        for panel in (upper, lower):
            panel.axvspan(row["start_s"], row["stop_s"], color="#F0F0F0", zorder=-1)
        upper.plot(time, intact, color="black", linewidth=0.9)
        upper.fill_between(time, intact + low, intact + high, color=colour, alpha=0.25, linewidth=0)
        upper.plot(time, intact + effect, color=colour, linewidth=1.8)
        upper.set_title(f"{wrapped(row['perturbation'], 26)}\non {row['target']}" + _of_condition(rows, row))
        zero_line(lower)
        lower.fill_between(time, low, high, color=colour, alpha=0.25, linewidth=0)
        lower.plot(time, effect, color=colour, linewidth=1.8)
        if true:
            lower.plot(time, mine["true_mean"], color="black", linewidth=0.9, linestyle="--")
        lower.set_xlabel("time (s)")
    axes[0, 0].set_ylabel("rate (scaled), mean of units")
    axes[1, 0].set_ylabel("effect, mean of units")
    legend: list[Line2D | Patch] = [
        Line2D([], [], color="black", linewidth=0.9, label="intact run"),
        Line2D([], [], color=FAINT, linewidth=1.8, label="perturbed (in the colour of the region)"),
        Patch(color=FAINT, alpha=0.4, label="95 % interval"),
    ]
    if true:
        legend.append(Line2D([], [], color="black", linewidth=0.9, linestyle="--", label="true effect"))
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend))
    words = "; ".join(f"{row['perturbation']} on {row['target']}" for row in chosen)
    return picture(
        figure,
        f"Time courses of the strongest effects: {words}",
        "The strongest effects over time, averaged over units and trials: above, the rates of the region in the intact "
        "and in the perturbed run; below, their difference. The window of the experiment is grey. Effects that differ "
        "between units cancel in this mean; effect_rms in inactivation_timecourses.parquet does not.",
    )


def _of_condition(rows: pd.DataFrame, row: Mapping[Hashable, Any]) -> str:
    return f", {row['condition']}" if len(rows["condition"].unique()) > 1 else ""


def agreement(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """Predicted against true effects on single units, for the experiments with the strongest true effects."""
    units = fit.of_first_seed("inactivation_units")
    if "true_mean" not in units:
        return None
    units = units[~units["perturbed"]].dropna(subset=["true_mean"])
    strength = (units["true_mean"] ** 2).groupby(units["perturbation"]).mean()
    strength = strength[strength > 0].sort_values(ascending=False, kind="stable")
    if strength.empty:
        return None
    shown = list(strength.index[:MOST_SHOWN])
    figure, axes = panels(1, len(shown), (max(4.0, 0.5 + 2.4 * len(shown)), 3.1))
    for panel, name in zip(axes[0], shown, strict=True):
        mine = units[units["perturbation"] == name]
        for region, part in mine.groupby("region"):
            panel.plot(
                part["true_mean"], part["effect_mean"], "o", color=palette[str(region)], markersize=3.5, alpha=0.8
            )
        _diagonal(panel)
        missed = ((mine["true_mean"] - mine["effect_mean"]) ** 2).sum() / (mine["true_mean"] ** 2).sum()
        panel.set_title(f"{wrapped(name, 26)}\nR² {r2(float(1 - missed))}")
        panel.set_xlabel("true effect")
    axes[0, 0].set_ylabel("predicted effect")
    marks = [mark("o", str(name), color=palette[str(name)]) for name in sorted(units["region"].unique())]
    if len(marks) <= MOST_NAMED:
        figure.legend(handles=marks, loc="outside lower center", ncols=min(len(marks), 6))
    return picture(
        figure,
        "Predicted against true effects on units: " + "; ".join(shown),
        "Predicted against true effect on each unit (a dot for each condition): mean over trials and the time in the "
        "window, in scaled rates. R² is the share of the squares of the true effects that is predicted.",
    )


def measured(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """Predicted against measured effects of real perturbations on single units."""
    rows = fit.of_first_seed("perturbation_comparison")
    if rows.empty:
        return None
    wholes = rows[rows["unit_id"] == ""].to_dict("records")[: 2 * MOST_SHOWN]
    columns = min(MOST_SHOWN, len(wholes))
    lines = -(-len(wholes) // columns)
    figure, axes = panels(lines, columns, (max(4.0, 0.5 + 2.4 * columns), 0.4 + 2.9 * lines))
    for panel, whole in zip(axes.flat, wholes, strict=False):
        of_region = (rows["perturbation"] == whole["perturbation"]) & (rows["target"] == whole["target"])
        mine = rows[of_region & (rows["unit_id"] != "")]
        x, y = mine["predicted"].to_numpy(), mine["measured"].to_numpy()
        reach = mine[["predicted_low", "predicted_high"]].to_numpy()
        sides = np.clip(np.abs(reach - x[:, None]), 0, None).T
        colour = palette[whole["target"]]
        bars = {"fmt": "o", "markersize": 3.5, "linewidth": 0.7, "color": colour, "alpha": 0.8}
        panel.errorbar(x, y, yerr=1.96 * mine["measured_se"], xerr=None if np.isnan(sides).any() else sides, **bars)
        _diagonal(panel)
        panel.set_title(f"{wrapped(whole['perturbation'], 22)}\non {whole['target']}: {_found(whole)}")
        panel.set_xlabel("predicted effect")
        panel.set_ylabel("measured effect")
    for panel in axes.flat[len(wholes) :]:
        panel.set_visible(False)
    words = "; ".join(f"{whole['perturbation']} on {whole['target']}: {_found(whole)}" for whole in wholes)
    return picture(
        figure,
        f"Predicted against measured effects of real perturbations: {words}",
        "Predicted against measured effect of a real perturbation on each unit, with 95 % intervals. The network was "
        "fitted to the other trials only. r runs over units, its ceiling is what the noise of the measured effects "
        "leaves of a perfect prediction; R² counts the prediction of no effect as 0. A region whose trials do not tell "
        "the two kinds apart has no measured effect.",
    )


def _found(whole: Mapping[Hashable, Any]) -> str:
    """What a comparison came to, in a few words."""
    if whole["measured_effect"] == "none":
        return "no effect" if whole["predicted_effect"] == "none" else "none measured,\none predicted"
    words = f"R² {r2(whole['r2'])}"
    if np.isfinite(whole["r"]):
        words = f"r {written(whole['r'])}, at most {written(whole['ceiling_r'])}\n{words}"
    return words + (", not predicted" if whole["predicted_effect"] == "none" else "")


def _diagonal(panel: Axes) -> None:
    """The line of perfect prediction, and zero."""
    panel.axline((0, 0), slope=1, color=FAINT, linewidth=0.8, zorder=0)
    panel.axhline(0, color="#E4E4E4", linewidth=0.7, zorder=0)
    panel.axvline(0, color="#E4E4E4", linewidth=0.7, zorder=0)
    panel.locator_params(nbins=4)
