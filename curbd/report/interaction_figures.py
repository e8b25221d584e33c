"""Pictures of direct and total effects of silencing regions, and of the effect of a perturbation at different times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.report.drawing import INK, Drawing, Palette, legend_below, legend_marker, panels, wrapped_label
from curbd.report.reading import ModelResults
from curbd.report.region_effects import effects
from curbd.report.wording import number_text

MAX_PAIRS, MAX_WINDOW_PANELS, MAX_REGIONS_IN_PANEL = 30, 6, 7


def direct_and_total(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw effects of silencing a region against those of cutting its pathway, and the transmitter index of regions."""
    rows = fit.of_first_seed("interactions")
    effect = rows[rows["measure"].isin(["total_effect", "direct_effect"])]
    pairs = effect.pivot_table(index=["source", "target"], columns="measure", values="value", aggfunc="mean")
    if not {"total_effect", "direct_effect"} <= set(pairs):
        return None
    pairs = pairs.dropna().sort_values("total_effect", ascending=False, kind="stable").head(MAX_PAIRS).iloc[::-1]
    transmitter = rows[rows["measure"] == "transmitter_index"].groupby("source")["value"].mean().dropna()
    figure, axes = panels(1, 1 + bool(len(transmitter)), (8.6 if len(transmitter) else 5.6, 1.3 + 0.3 * len(pairs)))
    left = axes[0, 0]
    sources, targets = (list(map(str, pairs.index.get_level_values(level))) for level in ("source", "target"))
    for height, (source, row) in enumerate(zip(sources, pairs.to_dict("records"), strict=True)):
        colour = palette[source]
        left.plot([row["direct_effect"], row["total_effect"]], [height] * 2, color=colour, linewidth=0.8)
        left.plot(row["total_effect"], height, "o", color=colour)
        left.plot(row["direct_effect"], height, "D", color=colour, markerfacecolor="white", markersize=5)
    left.set_yticks(
        range(len(pairs)), [f"{source} → {target}" for source, target in zip(sources, targets, strict=True)]
    )
    left.set_ylim(-0.6, len(pairs) - 0.4)
    left.set_xlim(left=0)
    left.set_xlabel("effect (rms of scaled rates)")
    if len(transmitter):
        right = axes[0, 1]
        for height, (name, value) in enumerate(transmitter.items()):
            right.plot(value, height, "o", color=palette[str(name)])
        right.set_yticks(range(len(transmitter)), list(map(str, transmitter.index)))
        right.set_ylim(-0.6, len(transmitter) - 0.4)
        right.set_xlim(min(0.0, float(transmitter.min()) - 0.05), 1.05)
        right.set_xlabel("transmitter index\n(1: relays what it receives,\n0: generates what it sends)")
    legend = [
        legend_marker("o", "region silenced", color=INK),
        legend_marker("D", "only the pathway cut", color=INK, markerfacecolor="white"),
    ]
    legend_below(figure, legend)
    texts = [
        f"{source} on {target}: {number_text(row['total_effect'])} in all, {number_text(row['direct_effect'])} directly"
        for source, target, row in zip(sources, targets, pairs.to_dict("records"), strict=True)
    ][::-1]
    return Drawing(
        figure,
        "Direct and total effects: " + "; ".join(texts),
        "Effect of silencing a region on another region, and effect of cutting only the pathway between the two. If "
        "the first is much larger, the effect reaches the target through other regions."
        + (" Right: how much of what a region sends is predicted by what it receives." if len(transmitter) else ""),
    )


def windows(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the effects of a perturbation in successive time windows."""
    rows = effects(fit)
    repeated = ["experiment", "acts_on", "fraction", "strength"]
    rows = rows[rows["perturbed_share"] < 1]
    rows = rows[rows.groupby(repeated, dropna=False)["start_s"].transform("nunique") > 1]
    if rows.empty:
        return None
    rows = rows.assign(
        series=rows["experiment"] + ":" + rows["acts_on"],
        middle=(rows["start_s"] + rows["stop_s"]) / 2,
        square=rows["size"] ** 2,
    )
    largest = rows.groupby("series")["size"].max().sort_values(ascending=False, kind="stable")
    shown = list(map(str, largest.index[:MAX_WINDOW_PANELS]))
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = panels(lines, columns, (0.6 + 3.1 * columns, 0.6 + 2.3 * lines))
    for panel, series in zip(axes.flat, shown, strict=False):
        of_series = rows[rows["series"] == series]
        moved = of_series.groupby("target")["size"].max().sort_values(ascending=False, kind="stable")
        for target in map(str, moved.index[:MAX_REGIONS_IN_PANEL]):
            square = _by_window(of_series[of_series["target"] == target])
            panel.plot(
                square.index, np.sqrt(square.to_numpy()), "o-", color=palette[target], markersize=4, label=target
            )
        panel.set_title(wrapped_label(series, 40))
        panel.set_xlabel("middle of the window (s)")
        panel.set_ylabel("effect (rms)")
        panel.set_ylim(bottom=0)
        panel.legend(title="on", fontsize=7)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    return Drawing(
        figure,
        "Effects in successive windows: " + "; ".join(shown),
        "Effect of a perturbation in successive time windows on every region, during the window: rms over trials, "
        "units, time and conditions. The largest effect is at the critical window of interactions.csv.",
    )


def _by_window(rows: pd.DataFrame) -> pd.Series[float]:
    return rows.groupby("middle")["square"].mean()
