"""Pictures of what the experiments do in the fitted network: every effect, and how it grows with the dose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from curbd.report.drawing import INK, Picture, mark, matrix_cells, panels, picture, wrapped, written
from curbd.report.reading import Fitted

MOST_WORDED = (16, 12)
"""Experiments and regions; larger matrices are shaded cells without words."""
MOST_SERIES, MOST_CURVES = 6, 7


def effects(fit: Fitted) -> pd.DataFrame:
    """The rows of regions of the table ``inactivations``, of the first seed.

    The best guesses of an effect are ``size``, its rms, and ``shift``, its mean.
    """
    rows = fit.of_first_seed("inactivations")
    rows = rows[rows["target_kind"] == "region"]
    return rows.assign(
        size=rows["expected_rms"].fillna(rows["effect_rms"]), shift=rows["expected_mean"].fillna(rows["effect_mean"])
    )


def matrix(fit: Fitted) -> Picture | None:
    """Effect of every perturbation on every region, all conditions together."""
    rows = effects(fit)
    if rows.empty:
        return None
    rows = rows.assign(square=rows["size"] ** 2, own=rows["perturbed_share"] == 1)
    perturbations, targets = list(rows["perturbation"].unique()), sorted(rows["target"].unique())
    cells = dict(list(rows.groupby(["perturbation", "target"])))
    effect = np.full((len(perturbations), len(targets)), np.nan)
    for (perturbation, target), cell in cells.items():
        if not cell["own"].any():
            effect[perturbations.index(perturbation), targets.index(target)] = np.sqrt(cell["square"].mean())
    worded = effect.shape[0] <= MOST_WORDED[0] and effect.shape[1] <= MOST_WORDED[1]
    step = (1.75, 0.85) if worded else (8.0 / len(targets), 7.0 / len(perturbations))
    size = (max(4.0, 2.4 + step[0] * len(targets)), 0.9 + step[1] * len(perturbations))
    figure, axes = panels(1, 1, size)
    panel = axes[0, 0]
    panel.set_facecolor("#EEEEEE")
    names = [wrapped(name, 24) for name in perturbations]
    image = matrix_cells(panel, effect, names, [wrapped(name) for name in targets], float(np.nanmax(effect, initial=0)))
    if worded:
        for (perturbation, target), cell in cells.items():
            _worded(panel, (targets.index(target), perturbations.index(perturbation)), cell)
    else:
        panel.tick_params(labelsize=5 if max(effect.shape) > 40 else 7)
        panel.tick_params(axis="x", rotation=90)
        figure.colorbar(image, ax=panel, label="effect, rms of scaled rates", shrink=0.4)
    panel.set_xlabel("effect on", labelpad=8)
    panel.set_ylabel("experiment")
    several = len(rows["condition"].unique()) > 1
    caption = (
        "Predicted effect of each experiment (rows) on the rates of each region (columns): rms of the perturbed minus "
        "the intact run, in scaled rates, as expected where the fit leaves weights open (expected_rms)"
        + ("; below it their mean with its 95 % interval, where one is known" if worded else "")
        + ". p compares the effect with the same done to random groups of as many units"
        + ("; * marks p ≤ 0.05" if worded else "")
        + ". What is done to a region as a whole is no finding about it (grey)."
        + (" “Not supported”: no resolved pathways lead there, or the interval is wide." if worded else "")
        + (" R² compares the effect with that in the true network." if _known(rows) and worded else "")
        + (" Where conditions differ, their range is given; inactivations.csv has each of them." if several else "")
    )
    words = [f"{p} on {t}: {written(float(np.sqrt(cell['square'].mean())))}" for (p, t), cell in cells.items()]
    return picture(figure, "Matrix of effects" + (": " + "; ".join(words) if worded else ""), caption)


def _known(rows: pd.DataFrame) -> bool:
    return "true_r2" in rows and bool(rows["true_r2"].notna().any())


def _worded(panel: Axes, where: tuple[int, int], cell: pd.DataFrame) -> None:
    lines = []
    mean = written(float(cell["shift"].mean()))
    if cell["ci_low"].notna().all():
        # Over conditions, the interval is the widest range of theirs.
        mean += f" [{written(float(cell['ci_low'].min()))}, {written(float(cell['ci_high'].max()))}]"
    if cell["own"].any():
        lines.append("itself")
    else:
        lines.append(f"mean {mean}")
    if cell["p_value"].notna().any() and not cell["own"].any():
        lines.append(f"p {_range(cell['p_value'])}" + (" *" if (cell["p_value"] <= 0.05).all() else ""))
    if (cell["verdict"] == "unsupported").all():
        lines.append("not supported")
    if _known(cell):
        lines.append(f"R² {_range(cell['true_r2'])}")
    rms = written(float(np.sqrt(cell["square"].mean())))
    middle: dict[str, Any] = {"ha": "center", "color": INK}
    panel.text(where[0], where[1] - 0.19, rms, va="bottom", fontsize=9.5, **middle)
    panel.text(where[0], where[1] - 0.14, "\n".join(lines), va="top", fontsize=7, **middle)


def _range(values: pd.Series[float]) -> str:
    """The smallest and the largest value, one number where they look the same."""
    low, high = written(float(values.min())), written(float(values.max()))
    return low if low == high else f"{low} to {high}"


def doses(fit: Fitted, palette: dict[str, str]) -> Picture | None:
    """How effects grow with the strength, or with the share of the units, in experiments that are a series of doses."""
    rows = effects(fit)
    rows = rows[rows["perturbed_share"] < 1]
    rows = rows.assign(series=rows["experiment"] + ":" + rows["acts_on"])
    window = ["series", "start_s", "stop_s"]
    by_strength = rows.assign(dose=rows["strength"], by="strength")
    by_fraction = rows.assign(dose=rows["fraction"], by="share of the units")
    rows = pd.concat(
        doses[doses.groupby([*window, kept], dropna=False)["dose"].transform("nunique") > 1]
        for doses, kept in ((by_strength, "fraction"), (by_fraction, "strength"))
    )
    if rows.empty:
        return None
    moved = rows.groupby("target")["size"].max().sort_values(ascending=False, kind="stable")
    rows = rows[rows["target"].isin(moved.index[:MOST_CURVES])]
    largest = rows.groupby(["series", "by"])["size"].max().sort_values(ascending=False, kind="stable")
    shown = list(largest.index[:MOST_SERIES])
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = panels(lines, columns, (0.6 + 3.1 * columns, 0.6 + 2.3 * lines))
    for panel, key in zip(axes.flat, shown, strict=False):
        series, by = key
        mine = rows[(rows["series"] == series) & (rows["by"] == by)]
        for target, part in mine.groupby("target"):
            _dose_curve(panel, part, palette[str(target)])
        panel.set_title(wrapped(str(series), 40))
        panel.set_xlabel(by)
        panel.set_ylabel("effect (rms)")
        panel.set_ylim(bottom=0)
        panel.set_xlim(0, 1.05)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    marks = [mark("o", f"on {name}", color=palette[str(name)]) for name in sorted(rows["target"].unique())]
    marks.append(mark("o", "not supported", color=INK, markerfacecolor="none"))
    true = "true_rms" in rows and bool(rows["true_rms"].notna().any())
    if true:
        marks.append(mark("x", "in the true network", color=INK))
    figure.legend(handles=marks, loc="outside lower center", ncols=min(len(marks), 5))
    return picture(
        figure,
        "Effects against the dose: " + "; ".join(str(series) for series, _ in shown),
        "How the predicted effect on each region"
        + (f" (of {len(moved)}, the {MOST_CURVES} that are moved most)" if len(moved) > MOST_CURVES else "")
        + " grows with the dose: rms over trials, units, time in the window and conditions."
        + (" Crosses: the same experiment in the true network." if true else ""),
    )


def _dose_curve(panel: Axes, rows: pd.DataFrame, colour: str) -> None:
    """One line: the effect on a region at each dose, open where it is not supported."""
    by_dose = rows.assign(square=rows["size"] ** 2).groupby("dose")
    effect = np.sqrt(by_dose["square"].mean())
    panel.plot(effect.index, effect, color=colour)
    supported = (rows["verdict"] != "unsupported").groupby(rows["dose"]).any()
    for dose, value in effect.items():
        panel.plot(dose, value, "o", color=colour, markersize=5, markerfacecolor=colour if supported[dose] else "white")
    if "true_rms" in rows and rows["true_rms"].notna().all():
        true = np.sqrt((rows["true_rms"] ** 2).groupby(rows["dose"]).mean())
        panel.plot(true.index, true, "x", color=colour, markersize=6)
