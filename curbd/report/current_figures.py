"""Pictures of the currents between regions over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from curbd.report.drawing import (
    GREY,
    INK,
    LINE_STYLES,
    MAX_PANEL_POINTS,
    QUARTER_TITLE_LETTERS,
    Dash,
    Drawing,
    Palette,
    event_line,
    in_order,
    legend_below,
    panels,
    resolved_first,
    source_colour,
    sources_in_order,
    wrapped_label,
    zero_line,
)
from curbd.report.reading import ModelResults
from curbd.report.recording_figures import most_frequent
from curbd.report.truth_figures import mean_true_currents
from curbd.report.wording import (
    GRADE_KEY,
    NOT_JUDGED_KEY,
    is_judged,
    meaning_of_estimated,
    pathway_label,
    source_label,
    with_marks,
)

Draw = Callable[[Axes, str, str], None]
"""Function that draws the current from a source to a target into a panel; its arguments are panel, target, source."""
MAX_MATRIX_PANELS = 72
"""If a matrix would have more panels, only the strongest pathways are shown."""
STRONGEST_PATHWAYS = 12
INTERVAL_IS_NO_VERDICT = (
    "An interval that excludes zero is no evidence for a pathway: it supposes that the pathway exists, and the mark "
    "says whether the data need the pathway."
)
SIGN_LINES: dict[str, tuple[Dash, str]] = {
    "excitatory": ("-", "through positive weights"),
    "inhibitory": ("--", "through negative weights"),
}


class Content(NamedTuple):
    """What a figure of currents shows, whether its panels are a matrix of all pathways or the strongest pathways.

    Attributes
    ----------
    draw : draws the current of one pathway.
    legend : entries of the legend.
    alt : text for readers who do not see the figure.
    caption : text below the figure, without what depends on the arrangement of its panels.
    """

    draw: Draw
    legend: Sequence[Line2D | Patch]
    alt: str
    caption: str


def matrix(fit: ModelResults, palette: Palette) -> Drawing:
    """Draw the mean current from every source to every target over time, with its interval, one line per condition.

    If the true network is known, the true current is drawn on top.
    """
    rows = fit.of_first_seed("currents")
    net = rows[rows["sign"] == "net"]
    shown = shown_conditions(fit)
    styles = dict(zip(shown, LINE_STYLES, strict=False))
    true = None if fit.truth is None else mean_true_currents(fit, fit.truth)

    recorded_times = fit.recording["time"].values

    def draw(panel: Axes, target: str, source: str) -> None:
        colour = source_colour(source, palette)
        of_pair = net[(net["target"] == target) & (net["source"] == source)]
        for condition, style in styles.items():
            line = of_pair[of_pair["condition"] == condition]
            line = line.iloc[:: 1 + len(line) // MAX_PANEL_POINTS]
            time = line["time_s"].to_numpy()
            name = shown[condition]
            look: dict[str, Any] = {"color": colour, "alpha": 0.22 / len(styles) ** 0.5, "linewidth": 0}
            panel.fill_between(time, line["ci_low"], line["ci_high"], label=name, **look)
            panel.plot(time, line["mean"], style, color=colour, label=name)
            if true is not None:
                of_truth = true[target, source, condition]
                panel.plot(recorded_times, of_truth, style, color=INK, linewidth=0.7, label=f"{name}, true")

    interval = net["ci_low"].notna().any()
    legend: list[Line2D | Patch] = []
    if len(styles) > 1:
        legend += [Line2D([], [], color=GREY, linestyle=style, label=shown[name]) for name, style in styles.items()]
    if interval:
        legend += [Patch(color=GREY, alpha=0.3, linewidth=0, label=fit.interval_label)]
    if true is not None:
        legend += [Line2D([], [], color=INK, linewidth=0.7, label="true current")]
    omitted = len(np.unique(fit.recording["condition"].values)) - len(styles)
    caption = (
        f"Current ({fit.current_unit}) over time, mean over the units of the target and the trials of a condition. "
        f"{GRADE_KEY}."
        + NOT_JUDGED_KEY * (not is_judged(fit.tables["pathways"]).all())
        + (
            ""
            if interval
            else " There is no interval, because the estimator has no posterior and the model has one fit."
        )
        + f" {INTERVAL_IS_NO_VERDICT}" * _excludes_zero(net, fit.tables["pathways"])
        + (
            f" The {len(styles)} most frequent conditions are shown; {omitted} more are in currents.parquet."
            * (omitted > 0)
        )
    )
    return _small_multiples(fit, palette, Content(draw, legend, "Matrix of mean currents over time", caption))


def _excludes_zero(net: pd.DataFrame, pathways: pd.DataFrame) -> bool:
    """Whether the interval of a pathway that may not exist excludes zero at some time."""
    unsure = pathways.loc[pathways["grade"].isin(["cannot_tell", "no_evidence"]), ["target", "source"]]
    rows = net.merge(unsure, on=["target", "source"])
    return bool(((rows["ci_low"] > 0) | (rows["ci_high"] < 0)).any())


def signed_matrix(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the mean current from every source to every target, separately for positive and negative weights."""
    if fit.is_of_populations:
        return None
    rows = fit.of_first_seed("currents")
    averaged = rows.groupby(["target", "source", "sign", "time_s"], sort=True)["mean"].mean()

    def draw(panel: Axes, target: str, source: str) -> None:
        colour = source_colour(source, palette)
        of_pair = averaged[target, source].reset_index().pivot_table(index="time_s", columns="sign", values="mean")
        of_pair = of_pair.iloc[:: 1 + len(of_pair) // MAX_PANEL_POINTS]
        for sign, (style, _) in SIGN_LINES.items():
            panel.plot(of_pair[sign].index, of_pair[sign], style, color=colour, alpha=0.45, linewidth=1.1, label=sign)
        panel.plot(of_pair["net"].index, of_pair["net"], color=colour, linewidth=1.8, label="net")

    legend: list[Line2D | Patch] = [Line2D([], [], color=INK, linewidth=1.8, label="net")]
    legend += [
        Line2D([], [], color=INK, alpha=0.45, linestyle=style, label=label) for style, label in SIGN_LINES.values()
    ]
    caption = (
        "Mean currents over all conditions, split by the sign of the weights; the currents through positive and "
        "negative weights sum to the net current. If rates can be negative, a current through positive weights can "
        "be negative as well."
    )
    alt = "Matrix of currents by the sign of the weights"
    return _small_multiples(fit, palette, Content(draw, legend, alt, caption))


def _small_multiples(fit: ModelResults, palette: Palette, content: Content) -> Drawing:
    """A panel for every target and source, or for the strongest pathways if these would be too many."""
    pathways = fit.tables["pathways"]
    mark = with_marks(pathways).set_index(["target", "source"])["mark"]
    targets = in_order(pathways["target"], palette)
    sources = [name for name in sources_in_order(fit.tables["currents"]["source"], palette) if name != "bias"]
    if len(targets) * len(sources) > MAX_MATRIX_PANELS:
        return _strongest(fit, mark, content)
    height = 0.75 + 1.25 * len(targets)
    figure, axes = panels(len(targets), len(sources), (max(5.0, 2.4 * len(sources)), height), share_x=True)
    letters = round(8 * figure.get_figwidth() / len(sources))
    for row, target in enumerate(targets):
        for column, source in enumerate(sources):
            panel = axes[row, column]
            if source == target:
                panel.set_facecolor("#F4F4F4")
            _draw_pathway(panel, target, source, mark, content.draw)
            if row == 0:
                panel.set_title(
                    wrapped_label(f"from {source_label(source)}", letters), color=source_colour(source, palette)
                )
            if row == len(targets) - 1:
                panel.set_xlabel("time (s)")
        axes[row, 0].set_ylabel(wrapped_label(f"to {target}", 13) + f"\n({fit.current_unit})", color=INK)
    _legend(figure, content.legend)
    layout = (
        "Rows are targets, columns are sources. Every panel has a scale of its own, because the current of a region "
        "onto itself would hide all others. The bias, which is constant, is left out."
    )
    return Drawing(figure, content.alt, f"{content.caption} {layout}{meaning_of_estimated(sources)}")


def _strongest(fit: ModelResults, mark: pd.Series, content: Content) -> Drawing:
    """A panel for each of the strongest pathways between regions, the resolved ones first."""
    pathways, columns = fit.tables["pathways"], 4
    strongest = resolved_first(pathways[pathways["target"] != pathways["source"]]).head(STRONGEST_PATHWAYS)
    pairs = list(zip(strongest["target"], strongest["source"], strict=True))
    figure, axes = panels(
        -(-len(pairs) // columns), columns, (10, 0.75 + 1.5 * -(-len(pairs) // columns)), share_x=True
    )
    for panel in axes.flat[len(pairs) :]:
        panel.set_visible(False)
    for panel, (target, source) in zip(axes.flat, pairs, strict=False):
        _draw_pathway(panel, target, source, mark, content.draw)
        panel.set_title(wrapped_label(pathway_label(source, target), QUARTER_TITLE_LETTERS), fontsize=8, color=INK)
    for panel in axes[:, 0]:
        panel.set_ylabel(fit.current_unit)
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    _legend(figure, content.legend)
    return Drawing(
        figure,
        content.alt,
        f"{len(pairs)} of {len(pathways)} pathways: first the resolved ones, then those with the largest share of the "
        f"current, without those within a region. currents.parquet has all of them. {content.caption}",
    )


def _draw_pathway(panel: Axes, target: str, source: str, mark: pd.Series, draw: Draw) -> None:
    """Draw the current of a pathway with the mark of its grade."""
    zero_line(panel)
    panel.set_label(pathway_label(source, target))
    draw(panel, target, source)
    event_line(panel)
    _write_mark(panel, mark.get((target, source), ""))


def _legend(figure: Figure, legend: Sequence[Line2D | Patch]) -> None:
    if legend:
        legend_below(figure, list(legend))


def _write_mark(panel: Axes, mark: str) -> None:
    box = {"facecolor": panel.get_facecolor(), "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
    where: dict[str, Any] = {"transform": panel.transAxes, "ha": "right", "va": "top", "bbox": box}
    if mark:
        panel.text(0.98, 0.96, mark, fontsize=9.5, color=INK, **where)


def shown_conditions(fit: ModelResults) -> dict[str, str]:
    """Return the conditions that panels of currents show, the most frequent ones, and their names in figures."""
    names = fit.condition_names
    shown = most_frequent(fit.recording["condition"].values.astype(str), len(LINE_STYLES))
    return {condition: names[condition] for condition in shown}
