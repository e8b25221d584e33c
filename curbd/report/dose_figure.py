"""Picture of the effects of experiments against the dose: the strength, or the share of the units."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from curbd.report.drawing import INK, Drawing, Palette, in_order, legend_below, legend_marker, panels, wrapped_label
from curbd.report.reading import ModelResults
from curbd.report.region_effects import effects

MAX_DOSE_SERIES, MAX_REGIONS_IN_PANEL = 6, 7


def doses(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw effects against the dose (strength or share of the units), for experiments with several doses."""
    rows = effects(fit)
    rows = rows[rows["perturbed_share"] < 1]
    rows = rows.assign(series=rows["experiment"] + ":" + rows["acts_on"])
    window = ["series", "start_s", "stop_s"]
    by_strength = rows.assign(dose=rows["strength"], by="strength")
    by_fraction = rows.assign(dose=rows["fraction"], by="share of the units")
    rows = pd.concat(
        table[table.groupby([*window, other_dose], dropna=False)["dose"].transform("nunique") > 1]
        for table, other_dose in ((by_strength, "fraction"), (by_fraction, "strength"))
    )
    if rows.empty:
        return None
    moved = rows.groupby("target")["size"].max().sort_values(ascending=False, kind="stable")
    rows = rows[rows["target"].isin(moved.index[:MAX_REGIONS_IN_PANEL])]
    largest = rows.groupby(["series", "by"])["size"].max().sort_values(ascending=False, kind="stable")
    shown = list(largest.index[:MAX_DOSE_SERIES])
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = panels(lines, columns, (0.6 + 3.1 * columns, 0.6 + 2.3 * lines))
    for panel, key in zip(axes.flat, shown, strict=False):
        series, by = key
        of_series = rows[(rows["series"] == series) & (rows["by"] == by)]
        for target, of_target in of_series.groupby("target"):
            _dose_curve(panel, of_target, palette[str(target)])
        panel.set_title(wrapped_label(str(series), 40))
        panel.set_xlabel(by)
        panel.set_ylabel("effect (rms)")
        panel.set_ylim(bottom=0)
        panel.set_xlim(0, 1.05)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    legend = [legend_marker("o", f"on {name}", color=palette[str(name)]) for name in in_order(rows["target"], palette)]
    if (rows["verdict"] == "unsupported").any():
        legend.append(legend_marker("o", "not supported", color=INK, markerfacecolor="none"))
    true = "true_rms" in rows and bool(rows["true_rms"].notna().any())
    if true:
        legend.append(legend_marker("x", "in the true network", color=INK))
    legend_below(figure, legend)
    return Drawing(
        figure,
        "Effects against the dose: " + "; ".join(str(series) for series, _ in shown),
        "Predicted effect on every region against the dose: rms over trials, units, conditions and the time of the "
        "perturbation."
        + (
            f" The {MAX_REGIONS_IN_PANEL} of {len(moved)} regions with the largest effects are shown."
            if len(moved) > MAX_REGIONS_IN_PANEL
            else ""
        )
        + (" Crosses: effect of the experiment in the true network." if true else ""),
    )


def _dose_curve(panel: Axes, rows: pd.DataFrame, colour: str) -> None:
    """One line: effect on a region at every dose; open circles where the effect is not supported."""
    by_dose = rows.assign(square=rows["size"] ** 2).groupby("dose")
    effect = np.sqrt(by_dose["square"].mean())
    panel.plot(effect.index, effect, color=colour)
    supported = (rows["verdict"] != "unsupported").groupby(rows["dose"]).any()
    for dose, value in effect.items():
        panel.plot(dose, value, "o", color=colour, markersize=5, markerfacecolor=colour if supported[dose] else "white")
    if "true_rms" in rows and rows["true_rms"].notna().all():
        true = np.sqrt((rows["true_rms"] ** 2).groupby(rows["dose"]).mean())
        panel.plot(true.index, true, "x", color=colour, markersize=6)
