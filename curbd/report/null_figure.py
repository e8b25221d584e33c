"""Drawing of the additional nulls: measures of every pathway, and the range of each measure without the pathway."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch

from curbd.pathways.verdict import MAX_Q_VALUE
from curbd.report.drawing import (
    INK,
    Drawing,
    Palette,
    hover,
    in_order,
    legend_below,
    legend_marker,
    panels,
    resolved_first,
)
from curbd.report.reading import ModelResults
from curbd.report.wording import number_text, pathway_label

NULL_PANELS = {
    ("random_weights", "rms"): "random weights:\nrms (units of x)",
    ("random_weights", "correlation"): "random weights:\ncorrelation",
    ("time_shift", "held_out_gain"): "shifted in time:\nheld-out gain",
    ("trial_shuffle", "held_out_gain"): "trials shuffled:\nheld-out gain",
    ("region_labels", "held_out_gain"): "labels permuted:\nheld-out gain",
    ("random_group", "held_out_gain"): "random group:\nheld-out gain",
    ("trial_shuffle", "score"): "trials shuffled:\nscore",
}
NULL_MEANINGS = {
    ("held_out_gain",): "Held-out gain: share of the squared current of the target that is predicted worse on held-out "
    "trials without the source.",
    ("score",): "Score: slope of the log likelihood of single trials by the weights of a pathway between populations.",
    (
        "random_weights",
    ): "Random weights: size of any current with weights of this scale, and its correlation with what "
    "the other sources leave unexplained.",
    ("time_shift", "trial_shuffle"): "Shifted in time, trials shuffled: the source loses its relation to the target, "
    "including a relation that other sources also have.",
    ("region_labels", "random_group"): "Labels permuted, random group: whether it matters which units form the region, "
    "not whether the pathway exists.",
}
"""Names of nulls or measures -> sentence of the caption if one of them is drawn."""
MAX_NULL_PATHWAYS = 16
"""Resolved pathways and those with the largest share are shown; nulls.csv holds all."""


def nulls(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw each measure of every pathway as a dot, and the 95 % range of its null as a bar.

    There is one panel for each measure and null.
    """
    rows = fit.tables["nulls"]
    pathways = fit.tables["pathways"]
    # A source without any null, such as the evoked response of a population network, has nothing to show.
    compared = rows.loc[rows["null_low"].notna(), ["target", "source"]].drop_duplicates()
    between = resolved_first(pathways[pathways["source"] != pathways["target"]].merge(compared))
    chosen = between.head(MAX_NULL_PATHWAYS)
    order = {name: position for position, name in enumerate(in_order([*chosen["target"], *chosen["source"]], palette))}
    shown = chosen[["target", "source"]].sort_values(["target", "source"], key=lambda names: names.map(order))
    heights = {pair: height for height, pair in enumerate(shown.itertuples(index=False, name=None))}
    if not heights:
        return None
    present = set(zip(rows["null"], rows["measure"], strict=True))
    titles = {key: title for key, title in NULL_PANELS.items() if key in present}
    present_words = {word for key in titles for word in key}
    width = 10 if len(titles) > 1 else 5
    figure, axes = panels(1, len(titles), (width, 1.5 + 0.24 * len(heights)), share_y="all")
    for panel, ((null, measure), title) in zip(axes[0], titles.items(), strict=True):
        of_null = rows[(rows["null"] == null) & (rows["measure"] == measure)]
        panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
        for row in of_null.to_dict("records"):
            height = heights.get((row["target"], row["source"]))
            # Without a null, as for an input that is constant in every trial when it is shifted, there is nothing to
            # compare with.
            if height is None or not np.isfinite(row["null_low"]):
                continue
            panel.plot([row["null_low"], row["null_high"]], [height, height], color="#BFC7CC", linewidth=5, alpha=0.9)
            face = INK if row["q_value"] <= MAX_Q_VALUE else "white"
            dot = panel.plot(row["statistic"], height, "o", color=INK, markerfacecolor=face, markersize=4)[0]
            null_range = f"{number_text(row['null_low'])} to {number_text(row['null_high'])}"
            pathway = pathway_label(row["source"], row["target"])
            comparison = f"null {null_range}, q {number_text(row['q_value'])}"
            hover(dot, f"{pathway}: {number_text(row['statistic'])}; {comparison}")
        panel.set_title(title, fontsize=8)
        panel.tick_params(axis="y", length=0)
        panel.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(heights)), [pathway_label(source, target) for target, source in heights])
    axes[0, 0].invert_yaxis()
    legend = [
        Patch(facecolor="#BFC7CC", label="95 % range of the null"),
        legend_marker("o", f"the pathway, q ≤ {MAX_Q_VALUE:g}", color=INK),
        legend_marker("o", f"the pathway, q > {MAX_Q_VALUE:g}", color=INK, markerfacecolor="white"),
    ]
    legend_below(figure, legend)
    omitted = len(between) - len(heights)
    return Drawing(
        figure,
        "Every pathway compared with its nulls",
        "Additional nulls, which do not enter the verdict."
        + "".join(f" {text}" for words, text in NULL_MEANINGS.items() if any(word in present_words for word in words))
        + (
            f" {len(heights)} pathways are shown: resolved ones, and the largest shares; nulls.csv has {omitted} more."
            * (omitted > 0)
        ),
    )
