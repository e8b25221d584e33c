"""The currents of all pathways in short, of which a reader of the page chooses regions to be drawn."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curbd.report.current_figures import INTERVAL_IS_NO_VERDICT, shown_conditions
from curbd.report.drawing import MAX_PANEL_POINTS, Palette, in_order, resolved_first, source_colour, sources_in_order
from curbd.report.figures import plot_call
from curbd.report.page_colours import page_colour
from curbd.report.reading import ModelResults
from curbd.report.short_numbers import short_numbers
from curbd.report.wording import counted, percent_text, source_label, with_marks

MIN_REGIONS_TO_CHOOSE = 3
MAX_CHOICE_NUMBERS = 70_000
"""About as many numbers are on a page at most: courses of many pathways have fewer points."""
MIN_CHOICE_POINTS = 20
STEPS_OF_SCALE = 250
"""Currents are whole numbers of steps of the range of their pathway."""


class Choice(NamedTuple):
    """What the script of the page draws the currents of chosen regions from.

    Attributes
    ----------
    name : name of the figure on the page.
    names : region or source -> its label, in the order of the check boxes.
    chosen : regions that are chosen at first: those of the strongest pathway between regions, a resolved one if there
        is any.
    caption : text below the figure.
    data : the currents as JSON, without characters that have a meaning in HTML.
    """

    name: str
    names: dict[str, str]
    chosen: list[str]
    caption: str
    data: str


def choice(recording: str, fit: ModelResults, palette: Palette, results: str) -> Choice | None:
    """Shorten the currents of a model for the script of its page.

    Parameters
    ----------
    recording : name of the recording.
    fit : the results of the model.
    palette : region -> colour.
    results : folder of the results, for the line of code below the figure.

    Returns
    -------
    The currents; None if there are too few regions to choose from.
    """
    pathways = with_marks(resolved_first(fit.tables["pathways"]))
    regions = in_order(pathways["target"], palette)
    if len(regions) < MIN_REGIONS_TO_CHOOSE:
        return None
    conditions = shown_conditions(fit)
    of_pathway = 3 * len(conditions)
    kept = pathways.head(MAX_CHOICE_NUMBERS // (of_pathway * MIN_CHOICE_POINTS))
    n_points = int(np.clip(MAX_CHOICE_NUMBERS // (of_pathway * len(kept)), MIN_CHOICE_POINTS, MAX_PANEL_POINTS))
    rows = fit.of_first_seed("currents")
    rows = rows[(rows["sign"] == "net") & rows["condition"].isin(list(conditions))]
    time_s = np.sort(rows["time_s"].unique())
    time_s = time_s[:: -(-len(time_s) // n_points)]
    rows = rows[rows["time_s"].isin(time_s)]
    courses = dict(iter(rows.groupby(["target", "source"])))
    between = kept[(kept["source"] != kept["target"]) & kept["source"].isin(regions)]
    names = {name: source_label(name) for name in sources_in_order(kept["source"], palette) if name != "bias"}
    data = {
        "names": {name: [label, page_colour(source_colour(name, palette))] for name, label in names.items()},
        "conditions": list(conditions.values()),
        "time_s": [float(f"{time:.6g}") for time in time_s],
        "pathways": [
            _pathway(row, courses[row["target"], row["source"]], list(conditions), time_s)
            for row in kept.to_dict("records")
            if (row["target"], row["source"]) in courses
        ],
        "code": plot_call(results, "currents", recording, fit.name).removesuffix(")"),
    }
    return Choice(
        name=f"{recording}-{fit.name}-choice",
        names=names,
        chosen=list(between.iloc[0][["target", "source"]]) if len(between) else regions[:2],
        caption=_caption(fit, len(pathways) - len(kept), bool(rows["ci_low"].notna().any())),
        data=_in_html(json.dumps(data, separators=(",", ":"), ensure_ascii=False)),
    )


def _caption(fit: ModelResults, omitted: int, has_interval: bool) -> str:
    return (
        f"Rows are targets, columns are sources: current ({fit.current_unit}) over time (s), mean over the units of "
        "the target and the trials of a condition"
        + f", with its {fit.interval_label}" * has_interval
        + ". Above every panel are the grade and the share of the pathway. Every panel has a scale of its own."
        + f" {INTERVAL_IS_NO_VERDICT}" * has_interval
        + f" {counted(omitted, 'more pathway')}, not resolved and with the smallest shares, can be drawn by the line "
        "of code." * (omitted > 0)
    )


def _in_html(text: str) -> str:
    """JSON without the characters that begin or end a tag or an entity, which only texts contain."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _pathway(row: dict[Any, Any], course: pd.DataFrame, conditions: list[str], time_s: np.ndarray) -> dict[str, Any]:
    """The current of one pathway: its mean and its interval in each condition, in steps of the range of all three."""
    by_condition = course.set_index(["condition", "time_s"])[["mean", "ci_low", "ci_high"]].sort_index()
    wanted = pd.MultiIndex.from_product([conditions, time_s])
    values = by_condition.reindex(wanted).to_numpy(float).reshape(len(conditions), len(time_s), 3)
    present = values[np.isfinite(values)]
    low, high = (present.min(), present.max()) if present.size else (0.0, 0.0)
    step = (high - low) / STEPS_OF_SCALE or 1.0
    steps = [
        [short_numbers([None if np.isnan(x) else round((x - low) / step) for x in line]) for line in of_condition.T]
        for of_condition in values
    ]
    return {
        "source": row["source"],
        "target": row["target"],
        "note": f"{row['mark']} {percent_text(row['share'])}",
        "low": float(f"{low:.6g}"),
        "step": float(f"{step:.6g}"),
        "steps": steps,
    }
