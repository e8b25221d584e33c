"""Values, times and clocks of a recording file as short texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from curbd.recording.cells import as_text
from curbd.recording.recording_file import Series

MAX_VALUES_COUNTED = 8
"""Up to this number of different values of a column are listed with their counts."""


def clock_line(series: Series) -> str:
    """Describe a clock: number of samples, first and last time, and the sampling rate if it is steady."""
    if series.steady is not None:
        start, rate_hz, samples = series.steady
        return f"{samples} samples, {seconds(start)} to {seconds(start + (samples - 1) / rate_hz)}, {rate_hz:.4g} Hz"
    time_s = series.time_s()
    if not time_s.size:
        return "no samples"
    text = f"{time_s.size} samples, {seconds(time_s[0])} to {seconds(time_s[-1])}"
    steps = np.diff(time_s)
    if steps.size and steps.std() <= 0.05 * steps.mean():
        return text + f", {1 / np.median(steps):.4g} Hz"
    return text + (f", irregular (median step {np.median(steps):.3g} s)" if steps.size else "")


def counted(values: Sequence[Any]) -> str:
    """List the most frequent values with their counts, such as ``sleep (1), wake (1)``."""
    counts = Counter(one_line(value) for value in values)
    more = f", {len(counts) - MAX_VALUES_COUNTED} more" if len(counts) > MAX_VALUES_COUNTED else ""
    return ", ".join(f"{value or 'empty'} ({count})" for value, count in counts.most_common(MAX_VALUES_COUNTED)) + more


def one_line(value: Any) -> str:
    """Convert any value to a string on one line."""
    return " ".join(as_text(value).split())


def seconds(value: float) -> str:
    """Convert a time in seconds to a string with its unit."""
    return f"{value:.6g} s"


def duration(value: float) -> str:
    """Convert a duration in seconds to a string, in minutes or hours if it is long."""
    if value >= 7200:
        return f"{value / 3600:.3g} h"
    return f"{value / 60:.3g} min" if value >= 120 else f"{value:.3g} s"
