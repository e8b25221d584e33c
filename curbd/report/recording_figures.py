"""Drawing of the recorded activity."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from curbd.recording.scaling import scaled_rates
from curbd.report.drawing import INK, Drawing, Palette, event_line, in_order, panels, wrapped_label
from curbd.report.reading import condition_names

MAX_ACTIVITY_CONDITIONS = 4
MIN_NAME_HEIGHT_INCHES = 0.17
"""Regions whose units take less height have no name."""
NAME_HEIGHT_INCHES, ROOM_AROUND_PANEL_INCHES = 0.19, 1.1
"""Height of the name of a region, and what titles and the labels of the time axis take."""


def activity(recording: xr.Dataset, palette: Palette) -> Drawing:
    """Draw the scaled rates of all units over time: means over the trials of a condition, or one continuous block.

    Parameters
    ----------
    recording : the recording.
    palette : region -> colour.

    Returns
    -------
    The picture.
    """
    r = scaled_rates(recording).values
    region = recording["region"].values.astype(str)
    rank = {name: at for at, name in enumerate(in_order(region, palette))}
    order = np.argsort([rank[name] for name in region], kind="stable")
    names = condition_names(recording)
    condition = recording["condition"].values.astype(str)
    blocks = recording.attrs["stretches"] == "blocks"
    # Blocks of continuous data share no event, so that an average over blocks would show nothing.
    shown = (
        {"": r[:1]}
        if blocks
        else {name: r[condition == name] for name in most_frequent(condition, MAX_ACTIVITY_CONDITIONS)}
    )
    averages = {name: trial_mean(values)[:, order].T for name, values in shown.items()}
    largest = max(float(np.nanmax(np.abs(average), initial=0)) for average in averages.values()) or 1.0
    signed = min(float(np.nanmin(average, initial=0)) for average in averages.values()) < -0.25 * largest
    time = recording["time"].values
    of_names = NAME_HEIGHT_INCHES * len(set(region)) + ROOM_AROUND_PANEL_INCHES
    height = float(np.clip(max(0.035 * len(region), of_names), 2.2, 5.0))
    figure, axes = panels(1, len(shown), (10, height), share_y="all")
    image = None
    for panel, (name, average) in zip(axes[0], averages.items(), strict=True):
        image = panel.imshow(
            average,
            aspect="auto",
            cmap="RdBu_r" if signed else "cividis",
            vmin=-largest if signed else 0,
            vmax=largest,
            extent=(time[0], time[-1], len(region), 0),
        )
        panel.set_title(f"{wrapped_label(names[name], 18)} ({len(shown[name])})" if len(shown) > 1 else "")
        event_line(panel)
        panel.set_xlabel("time (s)")
        panel.set_yticks([])
    _region_strips(axes[0, 0], region[order], palette, height - ROOM_AROUND_PANEL_INCHES)
    if image is not None:
        figure.colorbar(image, ax=axes[0, -1], label="scaled rate", pad=0.02)
    average_text = "in the first block" if blocks else "mean over the trials"
    of_condition = " of each condition (number of trials in brackets)" if len(shown) > 1 else ""
    return Drawing(
        figure,
        f"Heat map of the scaled rate of {len(region)} units over time, sorted by region",
        f"Recorded activity of every fitted unit, {average_text}{of_condition}. "
        + f"The {len(shown)} conditions with the most trials are shown, of {len(names)}. "
        * (len(names) > len(shown) > 1)
        + "Dotted line: t\u00a0=\u00a00." * bool(not blocks and time[0] < 0 < time[-1]),
    )


def _region_strips(axes: Axes, region: np.ndarray, palette: Palette, height: float) -> None:
    """A coloured strip and a name at the left of the rows of every region; ``height`` is that of all rows in inches."""
    names, starts, counts = np.unique(region, return_index=True, return_counts=True)
    for name, start, count in zip(names, starts, counts, strict=True):
        strip = Rectangle(
            (-0.02, start), 0.012, count, transform=axes.get_yaxis_transform(), color=palette[name], clip_on=False
        )
        axes.add_patch(strip)
        if count / len(region) * height > MIN_NAME_HEIGHT_INCHES:
            where: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
            axes.text(-0.03, start + count / 2, f"{name} ({count})", color=INK, **where)


def trial_mean(values: np.ndarray) -> np.ndarray:
    """Average over trials, (trial, time, unit) -> (time, unit); NaN if no trial has a value."""
    recorded = np.isfinite(values)
    count = recorded.sum(0)
    return np.where(count > 0, np.where(recorded, values, 0).sum(0) / np.maximum(count, 1), np.nan)


def most_frequent(condition: np.ndarray, number: int) -> list[str]:
    """Return the names of the ``number`` conditions with the most trials, in alphabetical order."""
    names, counts = np.unique(condition, return_counts=True)
    return sorted(str(name) for name in names[np.argsort(-counts, kind="stable")[:number]])
