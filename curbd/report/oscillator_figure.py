"""The picture of the channels of a recording as oscillators: the forces of regions on one another."""

from __future__ import annotations

import numpy as np

from curbd.report.drawing import Drawing, Palette
from curbd.report.matrix import draw_matrix, names_of_matrix, write_cell
from curbd.report.reading import RecordingResults
from curbd.report.wording import number_text, pathway_label, percent_text

MAX_FORCES_WITH_TEXT = 10
"""Matrices with more rows or columns have no numbers in their cells."""
FORCE_CELL = (1.15, 0.75)
"""Width and height of a cell with numbers in inches."""


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
    targets, sources, remark = names_of_matrix(rows.sort_values("share", ascending=False, kind="stable"), palette)
    rows = rows[rows["target"].isin(targets) & rows["source"].isin(sources)]
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
    figure, panel = draw_matrix(
        share.to_numpy(float),
        targets,
        sources,
        cell=FORCE_CELL if with_text else None,
        largest=float(np.nanmax(share.to_numpy(float), initial=0)),
        texts=texts,
        bar="share of the force",
    )
    if with_text:
        for where, (of_force, gain) in cells.items():
            write_cell(panel, where, percent_text(of_force), [number_text(gain)], FORCE_CELL[1])
    panel.set_ylabel("on (target)")
    panel.set_xlabel("force of (source)", labelpad=8)
    return Drawing(
        figure,
        "Matrix of the forces between oscillators",
        "The channels as damped oscillators: share of the force on the channels of a region that comes from each "
        "source, on test trials"
        + (", and below it what the prediction of held-out trials loses without the source (held_out_gain)" * with_text)
        + f". There is no verdict on forces: a force without a gain may be none.{remark}",
    )
