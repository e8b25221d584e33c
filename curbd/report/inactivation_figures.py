"""Pictures of what silencing does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from curbd.report.drawing import INK, Picture, matrix_cells, panels, picture, wrapped, written
from curbd.report.reading import Fitted

MOST_WORDED = 12


def matrix(fit: Fitted) -> Picture | None:
    """Effect of every perturbation on every region, all conditions together."""
    rows = fit.tables["inactivations"]
    rows = rows[rows["seed"] == fit.first_seed]
    if rows.empty:
        return None
    rows = rows.assign(square=rows["effect_rms"] ** 2, own=_own(rows))
    perturbations, targets = list(rows["perturbation"].unique()), sorted(rows["target"].unique())
    cells = dict(list(rows.groupby(["perturbation", "target"])))
    effect = np.full((len(perturbations), len(targets)), np.nan)
    for (perturbation, target), cell in cells.items():
        if not cell["own"].any():
            effect[perturbations.index(perturbation), targets.index(target)] = np.sqrt(cell["square"].mean())
    worded = max(effect.shape) <= MOST_WORDED
    step = (1.15, 0.7) if worded else (8.0 / len(targets), 7.0 / len(perturbations))
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
    panel.set_ylabel("silenced")
    several = len(rows["condition"].unique()) > 1
    caption = (
        "Predicted effect of silencing (rows) on the rates of each region (columns): rms of the silenced minus the "
        "intact run, in scaled rates. p compares it with silencing random groups of as many units"
        + ("; * marks p ≤ 0.05" if worded else "")
        + ". What silencing a region does to itself is no finding (grey)."
        + (" R² compares the effect with that in the true network." if _known(rows) and worded else "")
        + (" Where conditions differ, their range is given; inactivations.csv has each of them." if several else "")
    )
    words = [f"{p} on {t}: {written(float(np.sqrt(cell['square'].mean())))}" for (p, t), cell in cells.items()]
    return picture(figure, "Matrix of effects" + (": " + "; ".join(words) if worded else ""), caption)


def _own(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether a row tells what silencing a region does to itself."""
    silenced = rows["perturbation"].str.partition(":")[2]
    return (rows["kind"] == "region") & (silenced == rows["target"])


def _known(rows: pd.DataFrame) -> bool:
    return "true_r2" in rows and bool(rows["true_r2"].notna().any())


def _worded(panel: Axes, where: tuple[int, int], cell: pd.DataFrame) -> None:
    lines = []
    if cell["own"].any():
        lines.append("itself")
    elif cell["p_value"].notna().any():
        lines.append(f"p {_range(cell['p_value'])}" + (" *" if (cell["p_value"] <= 0.05).all() else ""))
    if _known(cell):
        lines.append(f"R² {_range(cell['true_r2'])}")
    rms = written(float(np.sqrt(cell["square"].mean())))
    middle: dict[str, Any] = {"ha": "center", "color": INK}
    panel.text(
        where[0], where[1] - (0.05 if lines else 0), rms, va="bottom" if lines else "center", fontsize=9.5, **middle
    )
    panel.text(where[0], where[1] + 0.02, "\n".join(lines), va="top", fontsize=7, **middle)


def _range(values: pd.Series[float]) -> str:
    """The smallest and the largest value, one number where they look the same."""
    low, high = written(float(values.min())), written(float(values.max()))
    return low if low == high else f"{low} to {high}"
