"""The ladder as tables and as a figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.document import markdown, number
from benchmarks.ladder import PANELS
from curbd.storage.whole_files import whole_file

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442", "#999999")
"""The palette of Okabe and Ito, and grey, which colour-blind readers can distinguish."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", "p", "h", ">")
"""There are more markers than colours, so that estimators of the same colour have different markers."""
MEASURES = {
    "within_r": "within r",
    "cross_r": "cross r",
    "cross_r2": "cross R2",
    "cross_r_at_truth": "cross r at true rates",
    "cross_r2_at_truth": "cross R2 at true rates",
    "cross_ratio": "amplitude ratio",
    "absent_ratio": "absent ratio",
    "one_step_r2": "one-step R2",
    "free_run_r2": "free-run R2",
    "ceiling_r2": "its ceiling",
    "free_run_train": "free-run pVar, training",
    "seconds": "seconds",
}


def summary(rows: pd.DataFrame) -> str:
    """Markdown: a short table with r and R2 of the currents between regions, then a long table with all measures."""
    names = list(dict.fromkeys(rows["estimator"]))
    means = rows.groupby(["rung", "estimator"], sort=False)[list(MEASURES)].mean()
    glance = [
        {"recording": rung}
        | {
            name: f"{number(means.loc[(rung, name), 'cross_r'])} / {number(means.loc[(rung, name), 'cross_r2'])}"
            if (rung, name) in means.index
            else "-"
            for name in names
        }
        for rung in dict.fromkeys(rows["rung"])
    ]
    counts = rows.groupby("estimator", sort=False)["seed"].nunique()
    teachers = ", ".join(f"{name} {counts[name]}" for name in names)
    size = rows.groupby(["rung", "estimator"], sort=False).size().rename("teachers")
    every = means.map(number).rename(columns=MEASURES).join(size).reset_index()
    return "\n\n".join(
        [
            f"Cross r / cross R2, means over teachers (at most: {teachers}; how many for each is in the long table):",
            markdown(pd.DataFrame(glance)),
            "<details><summary>Every measure</summary>",
            markdown(every),
            "</details>",
        ]
    )


def figure(rows: pd.DataFrame, path: Path) -> None:
    """Figure: correlation with the true currents between regions, one panel for each question.

    Lines join the means over teachers; bars reach from the smallest to the largest value.
    """
    names = list(dict.fromkeys(rows["estimator"]))
    columns = 4
    height = -(-len(PANELS) // columns)
    plot, axes = plt.subplots(height, columns, figsize=(3.3 * columns, 2.6 * height), sharey=True, layout="constrained")
    for axis, (title, labels) in zip(axes.flat, PANELS.items(), strict=False):
        for index, name in enumerate(names):
            correlations = rows[rows["estimator"] == name].groupby("rung")["cross_r"]
            spread = correlations.agg(["mean", "min", "max"]).reindex(list(labels.values()))
            shift = 0.08 * (index - (len(names) - 1) / 2)
            axis.errorbar(
                [position + shift for position in range(len(labels))],
                spread["mean"],
                [spread["mean"] - spread["min"], spread["max"] - spread["mean"]],
                color=COLOURS[index % len(COLOURS)],
                marker=MARKERS[index % len(MARKERS)],
                markersize=4,
                linewidth=0.8,
                label=name,
            )
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(labels)), list(labels), fontsize=8)
        axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_xlim(-0.5, len(labels) - 0.5)
        axis.set_ylim(-0.25, 1.03)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("r with the true current")
    for axis in axes.flat[len(PANELS) :]:
        axis.set_visible(False)
    handles, texts = axes.flat[0].get_legend_handles_labels()
    plot.legend(handles, texts, loc="outside lower center", ncols=5, frameon=False)
    with whole_file(path) as temporary:
        plot.savefig(temporary, dpi=130, format="png")
    plt.close(plot)
