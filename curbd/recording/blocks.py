"""Blocks of continuous data, which take the place of trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.binning import ROUNDING_BINS
from curbd.recording.trials import TimeAxis, Trials
from curbd.settings.recording import Windows

BLOCK_BINS = 200
"""Default length of a block of continuous data, in bins."""
MIN_BLOCKS = 10
"""Data that are too short for this number of blocks of default length are cut into this number of shorter blocks."""
MIN_BLOCK_BINS = 20
"""Shortest block, in bins, into which data are cut to reach `MIN_BLOCKS` blocks."""


def blocks_of(
    rows: pd.DataFrame,
    start: np.ndarray,
    stop: np.ndarray,
    axis: TimeAxis,
    settings: Windows,
    name: str,
    where: str,
) -> Trials:
    """Cut intervals into blocks of equal length, with gaps between them, from the start of each interval.

    The rest at the end of an interval is used as a shorter block if it has at least half the length of a block. An
    interval that is shorter than half a block is used if it has at least `MIN_BLOCK_BINS` bins.

    Parameters
    ----------
    rows : one row per interval.
    start, stop : (row,) start and stop of the intervals in seconds.
    axis : the time of the recording.
    settings : length of blocks and gaps.
    name : name of the table of intervals, for messages.
    where : the recording, for messages.

    Returns
    -------
    The blocks, as trials.

    Raises
    ------
    UserError : the data are too short for two blocks.
    """
    dt_s, gap_s = axis.dt_s, axis.gap_s if settings.gap_s is None else settings.gap_s
    n_bins = np.floor((stop - start) / dt_s + 1e-3).astype(int)
    gap = int(np.ceil(gap_s / dt_s - ROUNDING_BINS))
    if settings.gap_s is None:
        gap = max(gap, 1)
    length = _block_bins(int(n_bins.sum()), gap) if settings.block_s is None else max(round(settings.block_s / dt_s), 2)
    blocks = [
        (row, begin, min(begin + length, total))
        for row, total in enumerate(n_bins)
        for begin in range(0, total, length + gap)
        if 2 * (total - begin) >= length or (begin == 0 and total >= MIN_BLOCK_BINS)
    ]
    if len(blocks) < 2:
        raise UserError.at(
            f"{where}: windows.block_s",
            found=f"{int(n_bins.sum())} bins of {dt_s:g} s, which give {len(blocks)} block(s) of {length} bins",
            expected="at least two blocks, one to fit and one to hold out",
            todo="use longer data, or a smaller bin_width_s, windows.block_s or windows.gap_s",
        )
    row, begin, end = np.array(blocks).T
    size = f"{length} bins ({length * dt_s:g} s) with gaps of {gap} ({gap * dt_s:g} s)"
    text = f"{name}: cut into {len(blocks)} blocks of {size}."
    zero = start[row] + begin * dt_s
    columns = rows.iloc[row].reset_index(drop=True)
    return Trials(
        zero_s=zero,
        first=np.zeros(len(row), int),
        last=end - begin,
        dt_s=dt_s,
        columns=columns,
        blocks=True,
        cut=text,
    )


def _block_bins(n_bins: int, gap: int) -> int:
    """Length of a block in bins, where the settings give none."""
    tenth = (n_bins - (MIN_BLOCKS - 1) * gap) // MIN_BLOCKS
    half = (n_bins - gap) // 2
    return max(2, min(BLOCK_BINS, max(tenth, min(MIN_BLOCK_BINS, half))))
