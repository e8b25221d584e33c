"""Picture of the further nulls: what each pathway measures, beside what it would measure if nothing were there."""

from __future__ import annotations

from matplotlib.patches import Patch

from curbd.pathways.verdict import Q_VALUE
from curbd.report.drawing import INK, Picture, mark, panels, picture, source_label
from curbd.report.reading import Fitted

PANELS = {
    ("random_weights", "rms"): "random weights:\nrms (units of x)",
    ("random_weights", "correlation"): "random weights:\ncorrelation",
    ("time_shift", "held_out_gain"): "shifted in time:\nheld-out gain",
    ("trial_shuffle", "held_out_gain"): "trials shuffled:\nheld-out gain",
    ("region_labels", "held_out_gain"): "labels permuted:\nheld-out gain",
    ("random_group", "held_out_gain"): "random group:\nheld-out gain",
}
MOST_PATHWAYS = 16
"""The pathways of the largest share; the others are in the table."""


def nulls(fit: Fitted) -> Picture | None:
    """Every pathway from elsewhere into a region: its measure as a dot, 95 % of each null as a bar."""
    pathways = fit.tables["pathways"]
    other = pathways[pathways["source"] != pathways["target"]].sort_values("share", ascending=False, kind="stable")
    shown = other.head(MOST_PATHWAYS)[["target", "source"]].sort_values(["target", "source"])
    places = {pair: place for place, pair in enumerate(shown.itertuples(index=False, name=None))}
    rows = fit.tables["nulls"]
    if not places or rows.empty:
        return None
    figure, axes = panels(1, len(PANELS), (10, 1.5 + 0.24 * len(places)), share_y="all")
    for panel, (which, title) in zip(axes[0], PANELS.items(), strict=True):
        of_null = rows[(rows["null"] == which[0]) & (rows["measure"] == which[1])]
        panel.axvline(0, color="#D0D0D0", linewidth=0.7, zorder=0)
        for row in of_null.to_dict("records"):
            place = places.get((row["target"], row["source"]))
            if place is None:
                continue
            panel.plot([row["null_low"], row["null_high"]], [place, place], color="#BFC7CC", linewidth=5, alpha=0.9)
            face = INK if row["q_value"] <= Q_VALUE else "white"
            panel.plot(row["statistic"], place, "o", color=INK, markerfacecolor=face, markersize=4)
        panel.set_title(title, fontsize=8)
        panel.tick_params(axis="y", length=0)
        panel.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(places)), [f"{source_label(source)} → {target}" for target, source in places])
    axes[0, 0].invert_yaxis()
    marks = [
        Patch(facecolor="#BFC7CC", label="95 % of the null"),
        mark("o", f"the pathway, q ≤ {Q_VALUE:g}", color=INK),
        mark("o", f"the pathway, q > {Q_VALUE:g}", color=INK, markerfacecolor="white"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=3)
    omitted = len(other) - len(places)
    return picture(
        figure,
        "Every pathway beside six nulls",
        "Further nulls, none of which decides the verdict. Held-out gain: by what share of the target's squared "
        "current the held-out prediction gets worse without the source. Random weights of the same scale say how "
        "large, and how well correlated with what is left to explain, any current of the source would be. A source "
        "that is shifted in time or shuffled over trials loses its relation to the target, also a relation that it "
        "merely shares with others. Permuted labels and random groups of units say whether the border of the region "
        "matters, not whether there is a pathway."
        + (f" The {len(places)} pathways of the largest share; {omitted} more are in nulls.csv." * (omitted > 0)),
    )
