"""Regions of interest (ROIs) that a file rejects, by flags, numbers, strings or probabilities under many names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curbd.recording.cells import as_text, flag

ACCEPTING_COLUMNS = (
    *("iscell", "accepted", "isaccepted", "roiaccepted", "accept", "isneuron", "validroi", "keep", "kept"),
)
"""Columns that say which ROIs are cells, written without capitals, blanks and underscores."""
REJECTING_COLUMNS = (
    *("rejected", "isrejected", "roirejected", "reject", "excluded", "isexcluded", "notcell", "isnotcell"),
)
"""Columns that say which ROIs are not cells."""
STATUS_COLUMNS = ("status", "roistatus", "cellstatus", "curation", "curationlabel", "decision")
"""Columns that may hold strings such as ``rejected``; all other strings in these columns are ignored."""
ALWAYS_USED = ("iscell", "is_cell", "accepted")
"""Columns that are used even if they reject all ROIs."""
CELL_PROBABILITY = 0.5
"""An ROI with a smaller probability of being a cell is rejected, as in suite2p."""


def rejections(columns: Mapping[str, Any], n_rois: int, table: str) -> tuple[list[str], list[str]]:
    """Return for each ROI of a table why the file rejects it.

    Parameters
    ----------
    columns : name -> (roi,) or (roi, 2) cells; a column with two values per ROI, as in suite2p, holds a flag and a
        probability.
    n_rois : number of ROIs.
    table : name of the table, for sentences.

    Returns
    -------
    (roi,) reasons, '' for accepted ROIs and for ROIs about which the file says nothing; and sentences on how the
    columns were read.
    """
    reasons = [""] * n_rois
    notes: list[str] = []
    for name, cells in columns.items():
        kind = re.sub(r"[\W_]+", "", name.casefold())
        if kind not in (*ACCEPTING_COLUMNS, *REJECTING_COLUMNS, *STATUS_COLUMNS) or len(cells) != n_rois:
            continue
        verdicts, how = _verdicts(cells)
        if kind in REJECTING_COLUMNS:
            verdicts = [None if verdict is None else not verdict for verdict in verdicts]
        if kind in STATUS_COLUMNS and False not in verdicts:
            continue
        undecided = sum(verdict is None for verdict in verdicts)
        if verdicts and all(verdict is False for verdict in verdicts) and name not in ALWAYS_USED:
            notes.append(f"{table}.{name} rejects all ROIs and was probably never filled in, so that it is not used.")
            continue
        if how:
            notes.append(f"{table}.{name} {how}.")
        if 0 < undecided < n_rois:
            notes.append(f"{table}.{name} says neither yes nor no for {undecided} of {n_rois} ROIs, which are kept.")
        reasons = [
            reason or (f"not a cell ({name})" if verdict is False else "")
            for reason, verdict in zip(reasons, verdicts, strict=True)
        ]
    return reasons, notes


def _verdicts(cells: Sequence[Any] | np.ndarray) -> tuple[list[bool | None], str]:
    """(roi,) whether an ROI is a cell, None if its cell does not say; how the cells were read, '' for flags."""
    array = np.asarray(cells)
    if array.dtype.kind in "biuf":
        columns = array.reshape(len(array), -1).astype(float)
        flags = next((column for column in columns.T if not _between(column)), None)
        if flags is None:
            probability = columns[:, 0]
            verdicts = [None if np.isnan(value) else bool(value >= CELL_PROBABILITY) for value in probability]
            return verdicts, f"holds probabilities; ROIs below {CELL_PROBABILITY} are left out"
        return [flag(value) for value in flags], ""
    return [flag(as_text(np.ravel(cell)[0]) if np.size(cell) else "") for cell in cells], ""


def _between(values: np.ndarray) -> bool:
    """Whether numbers are probabilities: from 0 to 1, and some of them neither 0 nor 1."""
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() >= 0 and finite.max() <= 1 and np.any((finite > 0) & (finite < 1)))
