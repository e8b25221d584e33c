"""Pictures of what silencing does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from curbd.report.drawing import INK, Picture, matrix_cells, panels, picture, written
from curbd.report.reading import Fitted
from curbd.report.recording_figures import most_frequent

MOST_CONDITIONS = 3
MOST_WORDED = 12


def matrix(fit: Fitted) -> Picture | None:
    """Effect of every perturbation on every region, one matrix a condition."""
    rows = fit.tables["inactivations"]
    rows = rows[rows["seed"] == fit.first_seed]
    if rows.empty:
        return None
    present = rows["condition"].isin(most_frequent(fit.recording["condition"].values.astype(str), MOST_CONDITIONS))
    rows = rows[present]
    perturbations, targets = list(rows["perturbation"].unique()), sorted(rows["target"].unique())
    conditions = sorted(rows["condition"].unique())
    worded = max(len(perturbations), len(targets)) <= MOST_WORDED
    true = worded and "true_r2" in rows and rows["true_r2"].notna().any()
    step = (1.0, 0.66 if true else 0.54) if worded else (9.0 / len(targets) / len(conditions), 7.0 / len(perturbations))
    width = 1.6 + step[0] * len(targets) * len(conditions)
    figure, axes = panels(1, len(conditions), (max(4.0, width), 0.9 + step[1] * len(perturbations)), share_y="all")
    largest = float(np.nanmax(np.where(_own(rows), np.nan, rows["effect_rms"]), initial=0))
    for panel, condition in zip(axes[0], conditions, strict=True):
        cells = rows[rows["condition"] == condition]
        effect = cells[~_own(cells)].pivot_table(
            index="perturbation", columns="target", values="effect_rms", dropna=False
        )
        effect = effect.reindex(index=perturbations, columns=targets)
        panel.set_facecolor("#EEEEEE")
        matrix_cells(panel, effect.to_numpy(float), perturbations, targets, largest)
        if worded:
            for (_, row), own in zip(cells.iterrows(), _own(cells), strict=True):
                where = (targets.index(row["target"]), perturbations.index(row["perturbation"]))
                _worded(panel, where, row, bool(own))
        else:
            panel.tick_params(labelsize=5)
            panel.tick_params(axis="x", rotation=90)
        panel.set_xlabel("effect on" + (f", condition {condition}" if len(conditions) > 1 else ""))
    axes[0, 0].set_ylabel("silenced")
    omitted = len(np.unique(fit.recording["condition"].values)) - len(conditions)
    caption = (
        "Predicted effect of silencing (rows) on the rates of each region (columns): rms of the silenced minus the "
        "intact run, in scaled rates. p compares it with silencing random groups of as many units; "
        "* marks p ≤ 0.05. What silencing a region does to itself is no finding (grey)."
        + (" R² compares the effect with that in the true network." if true else "")
        + (f" {omitted} more conditions are in inactivations.csv." if omitted > 0 else "")
    )
    alt = "; ".join(f"{r['perturbation']} on {r['target']}: {r['effect_rms']:.2g}" for _, r in rows.iterrows())
    return picture(figure, f"Matrix of effects: {alt}" if worded else "Matrix of effects", caption)


def _own(rows: pd.DataFrame) -> np.ndarray:
    """Whether a row tells what silencing a region does to itself."""
    silenced = rows["perturbation"].str.partition(":")[2]
    return ((rows["kind"] == "region") & (silenced == rows["target"])).to_numpy()


def _worded(panel: Axes, where: tuple[int, int], row: pd.Series[Any], own: bool) -> None:
    lines = [written(row["effect_rms"])]
    if own:
        lines.append("itself")
    elif np.isfinite(row["p_value"]):
        lines.append(f"p {written(row['p_value'])}" + (" *" if row["p_value"] <= 0.05 else ""))
    if np.isfinite(row.get("true_r2", np.nan)):
        lines.append(f"R² {written(row['true_r2'])}")
    panel.text(*where, lines[0] + "\n" * (len(lines) > 1), ha="center", va="center", fontsize=9.5, color=INK)
    panel.text(where[0], where[1] + 0.04, "\n".join(lines[1:]), ha="center", va="top", fontsize=7, color="#333333")
