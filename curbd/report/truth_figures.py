"""Pictures of recovered against true currents, for recordings of teachers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from curbd.network.truth import true_current
from curbd.report.drawing import (
    GREY,
    INK,
    Drawing,
    Palette,
    legend_below,
    legend_marker,
    panels,
    source_colour,
    zero_line,
)
from curbd.report.findings import between_regions, with_truth
from curbd.report.fit_figures import example_trial
from curbd.report.reading import ModelResults
from curbd.report.recording_figures import trial_mean
from curbd.report.wording import number_text, pathway_label, r2_text, source_label

Array = np.ndarray
LOWEST_TRUE_R2 = -1.0
"""A lower R2 is written as a number at the edge of the panel."""
MAX_RECOVERED_PATHWAYS = 30


def mean_true_currents(fit: ModelResults, truth: xr.Dataset) -> dict[tuple[str, str, str], Array]:
    """Average the true currents over units and trials: (target, source, condition) -> (time,) current."""
    observed = fit.first_view("observed")
    means = {}
    for target in observed.regions:
        for source in observed.sources:
            current = true_current(observed, truth, source, observed.region == target)
            for name in np.unique(observed.condition):
                means[target, source.name, str(name)] = trial_mean(current[observed.condition == name]).mean(1)
    return means


def recovery(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the R2 of every current with the true current, and the R2 that the posterior predicts without the truth."""
    comparable = with_truth(fit)
    if len(fit.tables["regions"]) < 2 or comparable.empty or not comparable["true_r2"].notna().any():
        return None
    rows = comparable.sort_values("share", ascending=False, kind="stable").head(MAX_RECOVERED_PATHWAYS).iloc[::-1]
    figure, axes = panels(1, 1, (6.8, 1.1 + 0.27 * len(rows)))
    panel = axes[0, 0]
    for height, (_, row) in enumerate(rows.iterrows()):
        if np.isnan(row["true_r2"]):
            panel.text(LOWEST_TRUE_R2, height, "no true current", va="center", fontsize=7.5, color=INK)
        else:
            inside = row["true_r2"] >= LOWEST_TRUE_R2
            panel.plot(max(row["true_r2"], LOWEST_TRUE_R2), height, "o" if inside else "<", color=INK)
            if not inside:
                panel.text(LOWEST_TRUE_R2 + 0.06, height, number_text(row["true_r2"]), va="center", fontsize=7.5)
        if np.isfinite(row["predicted_r2"]):
            panel.plot(row["predicted_r2"], height, "D", color=INK, markerfacecolor="none", markersize=7.5)
    labels = [f"{source_label(r['source'])} → {r['target']}   {r['verdict']}" for _, r in rows.iterrows()]
    panel.set_yticks(range(len(rows)), labels)
    panel.set_ylim(-0.6, len(rows) - 0.4)
    panel.set_xlim(LOWEST_TRUE_R2 - 0.05, 1.05)
    panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
    panel.axvline(1, color="#D0D0D0", linewidth=0.7, zorder=0)
    panel.set_xlabel("R² with the true current")
    panel.tick_params(axis="y", length=0)
    legend = [legend_marker("o", "R² with the true current", color=INK)]
    predicted = bool(rows["predicted_r2"].notna().any())
    if predicted:
        legend.append(legend_marker("D", "predicted by the posterior", color=INK, markerfacecolor="none"))
    legend_below(figure, legend)
    return Drawing(
        figure,
        "R² of each recovered current with the true current" + ", and the R² that was predicted" * predicted,
        "How much of the true current is recovered"
        + ", and how much the posterior predicts without knowing the true current" * predicted
        + "."
        + " A pathway without a true current should be unresolved." * bool(rows["true_r2"].isna().any())
        + (
            f" {len(rows)} of {len(comparable)} pathways are shown, those with the largest shares; the others are in "
            "pathways.csv." * (len(rows) < len(comparable))
        ),
    )


def traces(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw true and recovered currents of three units, for the best recovered and the worst recovered pathway."""
    truth, comparable = fit.truth, between_regions(with_truth(fit))
    if truth is None or len(fit.tables["regions"]) < 2 or comparable.empty or not comparable["true_r2"].notna().any():
        return None
    ordered = comparable.dropna(subset=["true_r2"]).sort_values("true_r2", ascending=False, kind="stable")
    chosen = {"best": ordered.iloc[0]} | ({"worst": ordered.iloc[-1]} if len(ordered) > 1 else {})
    observed, view = fit.first_view("observed"), fit.first_view("inferred")
    by_name = {source.name: source for source in view.sources}
    trial = example_trial(fit)
    figure, axes = panels(len(chosen), 3, (10, 0.5 + 1.75 * len(chosen)), share_x=True, share_y="row")
    for line, (rank, row) in zip(axes, chosen.items(), strict=True):
        units = np.flatnonzero(view.region == row["target"])
        source = by_name[str(row["source"])]
        true = true_current(observed, truth, source, units)[trial]
        recovered = view.current(source, units)[trial]
        strongest = np.argsort(-np.nanmean(true**2, axis=0), kind="stable")[:3]
        for panel in line[len(strongest) :]:
            panel.set_visible(False)
        for panel, unit in zip(line, strongest, strict=False):
            zero_line(panel)
            panel.plot(view.time_s, true[:, unit], color=INK, linewidth=0.9, label="true")
            look: dict[str, Any] = {"color": source_colour(source.name, palette), "linewidth": 2, "alpha": 0.75}
            panel.plot(view.time_s, recovered[:, unit], label="recovered", **look)
            panel.set_label(f"{source.name} → {view.unit_id[units[unit]]}")
            panel.set_title(panel.get_label(), fontsize=8.5)
        line[0].set_ylabel(
            f"{rank}: {pathway_label(source.name, row['target'])}\n({fit.current_unit}), R² {r2_text(row['true_r2'])}"
        )
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    legend = [
        Line2D([], [], color=INK, linewidth=0.9, label="true"),
        Line2D([], [], color=GREY, linewidth=2, label="recovered (in the colour of the source)"),
    ]
    legend_below(figure, legend)
    return Drawing(
        figure,
        "True and recovered currents of single units",
        f"True and recovered currents in one trial (index {trial}), for the pathway between regions that is recovered "
        + "best and for the pathway that is recovered worst; of each, " * (len(chosen) > 1)
        + "best; " * (len(chosen) == 1)
        + "the three units with the largest true current.",
    )
