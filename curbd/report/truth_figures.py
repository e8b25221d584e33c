"""Recovered currents beside the true ones, for teacher recordings."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from curbd.network.truth import true_current
from curbd.report.drawing import (
    FAINT,
    INK,
    Picture,
    mark,
    panels,
    picture,
    r2,
    source_colour,
    source_label,
    written,
    zero_line,
)
from curbd.report.findings import between_regions, with_truth
from curbd.report.fit_figures import example_trial
from curbd.report.reading import Fitted
from curbd.report.recording_figures import trial_mean

Array = np.ndarray
LOWEST = -1.0
"""R2 below this is written at the edge instead of drawn."""
MOST_PATHWAYS = 30


def mean_true_currents(fit: Fitted, truth: xr.Dataset) -> dict[tuple[str, str, str], Array]:
    """(target, source, condition) -> (time,) true current averaged over the units of the target and the trials."""
    observed = fit.seen("observed")
    means = {}
    for target in observed.regions:
        for source in observed.sources:
            current = true_current(observed, truth, source, observed.region == target)
            for name in np.unique(observed.condition):
                means[target, source.name, str(name)] = trial_mean(current[observed.condition == name]).mean(1)
    return means


def recovery(fit: Fitted) -> Picture | None:
    """R2 of every pathway's current with the true one, beside the R2 that the posterior predicts without the truth."""
    known = with_truth(fit)
    if known.empty or not known["true_r2"].notna().any():
        return None
    rows = known.sort_values("share", ascending=False, kind="stable").head(MOST_PATHWAYS).iloc[::-1]
    figure, axes = panels(1, 1, (6.8, 1.1 + 0.27 * len(rows)))
    panel = axes[0, 0]
    for height, (_, row) in enumerate(rows.iterrows()):
        if np.isnan(row["true_r2"]):
            panel.text(LOWEST, height, "there is no true current", va="center", fontsize=7.5, color=INK)
        else:
            inside = row["true_r2"] >= LOWEST
            panel.plot(max(row["true_r2"], LOWEST), height, "o" if inside else "<", color=INK)
            if not inside:
                panel.text(LOWEST + 0.06, height, written(row["true_r2"]), va="center", fontsize=7.5)
        if np.isfinite(row["predicted_r2"]):
            panel.plot(row["predicted_r2"], height, "D", color=INK, markerfacecolor="none", markersize=7.5)
    labels = [f"{source_label(r['source'])} → {r['target']}   {r['verdict']}" for _, r in rows.iterrows()]
    panel.set_yticks(range(len(rows)), labels)
    panel.set_ylim(-0.6, len(rows) - 0.4)
    panel.set_xlim(LOWEST - 0.05, 1.05)
    panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
    panel.axvline(1, color="#D0D0D0", linewidth=0.7, zorder=0)
    panel.set_xlabel("R² with the true current")
    panel.tick_params(axis="y", length=0)
    marks = [mark("o", "measured against the truth", color=INK)]
    predicted = bool(rows["predicted_r2"].notna().any())
    if predicted:
        marks.append(mark("D", "predicted without the truth", color=INK, markerfacecolor="none"))
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return picture(
        figure,
        "R² of each recovered current with the true current" + ", and the R² that was predicted" * predicted,
        "How much of the true current is recovered"
        + ", beside what the posterior predicts without knowing the truth" * predicted
        + ". A pathway without a true current should be unresolved.",
    )


def traces(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """True and recovered current of the pathway that is recovered best and of the one recovered worst, three units."""
    truth, known = fit.truth, between_regions(with_truth(fit))
    if truth is None or known.empty or not known["true_r2"].notna().any():
        return None
    known = known.dropna(subset=["true_r2"]).sort_values("true_r2", ascending=False, kind="stable")
    chosen = {"best": known.iloc[0]} | ({"worst": known.iloc[-1]} if len(known) > 1 else {})
    observed, seen = fit.seen("observed"), fit.seen("inferred")
    by_name = {source.name: source for source in seen.sources}
    trial = example_trial(fit)
    figure, axes = panels(len(chosen), 3, (10, 0.5 + 1.75 * len(chosen)), share_x=True, share_y="row")
    for line, (word, row) in zip(axes, chosen.items(), strict=True):
        units = np.flatnonzero(seen.region == row["target"])
        source = by_name[str(row["source"])]
        true = true_current(observed, truth, source, units)[trial]
        recovered = seen.current(source, units)[trial]
        strongest = np.argsort(-np.nanmean(true**2, axis=0), kind="stable")[:3]
        for panel in line[len(strongest) :]:
            panel.set_visible(False)
        for panel, unit in zip(line, strongest, strict=False):
            zero_line(panel)
            panel.plot(seen.time_s, true[:, unit], color="black", linewidth=0.9)
            panel.plot(
                seen.time_s, recovered[:, unit], color=source_colour(source.name, palette), linewidth=2, alpha=0.75
            )
            panel.set_title(f"{source.name} → {seen.unit_id[units[unit]]}", fontsize=8.5)
        line[0].set_ylabel(f"{word}: {source.name} → {row['target']}\ncurrent (x), R² {r2(row['true_r2'])}")
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    legend = [
        Line2D([], [], color="black", linewidth=0.9, label="true"),
        Line2D([], [], color=FAINT, linewidth=2, label="recovered (in the colour of the source)"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2)
    return picture(
        figure,
        "True and recovered currents of single units",
        f"True and recovered currents in trial {trial}, of the units that receive most, for the pathway between "
        "regions that is recovered best and the one recovered worst.",
    )
