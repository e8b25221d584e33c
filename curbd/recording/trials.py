"""Trials of a recording on a common axis of bins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd


class TimeAxis(NamedTuple):
    """The time of a recording, from which trials or blocks are cut.

    Attributes
    ----------
    span_s : first and last time of the recording in seconds.
    dt_s : bin width in seconds.
    gap_s : length of the data that are left out between two blocks, in seconds, if the settings give none.
    silence_s : longest time without a spike that is no sign that the recording has not begun yet, in seconds.
    """

    span_s: tuple[float, float]
    dt_s: float
    gap_s: float = 0.0
    silence_s: float = 0.0


@dataclass(frozen=True)
class Trials:
    """Trials on a common axis of integer bins.

    Attributes
    ----------
    zero_s : (trial,) time of t = 0 in seconds on the clock of the recording.
    first : (trial,) first bin of each trial, counted from t = 0.
    last : (trial,) bin after the last bin of each trial, counted from t = 0.
    dt_s : bin width in seconds.
    columns : one row per trial, with the columns of the interval table.
    offset_s : time of the left edge of bin 0 relative to t = 0, in seconds.
    notes : sentences on what was left out, and why.
    clocked : True if `zero_s` is on the clock of the recording, so that the times of different trials can be compared.
    blocks : True if the trials are blocks of continuous data, so that bin k is a different moment in every block.
    cut : a sentence on the blocks; '' for trials.
    """

    zero_s: np.ndarray
    first: np.ndarray
    last: np.ndarray
    dt_s: float
    columns: pd.DataFrame
    offset_s: float = 0.0
    notes: tuple[str, ...] = ()
    clocked: bool = True
    blocks: bool = False
    cut: str = ""

    def __len__(self) -> int:
        return len(self.zero_s)

    @property
    def bins(self) -> np.ndarray:
        """Return the indices (bin,) of all bins, from the earliest start to the latest end of any trial."""
        return np.arange(self.first.min(), self.last.max())

    @property
    def time_s(self) -> np.ndarray:
        """Return the centres (bin,) of the bins in seconds from t = 0."""
        return np.round(self.offset_s + (self.bins + 0.5) * self.dt_s, 9)

    @property
    def inside(self) -> np.ndarray:
        """Return (trial, bin) bool, True for bins that belong to the trial."""
        return (self.bins >= self.first[:, None]) & (self.bins < self.last[:, None])

    @property
    def start_s(self) -> np.ndarray:
        """Return the start (trial,) of each trial in seconds on the clock of the recording."""
        return self.zero_s + self.offset_s + self.first * self.dt_s

    @property
    def stop_s(self) -> np.ndarray:
        """Return the end (trial,) of each trial in seconds on the clock of the recording."""
        return self.zero_s + self.offset_s + self.last * self.dt_s

    def edges_s(self, margin: int = 0) -> np.ndarray:
        """Return the edges (trial, bin + 1) of the bins in seconds on the clock of the recording.

        Parameters
        ----------
        margin : number of additional bins on either side.

        Returns
        -------
        (trial, bin + 1) edges.
        """
        ticks = np.arange(self.bins[0] - margin, self.bins[-1] + 2 + margin)
        return self.zero_s[:, None] + self.offset_s + ticks * self.dt_s

    def take(self, keep: np.ndarray) -> Trials:
        """Return the trials that a mask keeps."""
        columns = self.columns[keep].reset_index(drop=True)
        return replace(self, zero_s=self.zero_s[keep], first=self.first[keep], last=self.last[keep], columns=columns)
