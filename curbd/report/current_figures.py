"""Pictures of the currents between regions, and of their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from curbd.report.drawing import (
    CELL_INK,
    GRADE_KEY,
    GRADE_MARKS,
    GRADE_WORDS,
    GREY,
    INK,
    LINE_STYLES,
    MAX_PANEL_POINTS,
    Dash,
    Drawing,
    Palette,
    event_line,
    in_order,
    legend_below,
    matrix_cells,
    number_text,
    panels,
    pathway_label,
    percent_text,
    resolved_first,
    source_colour,
    source_label,
    wrapped_label,
    zero_line,
)
from curbd.report.reading import ModelResults
from curbd.report.recording_figures import most_frequent
from curbd.report.truth_figures import mean_true_currents

Draw = Callable[[Axes, str, str], None]
"""Function that draws the current from a source to a target into a panel; its arguments are panel, target, source."""
MAX_MATRIX_PANELS = 72
"""If a matrix would have more panels, only the strongest pathways are shown."""
STRONGEST_PATHWAYS = 12
MAX_VERDICTS_WITH_TEXT = 11
"""Matrices with more rows or columns have no text in their cells."""
GRADE_HATCHES = {"supported": "..", "cannot_tell": "////", "no_evidence": "////"}
"""Grade -> hatching of a cell; cells of resolved pathways are plain."""
MAX_VERDICTS_WITH_MARKS = 30
"""Matrices with more rows or columns have no marks in their cells."""
SIGN_LINES: dict[str, tuple[Dash, str]] = {
    "excitatory": ("-", "through positive weights"),
    "inhibitory": ("--", "through negative weights"),
}


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
        legend += [Patch(color=GREY, alpha=0.3, linewidth=0, label="95 % interval")]
    if true is not None:
        legend += [Line2D([], [], color=INK, linewidth=0.7, label="true current")]
    omitted = len(np.unique(fit.recording["condition"].values)) - len(styles)
    caption = (
        "Current over time, mean over the units of the target and the trials of a condition. "
        f"{GRADE_KEY}."
        + (
            ""
            if interval
            else " There is no interval, because the estimator has no posterior and the model has one fit."
        )
        + (
            f" The {len(styles)} most frequent conditions are shown; {omitted} more are in currents.parquet."
            * (omitted > 0)
        )
    )
    return _small_multiples(fit, palette, draw, legend, "Matrix of mean currents over time", caption)


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
    return _small_multiples(fit, palette, draw, legend, "Matrix of currents by the sign of the weights", caption)


def _small_multiples(
    fit: ModelResults, palette: Palette, draw: Draw, legend: Sequence[Line2D | Patch], alt: str, caption: str
) -> Drawing:
    pathways = fit.tables["pathways"]
    grade = pathways.set_index(["target", "source"])["grade"]
    targets = in_order(pathways["target"], palette)
    sources = [name for name in sources_in_order(fit.tables["currents"], palette) if name != "bias"]
    if len(targets) * len(sources) > MAX_MATRIX_PANELS:
        strongest = pathways[pathways["target"] != pathways["source"]]
        strongest = resolved_first(strongest).head(STRONGEST_PATHWAYS)
        pairs = list(zip(strongest["target"], strongest["source"], strict=True))
        return _strongest(pairs, grade, palette, draw, legend, alt, caption)
    height = 0.75 + 1.25 * len(targets)
    figure, axes = panels(len(targets), len(sources), (max(5.0, 2.4 * len(sources)), height), share_x=True)
    letters = round(8 * figure.get_figwidth() / len(sources))
    for row, target in enumerate(targets):
        for column, source in enumerate(sources):
            panel = axes[row, column]
            if source == target:
                panel.set_facecolor("#F4F4F4")
            zero_line(panel)
            panel.set_label(pathway_label(source, target))
            draw(panel, target, source)
            event_line(panel)
            _grade_mark(panel, grade.get((target, source), ""))
            if row == 0:
                panel.set_title(
                    wrapped_label(f"from {source_label(source)}", letters), color=source_colour(source, palette)
                )
            if row == len(targets) - 1:
                panel.set_xlabel("time (s)")
        axes[row, 0].set_ylabel(wrapped_label(f"to {target}", 13) + "\n(units of x)", color=INK)
    _legend(figure, legend)
    layout = (
        "Rows are targets, columns are sources. Every panel has a scale of its own, because the current of a region "
        "onto itself would hide all others. The bias, which is constant, is left out."
    )
    return Drawing(figure, alt, f"{caption} {layout}")


def _strongest(
    pairs: Sequence[tuple[str, str]],
    grade: pd.Series,
    palette: Palette,
    draw: Draw,
    legend: Sequence[Line2D | Patch],
    alt: str,
    caption: str,
) -> Drawing:
    columns = 4
    figure, axes = panels(
        -(-len(pairs) // columns), columns, (10, 0.75 + 1.5 * -(-len(pairs) // columns)), share_x=True
    )
    for panel in axes.flat[len(pairs) :]:
        panel.set_visible(False)
    for panel, (target, source) in zip(axes.flat, pairs, strict=False):
        zero_line(panel)
        panel.set_label(pathway_label(source, target))
        draw(panel, target, source)
        event_line(panel)
        _grade_mark(panel, grade.get((target, source), ""))
        panel.set_title(pathway_label(source, target), fontsize=8, color=source_colour(source, palette))
    for panel in axes[:, 0]:
        panel.set_ylabel("current (x)")
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    _legend(figure, legend)
    return Drawing(
        figure,
        alt,
        f"{len(pairs)} pathways between regions: resolved ones, and those with the largest share of the current. "
        f"{caption}",
    )


def _legend(figure: Figure, legend: Sequence[Line2D | Patch]) -> None:
    if legend:
        legend_below(figure, list(legend))


def _grade_mark(panel: Axes, grade: str) -> None:
    box = {"facecolor": panel.get_facecolor(), "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
    where: dict[str, Any] = {"transform": panel.transAxes, "ha": "right", "va": "top", "bbox": box}
    if grade:
        panel.text(0.98, 0.96, GRADE_MARKS[grade], fontsize=9.5, color=INK, **where)


def verdicts(fit: ModelResults, palette: Palette) -> Drawing:
    """Draw a matrix of all pathways with their share, rms, null and grade."""
    pathways = fit.tables["pathways"]
    targets, sources = in_order(pathways["target"], palette), sources_in_order(pathways, palette)
    share = pathways.pivot_table(index="target", columns="source", values="share").reindex(
        index=targets, columns=sources
    )
    has_text = max(len(targets), len(sources)) <= MAX_VERDICTS_WITH_TEXT
    step = (1.15, 0.75) if has_text else (9.0 / len(sources), 8.0 / len(targets))
    size = (max(4.0, 1.2 + step[0] * len(sources)), 0.7 + step[1] * len(targets))
    figure, axes = panels(1, 1, size)
    panel = axes[0, 0]
    image = matrix_cells(
        panel,
        share.to_numpy(float),
        [wrapped_label(name) for name in targets],
        [wrapped_label(source_label(name)) for name in sources],
        _largest_share(share),
        {(targets.index(target), sources.index(source)): _cell_text(row) for target, source, row in _pairs(pathways)},
    )
    for target, source, row in _pairs(pathways):
        where = (sources.index(source), targets.index(target))
        if has_text:
            if row["grade"] in GRADE_HATCHES:
                _hatch(panel, where, GRADE_HATCHES[row["grade"]])
            _write_cell(panel, where, row)
        elif row["grade"] != "no_evidence" and max(len(targets), len(sources)) <= MAX_VERDICTS_WITH_MARKS:
            panel.text(*where, GRADE_MARKS[row["grade"]], fontsize=7, color=CELL_INK, ha="center", va="center")
    panel.set_ylabel("to (target)")
    panel.set_xlabel("from (source)", labelpad=8)
    if not has_text:
        panel.tick_params(axis="x", rotation=90)
        panel.tick_params(labelsize=5 if len(sources) > 40 else 7)
        figure.colorbar(image, ax=panel, label="share of the current of the target", shrink=0.4)
    key = f"{GRADE_KEY}. " + (
        "Every cell has the share of the current of the "
        "target, the rms of the current, and its null: the rms that the fit gives when the trials of the source are "
        "shuffled."
        if has_text
        else "Cells without a mark: no evidence. The share of a cell is under the pointer."
    )
    return Drawing(
        figure,
        "Matrix of verdicts: "
        + "; ".join(f"{s} to {t}: {row['grade'].replace('_', ' ')}" for t, s, row in _pairs(pathways))
        if has_text
        else "Matrix of shares and verdicts",
        "Which source drives which target: the darker the cell, the larger the share of the source in the current of "
        f"the target; cells are darkest from {percent_text(_largest_share(share))} on. {key}",
    )


def _largest_share(share: pd.DataFrame) -> float:
    """The share with the darkest shade: the largest of a source on another region, so that small shares differ."""
    others = [share.loc[target, source] for target in share.index for source in share.columns if source != target]
    largest = np.nanmax(others) if len(others) and np.isfinite(others).any() else 1.0
    return float(largest) if largest > 0 else 1.0


def _write_cell(panel: Axes, where: tuple[int, int], row: pd.Series[Any]) -> None:
    null = f"\nnull {number_text(row['null_rms'])}" if np.isfinite(row["null_rms"]) else ""
    column, line = where
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    panel.text(
        column,
        line - 0.2,
        f"{GRADE_MARKS[row['grade']]} {percent_text(row['share'])}",
        fontsize=9.5,
        color=CELL_INK,
        **middle,
    )
    panel.text(column, line + 0.2, f"rms {number_text(row['rms'])}{null}", fontsize=7, color="#333333", **middle)


def _cell_text(row: pd.Series[Any]) -> str:
    """What the page says about a pathway under the pointer."""
    numbers = {
        "share": percent_text(row["share"]) if np.isfinite(row["share"]) else "",
        "rms": number_text(row["rms"]),
        "null": number_text(row["null_rms"]),
        "q": number_text(row["q_value"]),
    }
    texts = ", ".join(f"{name} {text}" for name, text in numbers.items() if text)
    return f"{pathway_label(row['source'], row['target'])}: {GRADE_WORDS[row['grade']]}; {texts}"


def _hatch(panel: Axes, where: tuple[int, int], hatch: str) -> None:
    corner = (where[0] - 0.47, where[1] - 0.46)
    panel.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, hatch=hatch, edgecolor="#6B7982", linewidth=0))


def _pairs(pathways: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series[Any]]]:
    """Target, source and row of every pathway."""
    for _, row in pathways.iterrows():
        yield str(row["target"]), str(row["source"]), row


def shown_conditions(fit: ModelResults) -> dict[str, str]:
    """Return the conditions that panels of currents show, the most frequent ones, and their names in figures."""
    names = fit.condition_names
    shown = most_frequent(fit.recording["condition"].values.astype(str), len(LINE_STYLES))
    return {condition: names[condition] for condition in shown}


def sources_in_order(table: pd.DataFrame, palette: Palette) -> list[str]:
    """Return the sources of a table of pathways or currents: regions, then inputs, then the bias."""
    names = in_order(table["source"], palette)
    return [name for name in names if name != "bias"] + ["bias"] * ("bias" in names)
