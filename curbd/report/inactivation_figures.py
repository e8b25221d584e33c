"""Pictures of the effects of experiments in the fitted networks: all effects, and effects against the dose."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from curbd.inactivation.tabulate import effect_size
from curbd.recording.scaling import silent
from curbd.report.drawing import (
    INK,
    Drawing,
    Palette,
    in_order,
    legend_below,
    legend_marker,
    number_text,
    panels,
    wrapped_label,
)
from curbd.report.findings import MAX_Q_TO_REPORT
from curbd.report.matrix import MAX_MATRIX_NAMES, draw_matrix, text_inches, write_cell
from curbd.report.page_colours import CELL_INK
from curbd.report.reading import ModelResults

MAX_EXPERIMENTS_WITH_TEXT, MAX_REGIONS_WITH_TEXT = 16, 6
"""Matrices with more rows or columns have no text in their cells."""
CELL_WIDTH_INCHES, ROOM_AROUND_TEXT_INCHES = 1.75, 0.35
"""Width of a cell with text, and what is free above and below the text of the fullest cell."""
MIN_INTACT_HZ = 0.01
"""Effects on regions with a smaller intact rate are not given in percent."""
MAX_DOSE_SERIES, MAX_REGIONS_IN_PANEL = 6, 7


def effects(fit: ModelResults) -> pd.DataFrame:
    """Select the rows of the table ``inactivations`` about regions, for the first seed.

    Two columns are added: ``size`` and ``shift`` are the rms and the mean of the effect, as expected under the
    posterior; if there is no posterior, they are the rms and the mean of the effect in the fit.
    """
    rows = fit.of_first_seed("inactivations")
    rows = rows[rows["target_kind"] == "region"]
    return rows.assign(size=effect_size(rows), shift=rows["expected_mean"].fillna(rows["effect_mean"]))


def matrix(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw a matrix of the effects of all perturbations on all regions, over all conditions."""
    rows = effects(fit)
    if rows.empty:
        return None
    rows = rows.assign(square=rows["size"] ** 2, own=rows["perturbed_share"] == 1)
    perturbations, targets, remark = _shown(rows, palette)
    cells = {
        (str(perturbation), str(target)): cell
        for (perturbation, target), cell in rows.groupby(["perturbation", "target"])
        if perturbation in perturbations and target in targets
    }
    effect = np.full((len(perturbations), len(targets)), np.nan)
    for (perturbation, target), cell in cells.items():
        if not cell["own"].any():
            effect[perturbations.index(perturbation), targets.index(target)] = np.sqrt(cell["square"].mean())
    has_text = effect.shape[0] <= MAX_EXPERIMENTS_WITH_TEXT and effect.shape[1] <= MAX_REGIONS_WITH_TEXT
    in_hz = effects_in_hz(fit)
    lines = {key: _lines(cell, in_hz.get(key, "")) for key, cell in cells.items()}
    height = text_inches(max(map(len, lines.values())) - 1) + ROOM_AROUND_TEXT_INCHES
    figure, panel = draw_matrix(
        effect,
        perturbations,
        targets,
        cell=(CELL_WIDTH_INCHES, height) if has_text else None,
        largest=float(np.nanmax(effect, initial=0)),
        texts={
            (perturbations.index(perturbation), targets.index(target)): f"{perturbation} on {target}: "
            + ", ".join(of_cell if has_text else of_cell[:1])
            for (perturbation, target), of_cell in lines.items()
        },
        bar="" if has_text else "effect, rms of scaled rates",
    )
    panel.set_facecolor("#EEEEEE")
    if has_text:
        for (perturbation, target), (first, *details) in lines.items():
            where = (perturbations.index(perturbation), targets.index(target))
            own = bool(cells[perturbation, target]["own"].any())
            write_cell(panel, where, first, details, height, INK if own else CELL_INK)
    panel.set_xlabel("effect on", labelpad=8)
    panel.set_ylabel("experiment")
    several = len(rows["condition"].unique()) > 1
    below = (
        "the mean over the units in Hz and in percent of their rate in the intact simulation"
        if in_hz
        else "the mean" + f" with its {fit.interval_label}" * bool(rows["ci_low"].notna().any())
    )
    caption = (
        "Predicted effect of every experiment (rows) on the rates of every region (columns): rms of the perturbed "
        "minus the intact simulation in scaled rates"
        + (
            ", as expected under the posterior (expected_rms in inactivations.csv)"
            if fit.has_posterior
            else " (effect_rms in inactivations.csv)"
        )
        + (", and below it " + below if has_text else "")
        + "."
        + (
            " q compares the effect with that of the same perturbation of random groups of as many units, corrected "
            "for the number of effects" + f"; ★: q ≤ {MAX_Q_TO_REPORT:g}" * has_text + "."
        )
        * bool(rows["q_value"].notna().any())
        + " Cells are grey where the experiment acts on the whole region itself." * bool(rows["own"].any())
        + (
            " “Not supported” means that no resolved or supported pathways lead from the perturbation to the region, "
            "or that less than 60 % of the squared effect is expected to be true."
            if has_text and (rows["verdict"] == "unsupported").any()
            else ""
        )
        + (
            " R² over time: share of the squared effect in the true network, over units, trials and time, that is "
            "predicted."
            if _has_truth(rows) and has_text
            else ""
        )
        + (
            " Where the conditions differ, the range over conditions is given; inactivations.csv has every condition."
            if several and has_text and rows["q_value"].notna().any()
            else ""
        )
        + remark
    )
    alt = [f"{p} on {t}: {number_text(float(np.sqrt(cell['square'].mean())))}" for (p, t), cell in cells.items()]
    return Drawing(figure, "Matrix of effects" + (": " + "; ".join(alt) if has_text else ""), caption)


def _has_truth(rows: pd.DataFrame) -> bool:
    return "true_r2" in rows and bool(rows["true_r2"].notna().any())


def _lines(cell: pd.DataFrame, in_hz: str) -> list[str]:
    """The size of an effect, then the effect in Hz or its mean, and its test, as lines of a cell."""
    own = bool(cell["own"].any())
    star = " ★" if not own and (cell["q_value"] <= MAX_Q_TO_REPORT).all() else ""
    lines = [f"{number_text(float(np.sqrt(cell['square'].mean())))}{star}"] + (["itself"] if own else [])
    if in_hz:
        lines.append(in_hz)
    elif not own:
        lines.append(f"mean {number_text(float(cell['shift'].mean()))}")
        if cell["ci_low"].notna().all():
            # One interval for all conditions: from the lowest lower end to the highest upper end.
            lines.append(f"[{number_text(float(cell['ci_low'].min()))}, {number_text(float(cell['ci_high'].max()))}]")
    if cell["q_value"].notna().any() and not own:
        lines.append(f"q {_range(cell['q_value'])}")
    if (cell["verdict"] == "unsupported").all():
        lines.append("not supported")
    if _has_truth(cell):
        lines.append(f"R² over time {_range(cell['true_r2'])}")
    return lines


def _shown(rows: pd.DataFrame, palette: Palette) -> tuple[list[str], list[str], str]:
    """The perturbations and targets of the matrix, and a remark on those that are left out.

    If there are too many for legible labels, supported effects come first, then the largest.
    """
    perturbations, targets = list(rows["perturbation"].unique()), in_order(rows["target"], palette)
    if max(len(perturbations), len(targets)) <= MAX_MATRIX_NAMES:
        return perturbations, targets, ""
    best = rows[~rows["own"]].assign(unsupported=rows["verdict"] != "supported")
    best = best.sort_values(["unsupported", "size"], ascending=[True, False], kind="stable")
    strong, moved = (set(best[column].unique()[:MAX_MATRIX_NAMES]) for column in ("perturbation", "target"))
    remark = (
        f" {len(strong)} of {len(perturbations)} experiments and {len(moved)} of {len(targets)} regions are shown, "
        "those of supported and of large effects; inactivations.csv has all."
    )
    return [name for name in perturbations if name in strong], [name for name in targets if name in moved], remark


def effects_in_hz(fit: ModelResults) -> dict[tuple[str, str], str]:
    """Return the mean effect on the units of a region in Hz and in percent of their intact rate.

    Returns
    -------
    (perturbation, region) -> text; empty if the rates of the recording are not in Hz.
    """
    recording = fit.recording
    if recording["rates"].attrs.get("units") != "Hz" or recording.attrs["activity"] == "model":
        return {}
    scale = recording["scale"].to_series()
    units = fit.of_first_seed("inactivation_units")
    hz = units["unit_id"].map(scale.set_axis(recording["unit_id"].values.astype(str)))
    intact = (units["intact_mean"] - silent(recording, fit.networks.attrs.get("phi"))) * hz
    units = units.assign(effect=units["effect_mean"] * hz, intact=intact)
    means = units.groupby(["perturbation", "region"], as_index=False)[["effect", "intact"]].mean()
    texts = {}
    for row in means.to_dict("records"):
        share = f" ({_change_text(row['effect'] / row['intact'])})" if row["intact"] > MIN_INTACT_HZ else ""
        texts[str(row["perturbation"]), str(row["region"])] = f"{row['effect']:+.2g} Hz{share}".replace("-", "−")
    return texts


def _change_text(share: float) -> str:
    """A relative change in percent with its sign; ``<1 %`` for a change that is small and not zero."""
    return "<1 %" if 0 < abs(share) < 0.005 else f"{100 * share:+.0f} %"


def _range(values: pd.Series[float]) -> str:
    """The smallest and the largest value as text; one number where both have the same digits."""
    low, high = number_text(float(values.min())), number_text(float(values.max()))
    return low if low == high else f"{low} to {high}"


def doses(fit: ModelResults, palette: Palette) -> Drawing | None:
    """Draw effects against the dose (strength or share of the units), for experiments with several doses."""
    rows = effects(fit)
    rows = rows[rows["perturbed_share"] < 1]
    rows = rows.assign(series=rows["experiment"] + ":" + rows["acts_on"])
    window = ["series", "start_s", "stop_s"]
    by_strength = rows.assign(dose=rows["strength"], by="strength")
    by_fraction = rows.assign(dose=rows["fraction"], by="share of the units")
    rows = pd.concat(
        table[table.groupby([*window, other_dose], dropna=False)["dose"].transform("nunique") > 1]
        for table, other_dose in ((by_strength, "fraction"), (by_fraction, "strength"))
    )
    if rows.empty:
        return None
    moved = rows.groupby("target")["size"].max().sort_values(ascending=False, kind="stable")
    rows = rows[rows["target"].isin(moved.index[:MAX_REGIONS_IN_PANEL])]
    largest = rows.groupby(["series", "by"])["size"].max().sort_values(ascending=False, kind="stable")
    shown = list(largest.index[:MAX_DOSE_SERIES])
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = panels(lines, columns, (0.6 + 3.1 * columns, 0.6 + 2.3 * lines))
    for panel, key in zip(axes.flat, shown, strict=False):
        series, by = key
        of_series = rows[(rows["series"] == series) & (rows["by"] == by)]
        for target, of_target in of_series.groupby("target"):
            _dose_curve(panel, of_target, palette[str(target)])
        panel.set_title(wrapped_label(str(series), 40))
        panel.set_xlabel(by)
        panel.set_ylabel("effect (rms)")
        panel.set_ylim(bottom=0)
        panel.set_xlim(0, 1.05)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    legend = [legend_marker("o", f"on {name}", color=palette[str(name)]) for name in in_order(rows["target"], palette)]
    if (rows["verdict"] == "unsupported").any():
        legend.append(legend_marker("o", "not supported", color=INK, markerfacecolor="none"))
    true = "true_rms" in rows and bool(rows["true_rms"].notna().any())
    if true:
        legend.append(legend_marker("x", "in the true network", color=INK))
    legend_below(figure, legend)
    return Drawing(
        figure,
        "Effects against the dose: " + "; ".join(str(series) for series, _ in shown),
        "Predicted effect on every region against the dose: rms over trials, units, conditions and the time of the "
        "perturbation."
        + (
            f" The {MAX_REGIONS_IN_PANEL} of {len(moved)} regions with the largest effects are shown."
            if len(moved) > MAX_REGIONS_IN_PANEL
            else ""
        )
        + (" Crosses: effect of the experiment in the true network." if true else ""),
    )


def _dose_curve(panel: Axes, rows: pd.DataFrame, colour: str) -> None:
    """One line: effect on a region at every dose; open circles where the effect is not supported."""
    by_dose = rows.assign(square=rows["size"] ** 2).groupby("dose")
    effect = np.sqrt(by_dose["square"].mean())
    panel.plot(effect.index, effect, color=colour)
    supported = (rows["verdict"] != "unsupported").groupby(rows["dose"]).any()
    for dose, value in effect.items():
        panel.plot(dose, value, "o", color=colour, markersize=5, markerfacecolor=colour if supported[dose] else "white")
    if "true_rms" in rows and rows["true_rms"].notna().all():
        true = np.sqrt((rows["true_rms"] ** 2).groupby(rows["dose"]).mean())
        panel.plot(true.index, true, "x", color=colour, markersize=6)
