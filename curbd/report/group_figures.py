"""Forest plots of the quantities of all sessions, and of their combination over animals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from curbd.report.comparison_sentences import MAX_Q_TO_REPORT
from curbd.report.drawing import GREY, INK, Drawing, hover, legend_below, legend_marker, panels
from curbd.report.wording import counted, number_text, source_label

MAX_FOREST_ROWS = 24
"""Largest number of pathways in a forest plot, those with the smallest q-values."""
AXIS_OF_QUANTITY = {
    "share": "share of the current",
    "unique_share": "share of the held-out current that only this source adds",
    "held_out_gain": "share of the held-out current beyond the null",
    "evidence_per_bin": "evidence (nats per bin)",
    "contrast": "difference (sd of a trial)",
    "effect": "effect (sd of random groups)",
}
"""First word of a quantity -> label of its axis."""


def is_drawn(rows: pd.DataFrame) -> bool:
    """Return True if a quantity has pathways between regions in more than one session, and a plot of its own."""
    part = str(rows["quantity"].iloc[0]).rpartition(":")[2]
    return bool(len(_between(rows))) and part not in ("pattern", "trial_to_trial", "evoked")


def forest(model: str, quantity: str, rows: pd.DataFrame, sessions: pd.DataFrame) -> Drawing:
    """Draw the estimates of every session and their combination, one row per pathway between regions.

    Parameters
    ----------
    model, quantity : what is drawn.
    rows : rows of the table ``group`` with this model and quantity.
    sessions : quantities of every session, see `curbd.group.group_table.session_table`.
    """
    between = _between(rows).sort_values(["q_value", "p_value"], kind="stable")
    shown = between.head(MAX_FOREST_ROWS).sort_values(["target", "source"], kind="stable").reset_index(drop=True)
    of_quantity = sessions[(sessions["model"] == model) & (sessions["quantity"] == quantity)]
    figure, axes = panels(1, 1, (8.0, 1.1 + 0.34 * len(shown)))
    panel = axes[0, 0]
    panel.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    subjects = sorted(of_quantity["subject"].unique())
    shades = {name: str(0.4 + 0.3 * index / max(len(subjects) - 1, 1)) for index, name in enumerate(subjects)}
    arrow = "{} → {} − reverse" if quantity.startswith("asymmetry") else "{} → {}"
    names = [arrow.format(source_label(row["source"]), row["target"]) for _, row in shown.iterrows()]
    for line, (_, row) in enumerate(shown.iterrows()):
        height = len(shown) - 1 - line
        single = of_quantity[(of_quantity["target"] == row["target"]) & (of_quantity["source"] == row["source"])]
        heights = height - 0.1 - 0.3 * np.arange(len(single)) / max(len(single), 1)
        for (_, session), at in zip(single.iterrows(), heights, strict=True):
            shade = {"color": shades[session["subject"]]}
            marks = panel.plot([session["ci_low"], session["ci_high"]], [at, at], linewidth=0.8, **shade)
            marks += panel.plot(session["estimate"], at, "o", markersize=2.5, **shade)
            _tell(marks, f"{names[line]}, {session['recording']}", session)
        marks = panel.plot([row["ci_low"], row["ci_high"]], [height + 0.15] * 2, color=INK, linewidth=1.8)
        marks += panel.plot(row["estimate"], height + 0.15, "D", color=INK, markersize=5)
        _tell(marks, f"{names[line]}, all sessions", row)
    counts = [f"({row['n_supported']} of {row['n_sessions']}{_star(row['q_value'])})" for _, row in shown.iterrows()]
    labels = [f"{name} {count}" for name, count in zip(names, counts, strict=True)]
    panel.set_yticks(np.arange(len(shown))[::-1], labels)
    panel.set_ylim(-0.7, len(shown) - 0.3)
    low, high = _limits(shown, of_quantity)
    panel.set_xlim(low, high)
    cut = bool(((shown["ci_low"] < low) | (shown["ci_high"] > high)).any())
    panel.set_xlabel(AXIS_OF_QUANTITY.get(_first_word(quantity), quantity))
    handles = [
        legend_marker("D", "all sessions, 95 % interval", color=INK, markersize=5),
        legend_marker("o", "one session", color=GREY, markersize=3),
    ]
    legend_below(figure, handles)
    omitted = len(between) - len(shown)
    over = " and ".join(sorted(set(shown["interval_over"])))
    return Drawing(
        figure,
        f"Forest plot of {quantity}, {model}",
        f"Model {model}, quantity `{quantity}` of group.csv: estimates of {counted(len(subjects), 'animal')}. In "
        "brackets: sessions that support it, of the sessions that have it"
        + f"; ★: q ≤ {MAX_Q_TO_REPORT:g}, for any effect in these sessions"
        * bool((shown["q_value"] <= MAX_Q_TO_REPORT).any())
        + f". The interval of all sessions is over {over}."
        + " An interval of two sessions that reaches the edge goes on beyond the axis." * cut
        + (
            " A single session has no interval and no p-value here, because its model gives no standard error of this "
            "quantity; sessions are compared with one another."
        )
        * bool(of_quantity["ci_low"].isna().all())
        + f" {omitted} more are in group.csv." * (omitted > 0),
    )


def _limits(shown: pd.DataFrame, sessions: pd.DataFrame) -> tuple[float, float]:
    """Limits of the axis: all estimates, and the intervals of more than two sessions.

    With one degree of freedom, the interval of two sessions is so wide that all others would be points.
    """
    many = shown if (shown["n_sessions"] == 2).all() else shown[shown["n_sessions"] > 2]
    keys = shown[["target", "source"]]
    parts = [many[["ci_low", "ci_high", "estimate"]], shown[["estimate"]]]
    parts.append(sessions.merge(keys, on=["target", "source"])[["ci_low", "ci_high", "estimate"]])
    values = np.concatenate([part.to_numpy(float).ravel() for part in parts])
    low, high = min(np.nanmin(values), 0.0), max(np.nanmax(values), 0.0)
    margin = 0.06 * (high - low) or 0.01
    return float(low - margin), float(high + margin)


def title(quantity: str) -> str:
    """Return the heading of a forest plot: what its axis shows, and of which contrast or experiment."""
    name = quantity.removeprefix("asymmetry_")
    of_which = name.partition(":")[2]
    words = AXIS_OF_QUANTITY.get(_first_word(quantity), quantity)
    direction = "pathway minus its reverse: " if quantity.startswith("asymmetry") else ""
    heading = f"{direction}{words}" + (f", {of_which.replace(':', ' ')}" if of_which else "")
    return f"{heading[0].upper()}{heading[1:]}"


def _first_word(quantity: str) -> str:
    return quantity.removeprefix("asymmetry_").partition(":")[0]


def _tell(marks: Sequence[Line2D], name: str, row: pd.Series[Any]) -> None:
    """Let the marks of an estimate tell the estimate with its interval, and p where there is one."""
    interval = f" [{number_text(row['ci_low'])}, {number_text(row['ci_high'])}]" if np.isfinite(row["ci_low"]) else ""
    p_value = f", p {number_text(row['p_value'])}" if np.isfinite(row["p_value"]) else ""
    for mark in marks:
        hover(mark, f"{name}: {number_text(row['estimate'])}{interval}{p_value}")


def _between(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows from a region to another region, in more than one session."""
    regions = set(rows["target"])
    chosen = rows["source"].isin(regions | set(rows["source"][~rows["source"].str.contains(":")]))
    return rows[chosen & (rows["source"] != rows["target"]) & (rows["n_sessions"] > 1)]


def _star(q_value: float) -> str:
    return ", ★" if q_value <= MAX_Q_TO_REPORT else ""
