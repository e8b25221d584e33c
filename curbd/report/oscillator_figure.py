"""The picture of the channels of a recording as oscillators: the forces of regions on one another."""

from __future__ import annotations

import numpy as np

from curbd.report.drawing import (
    CELL_INK,
    Drawing,
    Palette,
    in_order,
    matrix_cells,
    number_text,
    panels,
    pathway_label,
    percent_text,
    wrapped_label,
)
from curbd.report.reading import RecordingResults

MAX_FORCES_WITH_TEXT = 10
"""Matrices with more rows or columns have no numbers in their cells."""


def forces(recorded: RecordingResults, palette: Palette) -> Drawing | None:
    """Draw a matrix of the forces of regions on the oscillators of every region.

    Parameters
    ----------
    recorded : the results of the recording.
    palette : region -> colour.

    Returns
    -------
    The picture; None if the config does not ask for oscillators.
    """
    rows = recorded.oscillator_forces
    if rows.empty:
        return None
    targets, sources = in_order(rows["target"], palette), in_order(rows["source"], palette)
    share = rows.pivot_table(index="target", columns="source", values="share").reindex(index=targets, columns=sources)
    cells = {
        (targets.index(row["target"]), sources.index(row["source"])): (row["share"], row["held_out_gain"])
        for row in rows.to_dict("records")
    }
    texts = {
        (row, column): f"{pathway_label(sources[column], targets[row])}: share {percent_text(of_force)}, "
        f"held-out gain {number_text(gain)}"
        for (row, column), (of_force, gain) in cells.items()
    }
    with_text = max(len(targets), len(sources)) <= MAX_FORCES_WITH_TEXT
    step = (1.15, 0.75) if with_text else (9.0 / len(sources), 8.0 / len(targets))
    figure, axes = panels(1, 1, (max(4.0, 1.4 + step[0] * len(sources)), 0.9 + step[1] * len(targets)))
    panel = axes[0, 0]
    largest = float(np.nanmax(share.to_numpy(float), initial=0))
    labels = [wrapped_label(name) for name in sources]
    image = matrix_cells(
        panel, share.to_numpy(float), [wrapped_label(name) for name in targets], labels, largest, texts
    )
    if with_text:
        for (row, column), (of_force, gain) in cells.items():
            panel.text(
                column,
                row,
                f"{percent_text(of_force)}\n{number_text(gain)}",
                fontsize=8,
                color=CELL_INK,
                ha="center",
                va="center",
            )
    else:
        panel.tick_params(axis="x", rotation=90)
    panel.set_ylabel("on (target)")
    panel.set_xlabel("force of (source)", labelpad=8)
    figure.colorbar(image, ax=panel, label="share of the force", shrink=0.8)
    return Drawing(
        figure,
        "Matrix of the forces between oscillators",
        "The channels as damped oscillators: share of the force on the channels of a region that comes from each "
        "source, on test trials"
        + (", and below it what the prediction of held-out trials loses without the source (held_out_gain)" * with_text)
        + ". There is no verdict on forces: a force without a gain may be none.",
    )
