"""Sample times: unusable times are left out, and series with different sample times are brought onto one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curbd.errors import UserError
from curbd.recording.recording_file import Series

MAX_STEP_S = 5.0
"""Longer sampling steps of activity get a remark."""
MIN_STEP_S = 1e-5
"""Shorter sampling steps of activity get a remark."""
MAX_RANGES_FROM_MEDIAN = 1000.0
"""Largest plausible distance of a sample time from the median time, in 10 to 90 % ranges of all times."""


@dataclass(frozen=True)
class Clock:
    """The usable sample times of a series.

    Attributes
    ----------
    time_s : (usable sample,) times in seconds, increasing.
    kept : (usable sample,) indices among all samples of the series; None if all samples are usable.
    note : a sentence on the samples that were left out; empty if there are none.
    """

    time_s: np.ndarray
    kept: np.ndarray | None = None
    note: str = ""


def clean_clock(time_s: np.ndarray) -> Clock:
    """Leave out samples whose time is not finite, very far from all others, or not later than the preceding time.

    Parameters
    ----------
    time_s : (sample,) times in seconds, as the file states them.

    Returns
    -------
    The usable times.
    """
    finite = np.isfinite(time_s)
    near = finite.copy()
    if np.count_nonzero(finite) >= 10:
        low, middle, high = np.quantile(time_s[finite], [0.1, 0.5, 0.9])
        near[finite] = np.abs(time_s[finite] - middle) <= MAX_RANGES_FROM_MEDIAN * max(high - low, 1e-9)
    latest = np.maximum.accumulate(np.where(near, time_s, -np.inf))
    rising = near & (np.concatenate([[-np.inf], latest[:-1]]) < time_s)
    if rising.all():
        return Clock(time_s)
    reasons = []
    if count := int(np.count_nonzero(~finite)):
        reasons.append(f"{count} not finite")
    if far := np.flatnonzero(finite & ~near).tolist():
        reasons.append(f"{len(far)} far from all others (sample {far[0]} at {time_s[far[0]]:.6g} s)")
    if count := int(np.count_nonzero(near & ~rising)):
        reasons.append(f"{count} not after the preceding sample" + _why_not_rising(time_s, near, count))
    kept = np.flatnonzero(rising)
    return Clock(
        time_s[kept],
        kept,
        f"{time_s.size - kept.size} samples are left out because of their times: {', '.join(reasons)}.",
    )


def _why_not_rising(time_s: np.ndarray, near: np.ndarray, count: int) -> str:
    """Probable reason for times that do not rise: single precision, or a clock that restarts; '' for neither."""
    times = time_s[near]
    steps = np.diff(times)
    if times.size and np.all(times == times.astype(np.float32)) and np.count_nonzero(steps < 0) == 0:
        resolution = float(np.spacing(np.float32(np.abs(times).max())))
        return f" (times are stored in single precision, which resolves {resolution:.2g} s at the end)"
    if 0 < np.count_nonzero(steps < 0) <= 0.01 * times.size and count > 0.05 * times.size:
        return " (the clock seems to restart: write the times on one clock)"
    return ""


def clock_notes(time_s: np.ndarray) -> list[str]:
    """Return sentences on the clock of an activity series.

    The sentences are about gaps, jitter above 1 %, and times that are probably not in seconds.
    """
    steps = np.diff(time_s)
    if steps.size < 2:
        return []
    step = float(np.median(steps))
    notes = []
    if step > MAX_STEP_S and np.all(time_s == np.round(time_s)):
        notes.append(
            f"sample times are whole numbers, {step:g} apart: they look like milliseconds or sample numbers and are"
            " read as seconds; state the unit in the file."
        )
    elif step > MAX_STEP_S or step < MIN_STEP_S:
        notes.append(f"the sampling step of {step:.4g} s is unusual for activity; check the unit of the times.")
    gaps = steps[steps > 5 * step]
    if gaps.size:
        notes.append(f"gaps of more than 5 samples: {gaps.size}, the longest {gaps.max():.4g} s.")
    usual = steps[steps <= 5 * step]
    jitter = float(usual.std() / step)
    if jitter > 0.01:
        notes.append(f"sample times jitter by {jitter:.0%} of the step of {step:.4g} s.")
    return notes


def shape_notes(series: Series) -> list[str]:
    """Return a sentence on an activity series with more units than samples, whose axes are probably exchanged."""
    n_samples = series.steady[2] if series.steady else series.time_s().size
    if series.columns <= n_samples:
        return []
    return [
        f"{series.name} has {n_samples} samples of {series.columns} units: if these are {series.columns} samples of"
        f" {n_samples} units, its axes are exchanged in the file."
    ]


def common_clock(series: Sequence[Series], where: str) -> tuple[Series, list[str]]:
    """Join several series into one series on the sample times of the first, within the time that all series cover.

    A series whose sample times differ from those of the first is interpolated linearly.

    Parameters
    ----------
    series : the series to join; the columns of the result follow their order.
    where : the recording, for messages.

    Returns
    -------
    The joined series; sentences on what was interpolated.

    Raises
    ------
    UserError : the series do not overlap in time.
    """
    if len(series) == 1:
        return series[0], []
    clocks = [member.time_s() for member in series]
    same = [clock.size == clocks[0].size and np.allclose(clock, clocks[0], rtol=0, atol=1e-6) for clock in clocks]
    low, high = max(clock[0] for clock in clocks), min(clock[-1] for clock in clocks)
    start, stop = np.searchsorted(clocks[0], low, "left"), np.searchsorted(clocks[0], high, "right")
    if start >= stop:
        spans = "; ".join(
            f"{member.name} {clock[0]:.6g} to {clock[-1]:.6g} s" for member, clock in zip(series, clocks, strict=True)
        )
        raise UserError.at(
            f"{where}: activity",
            found=f"series that do not overlap in time ({spans})",
            expected="series that were recorded at the same time",
        )
    time_s = clocks[0][start:stop]

    def read(first: int, last: int) -> np.ndarray:
        if first >= last:
            return np.empty((0, sum(member.columns for member in series)))
        blocks = []
        for member, clock, has_same_clock in zip(series, clocks, same, strict=True):
            if has_same_clock:
                blocks.append(member.read(int(start) + first, int(start) + last))
                continue
            wanted_s = time_s[first:last]
            low = max(int(np.searchsorted(clock, wanted_s[0], "right")) - 1, 0)
            high = min(int(np.searchsorted(clock, wanted_s[-1], "left")) + 1, clock.size)
            block = member.read(low, high)
            blocks.append(np.column_stack([np.interp(wanted_s, clock[low:high], column) for column in block.T]))
        return np.concatenate(blocks, axis=1)

    units = dict.fromkeys(member.unit for member in series)
    joined = Series(
        name=", ".join(member.name for member in series),
        time_s=lambda: time_s,
        read=read,
        columns=sum(member.columns for member in series),
        unit=" / ".join(units),
    )
    interpolated = [member.name for member, has_same_clock in zip(series, same, strict=True) if not has_same_clock]
    if not interpolated:
        return joined, []
    return joined, [f"{', '.join(interpolated)}: interpolated linearly to the sample times of {series[0].name}."]
