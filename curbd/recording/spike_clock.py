"""What the spike times of a file reveal about its clock: absurd times, reversals, whole numbers, single precision.

A recording is read with the times that the file states, and this module only writes sentences for the user. Times far
from all others are the exception: they are left out, as samples of a series are (`curbd.recording.clock`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from curbd.recording.clock import MAX_RANGES_FROM_MEDIAN

MAX_SPIKES_SAMPLED = 1000
"""Number of spikes of a unit from which the middle and the range of all spike times are estimated."""
FEWEST_TIMES_JUDGED = 50
"""No remark is made on a unit, or on the resolution of the times, if there are fewer spikes."""
SLOW_RATE_HZ = 0.1
"""If the mean rates of all units are below this rate, the times are probably not in seconds."""
MAX_RESTARTS_PER_SPIKE = 0.2
"""With more steps back per spike, the spike times are not ordered at all, and the clock does not restart."""
FAST_RATE_HZ = 1000.0
"""If the mean rate of a unit is above this rate, the times are probably not in seconds."""
MAX_SILENT_SHARE = 0.5
"""A stretch without any spike gets a remark if it is a larger part of the recording."""
LONG_SPAN_S = 7 * 86400.0
"""A recording longer than a week gets a remark."""
RESOLUTIONS_S = (1e-2, 1e-3, 1e-4)
"""Resolutions to which files often round spike times."""
COARSE_SINGLE_PRECISION_S = 1e-3
"""Single precision gets a remark if its resolution is coarser than half of this time."""


@dataclass
class SpikeClock:
    """Facts about spike times, gathered unit by unit.

    Attributes
    ----------
    n_units : number of units.
    n_spikes : number of finite times.
    n_not_finite : number of times that are not finite.
    n_duplicates : number of repeated times of the same unit.
    whole : True if all times are whole numbers.
    single : True if the file stores the times in single precision.
    reversals : units whose times are not in increasing order, each with the times before and after its largest step
        back.
    n_steps_back : number of steps back of all units.
    rounded : those of `RESOLUTIONS_S` of which all times are multiples.
    ends : first and last time of each unit with spikes.
    """

    n_units: int
    n_spikes: int = 0
    n_not_finite: int = 0
    n_duplicates: int = 0
    whole: bool = True
    single: bool = False
    reversals: dict[int, tuple[float, float]] = field(default_factory=dict)
    n_steps_back: int = 0
    rounded: set[float] = field(default_factory=lambda: set(RESOLUTIONS_S))
    ends: list[tuple[float, float]] = field(default_factory=list)
    _sampled: list[np.ndarray] = field(default_factory=list)
    _counts: list[int] = field(default_factory=list)
    _n_of_unit: dict[int, int] = field(default_factory=dict)

    def add(self, unit: int, times: np.ndarray, unique: np.ndarray) -> None:
        """Add the spike times of a unit to the facts.

        Parameters
        ----------
        unit : index of the unit.
        times : (spike,) times in the order of the file.
        unique : (spike,) the finite times, increasing, without duplicates.
        """
        finite = times[np.isfinite(times)]
        self.n_spikes += finite.size
        self.n_not_finite += times.size - finite.size
        self.n_duplicates += finite.size - unique.size
        self._counts.append(unique.size)
        self._n_of_unit[unit] = finite.size
        if not finite.size:
            return
        self.whole = self.whole and bool(np.all(finite == np.round(finite)))
        steps = np.diff(finite)
        back = np.flatnonzero(steps < 0)
        if back.size:
            largest = int(back[np.argmin(steps[back])])
            self.reversals[unit] = (float(finite[largest]), float(finite[largest + 1]))
            self.n_steps_back += back.size
        for resolution in list(self.rounded):
            ticks = unique / resolution
            if np.abs(ticks - np.round(ticks)).max() > 1e-3:
                self.rounded.discard(resolution)
        self._sampled.append(unique[:: max(1, unique.size // MAX_SPIKES_SAMPLED)])
        self.ends.append((float(unique[0]), float(unique[-1])))

    def near_s(self) -> tuple[float, float]:
        """Return the limits of plausible spike times in seconds.

        The limits are 1000 times the usual range of spike times away from the median spike time.
        """
        sampled = np.concatenate(self._sampled) if self._sampled else np.empty(0)
        if sampled.size < 10:
            return -np.inf, np.inf
        low, middle, high = np.quantile(sampled, [0.1, 0.5, 0.9])
        reach = MAX_RANGES_FROM_MEDIAN * max(high - low, 1e-9)
        return float(middle - reach), float(middle + reach)

    @property
    def units_with_far_times(self) -> list[int]:
        """Return the units with times outside the plausible limits, as positions among the units with spikes."""
        low, high = self.near_s()
        return [index for index, (first, last) in enumerate(self.ends) if first < low or last > high]

    def notes(self, span_s: tuple[float, float], resolution_s: float | None) -> list[str]:
        """Return sentences on everything remarkable in the spike times.

        Parameters
        ----------
        span_s : first and last time of the recording in seconds.
        resolution_s : resolution of the spike times that the file states, in seconds; None if the file states none.

        Returns
        -------
        One sentence per remark.
        """
        notes = self._silence_notes(span_s)
        if self.n_duplicates:
            text = f"{self.n_duplicates} duplicate spike times (same unit, same time) are counted once"
            why = resolution_s or (max(self.rounded) if self.rounded and self.n_spikes >= FEWEST_TIMES_JUDGED else None)
            if why is not None and not self.whole:
                text += f"; times are stored in steps of {why:g} s, so that two spikes can have the same time"
            notes.append(text + ".")
        if self.n_not_finite:
            notes.append(f"{self.n_not_finite} spike times that are not finite are left out.")
        notes += self._reversal_notes()
        notes += self._unit_notes(span_s, resolution_s)
        if self.single:
            step = float(np.spacing(np.float32(max(map(abs, span_s)))))
            if step > COARSE_SINGLE_PRECISION_S / 2:
                notes.append(
                    f"Spike times are stored in single precision, which at {span_s[1]:.6g} s resolves {step:.2g} s:"
                    " late spikes that are closer together have the same time."
                )
        return notes

    def _silence_notes(self, span_s: tuple[float, float]) -> list[str]:
        """Units without a spike, and a stretch without a spike of any unit that is most of the recording."""
        notes = []
        if n_silent := sum(count == 0 for count in self._counts):
            notes.append(f"{n_silent} of {self.n_units} units have no spike; they are left out (units.min_rate_hz).")
        if self.n_spikes < FEWEST_TIMES_JUDGED:
            return notes
        times = np.sort(np.concatenate([*self._sampled, np.ravel(self.ends)]))
        times = times[(times >= span_s[0]) & (times <= span_s[1])]
        if times.size < 2:
            return notes
        longest = int(np.argmax(np.diff(times)))
        begin, end = times[longest], times[longest + 1]
        if end - begin > MAX_SILENT_SHARE * (span_s[1] - span_s[0]):
            share = (end - begin) / (span_s[1] - span_s[0])
            notes.append(
                f"No unit has a spike from {begin:.6g} to {end:.6g} s, {share:.0%} of the recording: a single wrong"
                " spike time makes a recording longer than it is; windows.table chooses the times that are used."
            )
        return notes

    def _reversal_notes(self) -> list[str]:
        if not self.reversals:
            return []
        unit, (before, after) = max(self.reversals.items(), key=lambda item: item[1][0] - item[1][1])
        text = (
            f"Spike times of {len(self.reversals)} of {self.n_units} units are not in increasing order, e.g. from"
            f" {before:.6g} to {after:.6g} s (unit {unit}); they are sorted."
        )
        large = before - after > 0.25 * max(last - first for first, last in self.ends)
        n_spikes = sum(self._n_of_unit[unit] for unit in self.reversals)
        if large and self.n_steps_back <= MAX_RESTARTS_PER_SPIKE * n_spikes:
            text += (
                " If the clock restarts there (sessions joined, or times of each trial), the parts now overlap in time:"
                " write the times on one clock."
            )
        return [text]

    def _unit_notes(self, span_s: tuple[float, float], resolution_s: float | None) -> list[str]:
        if self.n_spikes < FEWEST_TIMES_JUDGED:
            return []
        span = max(span_s[1] - span_s[0], 1e-9)
        rates = np.array(self._counts) / span
        seen = f"{self.n_spikes} spikes of {self.n_units} units in {span:.6g} s"
        mend = "if times are in milliseconds or samples, set spike_time_unit_s (0.001, or 1 / sampling rate)"
        if self.whole:
            stated = f"; the file states a resolution of {resolution_s:g} s" if resolution_s else ""
            return [
                f"All spike times are whole numbers ({span_s[0]:.6g} to {span_s[1]:.6g}){stated}: they look like"
                f" samples or milliseconds and are read as seconds; {mend}."
            ]
        if rates.max() < SLOW_RATE_HZ or span > LONG_SPAN_S:
            return [f"{seen} are very few spikes for this duration (no unit is above {rates.max():.2g} Hz): {mend}."]
        if rates.max() > FAST_RATE_HZ:
            return [f"{seen}: a unit with {rates.max():.4g} spikes per second is not possible; check the unit of time."]
        return []
