"""Pictures of the latent variables of low-rank networks."""

from __future__ import annotations

import pandas as pd
from matplotlib.lines import Line2D

from curbd.report.drawing import (
    LINE_STYLES,
    REGION_COLOURS,
    Drawing,
    Palette,
    event_line,
    legend_below,
    panels,
    zero_line,
)
from curbd.report.reading import ModelResults
from curbd.report.recording_figures import most_frequent
from curbd.report.wording import counted

MAX_LATENTS = 4
MAX_LATENT_TRIALS = 6


def trajectories(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw the first latents over time: single trials as thin lines, the mean of every condition as a thick line."""
    rows = fit.of_first_seed("latents")
    if rows.empty:
        return None
    names = _names(fit, sorted(rows["latent"].unique()))
    latents = list(names)
    conditions = most_frequent(fit.recording["condition"].values.astype(str), len(LINE_STYLES))
    looks = dict(zip(conditions, zip(REGION_COLOURS, LINE_STYLES, strict=False), strict=False))
    plane = len(latents) > 1
    columns = len(latents) + plane
    figure, axes = panels(1, columns, (max(4.0, 2.3 * columns), 2.5))
    for panel, latent in zip(axes[0], latents, strict=False):
        zero_line(panel)
        of_latent = rows[rows["latent"] == latent]
        for condition, (colour, style) in looks.items():
            wide = _by_trial(of_latent, condition)
            panel.plot(wide.index, wide.iloc[:, :MAX_LATENT_TRIALS], color=colour, linewidth=0.6, alpha=0.45)
            mean = wide.mean(axis=1)
            panel.plot(wide.index, mean, style, color=colour, linewidth=2, label=fit.condition_names[condition])
        panel.set_label(names[latent])
        panel.set_title(names[latent])
        panel.set_xlabel("time (s)")
        event_line(panel)
    axes[0, 0].set_ylabel("latent" if fit.is_of_populations else "κ = n′r")
    if plane:
        panel = axes[0, -1]
        for condition, (colour, style) in looks.items():
            x, y = (_by_trial(rows[rows["latent"] == latent], condition).mean(axis=1) for latent in latents[:2])
            panel.plot(x, y, style, color=colour)
            panel.plot(x.iloc[:1], y.iloc[:1], "o", color=colour, markersize=5)
        panel.set_title("first two latents")
        panel.set_xlabel(names[latents[0]])
        panel.set_ylabel(names[latents[1]])
    if len(looks) > 1:
        legend = [
            Line2D([], [], color=colour, linestyle=style, linewidth=2, label=fit.condition_names[condition])
            for condition, (colour, style) in looks.items()
        ]
        legend_below(figure, legend)
    rank = rows["latent"].nunique()
    return Drawing(
        figure,
        "Latent variables over time",
        (
            f"The regions have {rank} latents, which stand for whole populations; the first of "
            f"{'every region' if len(names) == _n_regions(fit) else f'{len(names)} regions'} is drawn. "
            if fit.is_of_populations
            else f"The network has rank {rank}: all recurrent currents pass through {counted(rank, 'latent')}. "
        )
        + f"Thin lines: up to {MAX_LATENT_TRIALS} trials of a condition. Thick lines: mean over the trials."
        + (" The dot is the start of the trial." if plane else ""),
    )


def _names(fit: ModelResults, latents: list[int]) -> dict[int, str]:
    """Latent -> its name in the figure, for the latents that are drawn: of populations, the first of every region."""
    if not fit.is_of_populations:
        return {latent: f"latent {latent}" for latent in latents[:MAX_LATENTS]}
    regions = fit.networks["latent_region"].values.astype(str)
    first = dict[str, int]()
    for latent, region in zip(latents, regions, strict=False):
        first.setdefault(region, latent)
    return {latent: f"latent {latent}\n({region})" for region, latent in list(first.items())[:MAX_LATENTS]}


def _n_regions(fit: ModelResults) -> int:
    return len(set(fit.networks["latent_region"].values.astype(str)))


def _by_trial(rows: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Latent (time, trial) of a condition."""
    chosen = rows[rows["condition"] == condition]
    return chosen.pivot_table(index="time_s", columns="trial", values="value", dropna=False, aggfunc="first")
