"""Pictures of the contrasts of a model: which currents differ between conditions, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from curbd.report.comparison_sentences import MAX_Q_TO_REPORT
from curbd.report.drawing import (
    GREY,
    INK,
    MAX_PANEL_POINTS,
    QUARTER_TITLE_LETTERS,
    Drawing,
    Palette,
    event_line,
    legend_below,
    panels,
    source_colour,
    wrapped_label,
    zero_line,
)
from curbd.report.matrix import HEADING_POINTS, LABEL_POINTS, draw_matrix, names_of_matrix
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults
from curbd.report.wording import meaning_of_estimated, number_text, pathway_label, source_label

MAX_CONTRAST_PANELS = 16
"""If a contrast has more pathways, only those with the smallest q-values are drawn over time."""
CONTRAST_PANELS_IN_A_ROW = 4
MAX_CELLS_WITH_TEXT = 10
"""Matrices with more rows or columns have marks and no numbers."""
MAX_CLUSTER_P_VALUE = 0.05
CONTRAST_CELL = (1.15, 0.75)
"""Width and height of a cell with numbers in inches."""
SCALE_OF_DIFFERENCES = (
    "Differences are in standard deviations of the total current into the target, the same scale for all sources of a "
    "target"
)
NEGATIVE_DIFFERENCE = (
    "the difference is smaller than trials of one condition differ by chance. The estimate is cross-validated, so that "
    "it is 0 on average where nothing differs, and then falls below 0 as often as above"
)
"""Meaning of a negative size of a difference."""


def compared(fit: ModelResults) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield the rows of every contrast of the currents of a model, and the rows of its time courses."""
    contrasts = fit.tables["contrasts"]
    contrasts = contrasts[contrasts["part"] != "latent"]
    for labels, rows in contrasts.groupby(["contrast", "level_a", "level_b"], sort=True):
        courses = fit.tables["contrast_timecourses"]
        for column, label in zip(("contrast", "level_a", "level_b"), labels, strict=True):
            courses = courses[courses[column] == label]
        yield rows, courses


def title(rows: pd.DataFrame) -> str:
    """Return the name of a contrast and of its levels: ``reward: True − False``."""
    first = rows.iloc[0]
    return f"{first['contrast']}: {first['level_a']} − {first['level_b']}"


def matrix(rows: pd.DataFrame, palette: Palette) -> Drawing:
    """Draw a matrix of all pathways, shaded by the difference between the evoked currents."""
    targets, sources, remark = names_of_matrix(rows.sort_values(["q_value", "p_value"], kind="stable"), palette)
    by_part = {str(part): of_part.set_index(["target", "source"]) for part, of_part in rows.groupby("part", sort=False)}
    pattern = by_part["pattern"].pivot_table(
        index="target", columns="source", values="relative_difference", dropna=False
    )
    shades = pattern.reindex(index=targets, columns=sources).to_numpy(dtype=float)
    with_text = max(len(targets), len(sources)) <= MAX_CELLS_WITH_TEXT
    cells = {
        (row, column): {part: of_part.loc[(target, source)] for part, of_part in by_part.items()}
        for row, target in enumerate(targets)
        for column, source in enumerate(sources)
    }
    texts = {where: _cell_text(targets[where[0]], sources[where[1]], parts) for where, parts in cells.items()}
    figure, panel = draw_matrix(
        shades,
        targets,
        [source_label(name) for name in sources],
        cell=CONTRAST_CELL if with_text else None,
        largest=_largest(shades),
        texts=texts,
        bar="difference of the evoked\ncurrents (sd of the total\ncurrent of the target)",
    )
    for (row, column), parts in cells.items():
        _write(panel, (column, row), parts, with_text)
    panel.set_ylabel("to (target)")
    panel.set_xlabel("from (source)", labelpad=8)
    n_trials = rows.iloc[0][["n_trials_a", "n_trials_b"]].tolist()
    return Drawing(
        figure,
        f"Matrix of the differences of the currents, {title(rows)}",
        f"{title(rows)} ({n_trials[0]} against {n_trials[1]} trials, {number_text(rows.iloc[0]['start_s'])} to "
        f"{number_text(rows.iloc[0]['stop_s'])} s): the darker the cell, the more the evoked currents of the pathway "
        "differ over the units of the target; evoked currents are means over the trials of a level. "
        f"{SCALE_OF_DIFFERENCES}."
        + f" Grey cells: {NEGATIVE_DIFFERENCE}." * bool((shades < 0).any())
        + f" ★: the evoked currents differ at some time (q ≤ {MAX_Q_TO_REPORT:g})."
        + (
            " Number: signed difference of the current, mean over the units, on the same scale; bold if "
            f"q ≤ {MAX_Q_TO_REPORT:g}."
        )
        * with_text
        + " ~: the trial-to-trial part differs." * ("trial_to_trial" in by_part)
        + meaning_of_estimated(sources)
        + remark,
    )


def _cell_text(target: str, source: str, parts: dict[str, Any]) -> str:
    """What the page says about a pathway under the pointer: its difference in every part, and q."""
    texts = [
        f"{part.replace('_', ' ')} {number_text(cell['relative_difference'])} sd ({q_text(cell['q_value'])})"
        for part, cell in parts.items()
        if np.isfinite(cell["relative_difference"])
    ]
    return f"{pathway_label(source, target)}: {', '.join(texts) or 'no current'}"


def q_text(q_value: float) -> str:
    """Return the q-value of a difference in words, also where trials of a level do not vary, so that there is none."""
    return f"q {number_text(q_value)}" if np.isfinite(q_value) else "no q: the trials of a level are all the same"


def _largest(shades: np.ndarray) -> float:
    """The number with the darkest shade, which the strongest pathways do not exceed."""
    return float(np.nanmax(shades)) if (shades > 0).any() else 1.0


def _write(panel: Axes, where: tuple[int, int], cells: dict[str, Any], with_text: bool) -> None:
    """Write the marks and the difference of a pathway into its cell."""
    found = {part: bool(cell["q_value"] <= MAX_Q_TO_REPORT) for part, cell in cells.items()}
    marks = "★" * found["pattern"] + "~" * found["trial_to_trial"]
    if not with_text:
        panel.text(*where, marks, ha="center", va="center", fontsize=LABEL_POINTS, color=CELL_INK)
        return
    text = signed_text(cells["current"]["relative_difference"])
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": CELL_INK}
    panel.text(where[0], where[1] - 0.18, marks, fontsize=HEADING_POINTS, **style)
    panel.text(where[0], where[1] + 0.2, text, fontsize=8, fontweight="bold" if found["current"] else "normal", **style)


def signed_text(value: float) -> str:
    """Format a difference with its sign and two decimals; ``≈0`` for less, and NaN as an empty string."""
    if not np.isfinite(value):
        return ""
    if round(value, 2) == 0:
        return "≈0" if value else "0"
    return f"{value:+.2f}".replace("-", "−")


def timecourses(rows: pd.DataFrame, courses: pd.DataFrame, fit: ModelResults, palette: Palette) -> Drawing:
    """Draw the difference of the current of every pathway over time, with its interval and the clusters of bins."""
    of_current = rows[rows["part"] == "current"]
    order = of_current.sort_values(["q_value", "p_value"], kind="stable").head(MAX_CONTRAST_PANELS)
    pairs = sorted(zip(order["target"], order["source"], strict=True))
    n_columns = min(CONTRAST_PANELS_IN_A_ROW, len(pairs))
    n_rows = -(-len(pairs) // n_columns)
    figure, axes = panels(n_rows, n_columns, (10, 0.8 + 1.35 * n_rows), share_x=True)
    for panel in axes.flat[len(pairs) :]:
        panel.set_visible(False)
    by_pair = courses[courses["part"] == "current"].groupby(["target", "source"])
    for panel, (target, source) in zip(axes.flat, pairs, strict=False):
        colour = source_colour(source, palette)
        zero_line(panel)
        course = by_pair.get_group((target, source)).sort_values("time_s")
        course = course.iloc[:: 1 + len(course) // MAX_PANEL_POINTS]
        time_s = course["time_s"].to_numpy()
        look: dict[str, Any] = {"color": colour, "label": "difference"}
        panel.fill_between(time_s, course["ci_low"], course["ci_high"], alpha=0.25, linewidth=0, **look)
        panel.plot(time_s, course["difference"], **look)
        _mark_clusters(panel, time_s, course["p_value"].to_numpy())
        event_line(panel)
        panel.set_label(pathway_label(source, target))
        panel.set_title(wrapped_label(pathway_label(source, target), QUARTER_TITLE_LETTERS), fontsize=8, color=INK)
    for panel in axes[:, 0]:
        panel.set_ylabel(f"difference\n({fit.current_unit})")
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    drawn = courses.merge(order[["target", "source"]], on=["target", "source"])
    drawn = drawn[drawn["part"] == "current"]
    handles = []
    if drawn["ci_low"].notna().any():
        handles.append(Patch(color=GREY, alpha=0.3, linewidth=0, label=fit.interval_label))
    has_clusters = bool((drawn["p_value"] <= MAX_CLUSTER_P_VALUE).any())
    if has_clusters:
        handles.append(Patch(color=INK, label=f"cluster of bins with p ≤ {MAX_CLUSTER_P_VALUE:g}, corrected for time"))
    if handles:
        legend_below(figure, handles)
    omitted = len(of_current) - len(pairs)
    return Drawing(
        figure,
        f"Differences of the currents over time, {title(rows)}",
        f"{title(rows)}: difference of the current of every pathway over time, mean over the units of the target. "
        "Every panel has a scale of its own."
        + (
            " The bars are about the permuted trials alone; the q-values also take the uncertainty of the weights into "
            "account."
            if has_clusters
            else " In no bin does a difference exceed that of permuted trials."
        )
        + f" {omitted} more pathways are in contrasts.csv." * (omitted > 0),
    )


def _mark_clusters(panel: Axes, time_s: np.ndarray, p_value: np.ndarray) -> None:
    """Draw a bar below the course in bins of clusters with a small p-value."""
    found = p_value <= MAX_CLUSTER_P_VALUE
    if not found.any():
        return
    height = panel.get_ylim()[0]
    panel.scatter(time_s[found], np.full(found.sum(), height), marker="s", s=8, color=INK, linewidths=0, clip_on=False)
