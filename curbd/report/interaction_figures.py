"""Pictures of how regions depend on one another: direct beside total effects, and when a perturbation matters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.report.drawing import INK, Picture, mark, panels, picture, wrapped, written
from curbd.report.inactivation_figures import effects
from curbd.report.reading import Fitted

MOST_PAIRS, MOST_PANELS, MOST_CURVES = 30, 6, 7


def direct_and_total(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """Effect of a silenced region beside that of cutting its pathway to the target; who passes on, who generates."""
    rows = fit.of_first_seed("interactions")
    effect = rows[rows["measure"].isin(["total_effect", "direct_effect"])]
    pairs = effect.pivot_table(index=["source", "target"], columns="measure", values="value", aggfunc="mean")
    if not {"total_effect", "direct_effect"} <= set(pairs):
        return None
    pairs = pairs.dropna().sort_values("total_effect", ascending=False, kind="stable").head(MOST_PAIRS).iloc[::-1]
    index = rows[rows["measure"] == "transmitter_index"].groupby("source")["value"].mean().dropna()
    figure, axes = panels(1, 1 + bool(len(index)), (8.6 if len(index) else 5.6, 1.3 + 0.3 * len(pairs)))
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
    if len(index):
        right = axes[0, 1]
        for height, (name, value) in enumerate(index.items()):
            right.plot(value, height, "o", color=palette[str(name)])
        right.set_yticks(range(len(index)), list(map(str, index.index)))
        right.set_ylim(-0.6, len(index) - 0.4)
        right.set_xlim(min(0.0, float(index.min()) - 0.05), 1.05)
        right.set_xlabel("transmitter index (1: passes on, 0: generates)")
    marks = [
        mark("o", "region silenced", color=INK),
        mark("D", "only its pathway cut", color=INK, markerfacecolor="white"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    words = [
        f"{source} on {target}: {written(row['total_effect'])} in all, {written(row['direct_effect'])} directly"
        for source, target, row in zip(sources, targets, pairs.to_dict("records"), strict=True)
    ][::-1]
    return picture(
        figure,
        "Direct and total effects: " + "; ".join(words),
        "Effect of silencing a region on another one, beside that of cutting the pathway between them: where the first "
        "is much larger, the effect takes other ways."
        + (" At the side, how much of what a region sends is foretold by what it receives." if len(index) else ""),
    )


def windows(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """Effects of the same perturbation in successive windows."""
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
    shown = list(map(str, largest.index[:MOST_PANELS]))
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = panels(lines, columns, (0.6 + 3.1 * columns, 0.6 + 2.3 * lines))
    for panel, series in zip(axes.flat, shown, strict=False):
        mine = rows[rows["series"] == series]
        moved = mine.groupby("target")["size"].max().sort_values(ascending=False, kind="stable")
        for target in map(str, moved.index[:MOST_CURVES]):
            square = _by_window(mine[mine["target"] == target])
            panel.plot(
                square.index, np.sqrt(square.to_numpy()), "o-", color=palette[target], markersize=4, label=target
            )
        panel.set_title(wrapped(series, 40))
        panel.set_xlabel("middle of the window (s)")
        panel.set_ylabel("effect (rms)")
        panel.set_ylim(bottom=0)
        panel.legend(title="on", fontsize=7)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    return picture(
        figure,
        "Effects in successive windows: " + "; ".join(shown),
        "The same perturbation in successive windows: effect on each region inside the window, rms over trials, units, "
        "time and conditions. The peak is the critical window of interactions.csv.",
    )


def _by_window(rows: pd.DataFrame) -> pd.Series[float]:
    return rows.groupby("middle")["square"].mean()
