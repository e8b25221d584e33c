"""Sample times that make no sense are left out, and series with clocks of their own are brought onto one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curbd.errors import UserError
from curbd.recording.recording_file import Series

FAR = 1000.0
"""A time this many times the 10-90 % range away from the median cannot be meant (a counter that was not yet set)."""


@dataclass(frozen=True)
class Clock:
    """Times that may be used: the times, the samples that they belong to (None = all), what was left out."""

    time_s: np.ndarray
    kept: np.ndarray | None = None
    note: str = ""


def clean_clock(time_s: np.ndarray) -> Clock:
    """Leave out samples whose time is not finite, absurdly far from the rest, or not after the one before.

    Parameters
    ----------
    time_s : (sample,) as the file states them, in seconds.
    """
    finite = np.isfinite(time_s)
    near = finite.copy()
    if np.count_nonzero(finite) >= 10:
        low, middle, high = np.quantile(time_s[finite], [0.1, 0.5, 0.9])
        near[finite] = np.abs(time_s[finite] - middle) <= FAR * max(high - low, 1e-9)
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
        reasons.append(f"{count} not after the sample before")
    kept = np.flatnonzero(rising)
    return Clock(
        time_s[kept], kept, f"{time_s.size - kept.size} samples are left out for their time: {', '.join(reasons)}."
    )


def shown_clock(time_s: np.ndarray) -> list[str]:
    """What a user should know of the clock of an activity series: jitter above 1 % and gaps."""
    steps = np.diff(time_s)
    if steps.size < 2:
        return []
    step = float(np.median(steps))
    notes = []
    gaps = steps[steps > 5 * step]
    if gaps.size:
        notes.append(f"{gaps.size} gaps of more than 5 samples, the longest {gaps.max():.4g} s.")
    usual = steps[steps <= 5 * step]
    jitter = float(usual.std() / step)
    if jitter > 0.01:
        notes.append(f"sample times jitter by {jitter:.0%} of the step of {step:.4g} s.")
    return notes


def common_clock(parts: Sequence[Series], where: str) -> tuple[Series, list[str]]:
    """Several series side by side on the sample times of the first, within the time that all of them cover.

    A series with other sample times is interpolated linearly.

    Raises
    ------
    UserError : the series do not overlap in time.
    """
    if len(parts) == 1:
        return parts[0], []
    clocks = [part.time_s() for part in parts]
    same = [clock.size == clocks[0].size and np.allclose(clock, clocks[0], rtol=0, atol=1e-6) for clock in clocks]
    low, high = max(clock[0] for clock in clocks), min(clock[-1] for clock in clocks)
    start, stop = np.searchsorted(clocks[0], low, "left"), np.searchsorted(clocks[0], high, "right")
    if start >= stop:
        spans = "; ".join(f"{p.name} {c[0]:.6g} to {c[-1]:.6g} s" for p, c in zip(parts, clocks, strict=True))
        raise UserError.at(
            f"{where}: activity", found=f"series that do not overlap in time ({spans})", expected="overlap"
        )
    time_s = clocks[0][start:stop]

    def read(first: int, last: int) -> np.ndarray:
        if first >= last:
            return np.empty((0, sum(part.columns for part in parts)))
        columns = []
        for part, clock, alike in zip(parts, clocks, same, strict=True):
            if alike:
                columns.append(part.read(int(start) + first, int(start) + last))
                continue
            asked = time_s[first:last]
            a = max(int(np.searchsorted(clock, asked[0], "right")) - 1, 0)
            b = min(int(np.searchsorted(clock, asked[-1], "left")) + 1, clock.size)
            block = part.read(a, b)
            columns.append(np.column_stack([np.interp(asked, clock[a:b], column) for column in block.T]))
        return np.concatenate(columns, axis=1)

    units = dict.fromkeys(part.unit for part in parts)
    joined = Series(
        name=", ".join(part.name for part in parts),
        time_s=lambda: time_s,
        read=read,
        columns=sum(part.columns for part in parts),
        unit=" / ".join(units),
    )
    other = [part.name for part, alike in zip(parts, same, strict=True) if not alike]
    if not other:
        return joined, []
    return joined, [f"{', '.join(other)}: interpolated linearly to the sample times of {parts[0].name}."]
