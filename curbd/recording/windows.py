"""Which stretches of a recording are used: trials from an interval table, or blocks of continuous data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.binning import TOLERANCE
from curbd.recording.cells import column_of, said, selected
from curbd.settings.recording import Windows

BLOCK_BINS = 200
"""Default length of a block of continuous data."""
FEWEST_BLOCKS = 10
"""Shorter data are cut into this many blocks, down to `SHORTEST_BLOCK` bins each."""
SHORTEST_BLOCK = 20
MISSING = "none"
"""Condition text of a trial whose column is empty."""


@dataclass(frozen=True)
class Trials:
    """Trials on one axis of integer bins.

    Attributes
    ----------
    zero_s : (trial,) time of t = 0 on the clock of the recording.
    first, last : (trial,) first bin of each trial and the one past its end, counted from t = 0.
    dt_s : bin width.
    columns : one row a trial, whatever its table says of it.
    offset_s : time of the left edge of bin 0 from t = 0.
    notes : what was left out and why.
    blocks : these are blocks of continuous data, whose bins do not answer one another.
    """

    zero_s: np.ndarray
    first: np.ndarray
    last: np.ndarray
    dt_s: float
    columns: pd.DataFrame
    offset_s: float = 0.0
    notes: tuple[str, ...] = ()
    blocks: bool = False

    def __len__(self) -> int:
        return len(self.zero_s)

    @property
    def bins(self) -> np.ndarray:
        """(bin,) from the smallest start to the largest end."""
        return np.arange(self.first.min(), self.last.max())

    @property
    def time_s(self) -> np.ndarray:
        """(bin,) centres of the bins, seconds from t = 0."""
        return np.round(self.offset_s + (self.bins + 0.5) * self.dt_s, 9)

    @property
    def inside(self) -> np.ndarray:
        """(trial, bin) whether the bin belongs to the trial."""
        return (self.bins >= self.first[:, None]) & (self.bins < self.last[:, None])

    def edges_s(self, margin: int = 0) -> np.ndarray:
        """(trial, bin + 1) edges on the clock of the recording, with ``margin`` more bins on either side."""
        ticks = np.arange(self.bins[0] - margin, self.bins[-1] + 2 + margin)
        return self.zero_s[:, None] + self.offset_s + ticks * self.dt_s

    def take(self, keep: np.ndarray) -> Trials:
        """The trials that a mask keeps."""
        columns = self.columns[keep].reset_index(drop=True)
        return replace(self, zero_s=self.zero_s[keep], first=self.first[keep], last=self.last[keep], columns=columns)


def trials_of(
    table: pd.DataFrame,
    name: str,
    where: str,
    settings: Windows,
    span_s: tuple[float, float],
    dt_s: float,
    gap_s: float,
    continuous: bool,
) -> Trials:
    """Lay the rows of an interval table on integer bins.

    Parameters
    ----------
    table : one row an interval, with ``start_time`` and ``stop_time``.
    name, where : the table and the recording, for messages.
    settings : which rows, aligned to what, from when to when.
    span_s : first and last time of the recording.
    dt_s : bin width.
    gap_s : data left out between two blocks where the settings do not say.
    continuous : cut the intervals into blocks; a single interval is always cut, so that there is something to hold out.

    Raises
    ------
    UserError : an unknown column, no row left, every window outside the recording, or data too short for two blocks.
    """
    rows = table[selected(table, f"{where}: windows.select, table {name}", settings.select)].reset_index(drop=True)
    notes: list[str] = []
    align = _times(rows, settings.align, f"{where}: windows.align, table {name}")
    start = (
        _times(rows, "start_time", f"{where}: table {name}") if settings.start_s is None else align + settings.start_s
    )
    stop = _times(rows, "stop_time", f"{where}: table {name}") if settings.stop_s is None else align + settings.stop_s
    if settings.start_s is not None and settings.stop_s is not None and settings.start_s >= settings.stop_s:
        raise UserError.at(
            f"{where}: windows.stop_s", found=f"{settings.stop_s:g}", expected=f"more than {settings.start_s:g}"
        )

    happened = np.isfinite(align) & np.isfinite(start) & np.isfinite(stop)
    notes += _left_out(~happened, name, f"without a time in {settings.align}, start_time or stop_time")
    positive = happened & (stop - start >= dt_s * (1 - TOLERANCE))
    notes += _left_out(happened & ~positive, name, f"shorter than one bin of {dt_s:g} s")
    # What ends after the recording has missing bins; what starts before it, or lies mostly outside, is no trial.
    before = start < span_s[0] - dt_s * (1 + TOLERANCE)
    outside = positive & (before | (np.minimum(stop, span_s[1]) - start < (stop - start) / 2))
    if continuous:
        outside = positive & ((stop <= span_s[0]) | (start >= span_s[1]))
        start, stop = np.maximum(start, span_s[0]), np.minimum(stop, span_s[1])
    if outside.any() and not (positive & ~outside).any():
        raise UserError.at(
            f"{where}: windows, table {name}",
            found=f"windows from {start[positive].min():g} to {stop[positive].max():g} s",
            expected=f"windows inside the recording, {span_s[0]:g} to {span_s[1]:g} s",
            todo="check windows.start_s, windows.stop_s and the clock of the table",
        )
    notes += _left_out(outside, name, f"outside the recording ({span_s[0]:g} to {span_s[1]:g} s)")
    used = positive & ~outside
    if not used.any():
        raise UserError.at(
            f"{where}: windows, table {name}",
            found="no window that can be used",
            expected="one at least",
            todo="; ".join(notes),
        )
    rows, align, start, stop = rows[used].reset_index(drop=True), align[used], start[used], stop[used]

    if continuous or len(rows) == 1:
        if not continuous:
            notes.append(f"{name}: there is a single trial; it is cut into blocks, so that some can be held out.")
        return _blocks(rows, name, where, start, stop, dt_s, gap_s, settings, tuple(notes))
    first = np.ceil((start - align) / dt_s - TOLERANCE).astype(int)
    last = np.floor((stop - align) / dt_s + TOLERANCE).astype(int)
    # Between two edges there may be room for less than a whole bin.
    last = np.maximum(last, first + 1)
    return Trials(align, first, last, dt_s, rows, notes=tuple(notes))


def conditions(columns: pd.DataFrame, wanted: Sequence[str], where: str) -> np.ndarray:
    """(trial,) condition of each trial: ``all``, the value of one column, or ``a=1, b=x`` for several.

    Raises
    ------
    UserError : an unknown column.
    """
    if not wanted:
        return np.full(len(columns), "all", dtype=object)
    texts = {
        name: [said(cell) or MISSING for cell in column_of(columns, name, f"{where}: windows.conditions")]
        for name in wanted
    }
    if len(wanted) == 1:
        return np.array(texts[wanted[0]], dtype=object)
    joined = [", ".join(f"{name}={texts[name][row]}" for name in wanted) for row in range(len(columns))]
    return np.array(joined, dtype=object)


def _times(table: pd.DataFrame, column: str, place: str) -> np.ndarray:
    cells = column_of(table, column, place)
    times = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float)
    if len(times) and not np.isfinite(times).any():
        raise UserError.at(f"{place}, column {column}", found="no number", expected="times in seconds")
    return times


def _left_out(rows: np.ndarray, name: str, why: str) -> list[str]:
    return [f"{name}: {int(rows.sum())} of {len(rows)} rows are left out, {why}."] if rows.any() else []


def _blocks(
    rows: pd.DataFrame,
    name: str,
    where: str,
    start: np.ndarray,
    stop: np.ndarray,
    dt_s: float,
    gap_s: float,
    settings: Windows,
    notes: tuple[str, ...],
) -> Trials:
    """Equal blocks with gaps, from the start of each interval.

    What is left at the end of an interval is a block too if it has half the length; a whole interval need not.
    """
    n_bins = np.floor((stop - start) / dt_s + 1e-3).astype(int)
    gap = int(np.ceil((gap_s if settings.gap_s is None else settings.gap_s) / dt_s - TOLERANCE))
    if settings.gap_s is None:
        gap = max(gap, 1)
    length = _block_bins(int(n_bins.sum()), gap) if settings.block_s is None else max(round(settings.block_s / dt_s), 2)
    blocks = [
        (row, begin, min(begin + length, total))
        for row, total in enumerate(n_bins)
        for begin in range(0, total, length + gap)
        if 2 * (total - begin) >= length or (begin == 0 and total >= SHORTEST_BLOCK)
    ]
    if len(blocks) < 2:
        raise UserError.at(
            f"{where}: windows.block_s",
            found=f"{int(n_bins.sum())} bins of {dt_s:g} s, which give {len(blocks)} block(s) of {length} bins",
            expected="two blocks at least, one to fit and one to hold out",
            todo="use longer data, narrower bins, or a shorter block and gap",
        )
    row, begin, end = np.array(blocks).T
    size = f"{length} bins ({length * dt_s:g} s) with gaps of {gap} ({gap * dt_s:g} s)"
    text = f"{name}: cut into {len(blocks)} blocks of {size}."
    zero = start[row] + begin * dt_s
    columns = rows.iloc[row].reset_index(drop=True)
    return Trials(zero, np.zeros(len(row), int), end - begin, dt_s, columns, notes=(*notes, text), blocks=True)


def _block_bins(n_bins: int, gap: int) -> int:
    """Length of a block where the settings give none."""
    tenth = (n_bins - (FEWEST_BLOCKS - 1) * gap) // FEWEST_BLOCKS
    half = (n_bins - gap) // 2
    return max(2, min(BLOCK_BINS, max(tenth, min(SHORTEST_BLOCK, half))))
