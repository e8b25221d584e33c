"""Spike times of an NWB file, which are read unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from hdmf.common import DynamicTable, VectorIndex
from pynwb import NWBFile

from curbd.errors import UserError
from curbd.recording.nwb_tables import path_of, row_slices
from curbd.recording.recording_file import Spikes
from curbd.recording.spike_clock import SpikeClock
from curbd.recording.time_units import seconds_per_unit, stated_unit
from curbd.recording.unreadable import reading
from curbd.settings.recording import RecordingSettings

MAX_UNITS_LISTED = 8
"""Longer lists of units are cut."""
EVER_S = (-np.inf, np.inf)
"""First and last time, in seconds, if every time can be right."""


def spike_tables(nwbfile: NWBFile) -> dict[str, DynamicTable]:
    """Find every table with spike times: the units of the file, named ``units``, and other tables by their path."""
    tables = {}
    for stored in nwbfile.objects.values():
        if isinstance(stored, DynamicTable) and "spike_times" in stored.colnames and len(stored) > 0:
            tables["units" if stored is nwbfile.units else path_of(nwbfile, stored)] = stored
    return dict(sorted(tables.items(), key=lambda item: (item[0] != "units", item[0])))


class StoredTimes(NamedTuple):
    """The spike times of a table as the file holds them, in seconds.

    Attributes
    ----------
    read : index of a unit -> (spike,) times in seconds, in the order of the file.
    n_units : number of units of the table.
    second : length in seconds of the unit of the times in the file.
    in_single_precision : whether the file holds the times in single precision.
    notes : sentences on the unit of the times.
    """

    read: Callable[[int], np.ndarray]
    n_units: int
    second: float
    in_single_precision: bool
    notes: list[str]


def spikes(units: DynamicTable, settings: RecordingSettings, where: str) -> tuple[Spikes, list[str]]:
    """Open the spike times of all units in a table.

    The whole table is read once, unit by unit, to count duplicates, examine the clock and find the first and last
    spike. Spike times are not kept in memory.

    Parameters
    ----------
    units : the table with the spike times.
    settings : unit of the spike times.
    where : the recording, for messages.

    Returns
    -------
    The spike times; sentences on spike times that are left out, and on what is remarkable about their clock.

    Raises
    ------
    UserError : the table holds no spike.
    """
    stored = _stored_times(units, settings, where)
    clock, with_spikes = _examined(stored)
    if not with_spikes:
        raise UserError.at(where, found=f"{stored.n_units} units without a single spike", expected="spike times")
    near_s = low, high = clock.near_s()
    far = [with_spikes[index] for index in clock.units_with_far_times]

    def read(unit: int) -> np.ndarray:
        unique = sorted_once(stored.read(unit))[0]
        return unique[(unique >= low) & (unique <= high)] if unit in far else unique

    ends = [unique[[0, -1]] for unique in map(read, far) if unique.size]
    ends += [np.array(end) for index, end in enumerate(clock.ends) if with_spikes[index] not in far]
    spiking_s = float(np.min(ends)), float(np.max(ends))
    notes = [*stored.notes, *_note_on_far_times(stored, read, far, near_s, spiking_s)]
    notes += clock.notes(spiking_s, _resolution_s(units))
    observed = _observed(units, stored.second, near_s, spiking_s)
    if observed is None:
        return Spikes(read=read, span_s=spiking_s, n_spikes=clock.n_spikes), notes
    notes += _note_on_cut_intervals(units, stored, observed, spiking_s)
    notes += _observation_notes([observed(unit) for unit in range(stored.n_units)])
    span_s = _span_of_intervals_s(observed, stored.n_units) or spiking_s
    return Spikes(read=read, span_s=span_s, observed_s=observed, n_spikes=clock.n_spikes), notes


def _stored_times(units: DynamicTable, settings: RecordingSettings, where: str) -> StoredTimes:
    """The spike times of a table, in the unit that the settings or else the file give."""
    column = units["spike_times"]
    if isinstance(column, VectorIndex):
        rows, times = row_slices(column), column.target.data
    else:
        # One spike time for each unit, or a table of equal numbers of spikes.
        rows, times = [slice(row, row + 1) for row in range(len(units))], column.data
    stated, notes = seconds_per_unit(times, f"{units.name}.spike_times")
    second = stated if settings.spike_time_unit_s is None else settings.spike_time_unit_s

    def read(unit: int) -> np.ndarray:
        with reading(where, f"spike times of unit {unit}"):
            raw = np.ravel(np.asarray(times[rows[unit]], float))
        return raw if second == 1.0 else raw * second

    return StoredTimes(read, len(rows), second, getattr(times, "dtype", None) == np.float32, notes)


def _examined(stored: StoredTimes) -> tuple[SpikeClock, list[int]]:
    """What all spike times tell about their clock, and the indices of the units with spikes."""
    clock = SpikeClock(n_units=stored.n_units, single=stored.in_single_precision)
    with_spikes = []
    for unit in range(stored.n_units):
        raw = stored.read(unit)
        unique = sorted_once(raw)[0]
        clock.add(unit, raw, unique)
        with_spikes += [unit] if unique.size else []
    return clock, with_spikes


def _note_on_far_times(
    stored: StoredTimes,
    read: Callable[[int], np.ndarray],
    far: Collection[int],
    near_s: tuple[float, float],
    spiking_s: tuple[float, float],
) -> list[str]:
    """A sentence on the times far from all others that some units have; none if no unit has such a time."""
    if not far:
        return []
    times = {unit: sorted_once(stored.read(unit))[0] for unit in far}
    n_far = sum(unique.size - read(unit).size for unit, unique in times.items())
    beyond = next(time for unique in times.values() for time in unique if not near_s[0] <= time <= near_s[1])
    return [
        f"{n_far} spike times far from all others are left out (unit {next(iter(far))} at {beyond:.6g} s; the others"
        f" lie between {spiking_s[0]:.6g} and {spiking_s[1]:.6g} s)."
    ]


def _resolution_s(units: DynamicTable) -> float | None:
    """The resolution of the spike times that a table states, in seconds; None if the table states none."""
    resolution = getattr(units, "resolution", None)
    return float(resolution) if resolution is not None and np.isfinite(resolution) and resolution > 0 else None


def sorted_once(times: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Sort the spike times of a unit and remove duplicates and times that are not finite.

    Parameters
    ----------
    times : (spike,) times in seconds, in any order.

    Returns
    -------
    (spike,) increasing times; the number of duplicates; the number of times that were not finite.
    """
    times = np.asarray(times, float)
    finite = times[np.isfinite(times)]
    steps = np.diff(finite)
    unique = finite if np.all(steps > 0) else np.unique(finite)
    return unique, finite.size - unique.size, times.size - finite.size


def _observed(
    units: DynamicTable,
    second: float,
    near_s: tuple[float, float] = EVER_S,
    span_s: tuple[float, float] = EVER_S,
) -> Callable[[int], np.ndarray] | None:
    """Reader of the stretches in which each unit was observed; None if the table does not state them.

    Parameters
    ----------
    units : the table of the units.
    second : length in seconds of the unit of the spike times, for stretches whose unit is not stated.
    near_s : first and last time in seconds that can be right.
    span_s : first and last spike in seconds, which replace ends of stretches that cannot be right.
    """
    if "obs_intervals" not in units.colnames:
        return None
    index = units["obs_intervals"]
    rows = row_slices(index)
    # The unit that the file states, or else the unit of the spike times.
    cells = index.target.data
    factor = seconds_per_unit(cells, "obs_intervals")[0] if stated_unit(cells) else second

    def observed(unit: int) -> np.ndarray:
        stretches = np.asarray(cells[rows[unit]], float).reshape(-1, 2)
        stretches = stretches if factor == 1.0 else stretches * factor
        stretches = np.where(stretches > near_s[1], span_s[1], stretches)
        return np.where(stretches < near_s[0], span_s[0], stretches)

    return observed


def _note_on_cut_intervals(
    units: DynamicTable,
    stored: StoredTimes,
    observed: Callable[[int], np.ndarray],
    spiking_s: tuple[float, float],
) -> list[str]:
    """A sentence on intervals of observation that are cut to the spikes; none if no interval is cut."""
    as_stored = _observed(units, stored.second)
    assert as_stored is not None
    n_cut = sum(not np.array_equal(as_stored(unit), observed(unit), equal_nan=True) for unit in range(stored.n_units))
    if not n_cut:
        return []
    return [
        f"obs_intervals of {n_cut} units begin or end far from all spikes; they are cut to the spikes, from"
        f" {spiking_s[0]:.6g} to {spiking_s[1]:.6g} s."
    ]


def _usable(stretches: np.ndarray) -> np.ndarray:
    """(stretch,) True for stretches (stretch, 2) that have two finite ends in their order."""
    return np.isfinite(stretches).all(axis=1) & (stretches[:, 1] >= stretches[:, 0])


def _observation_notes(observed: Sequence[np.ndarray]) -> list[str]:
    """Sentences on stretches that cannot be used, and on units that were never observed at the same time.

    Parameters
    ----------
    observed : for each unit, the stretches (stretch, 2) in which the unit was observed, in seconds.
    """
    notes = []
    wrong = [unit for unit, stretches in enumerate(observed) if not _usable(stretches).all()]
    if wrong:
        listed = ", ".join(map(str, wrong[:MAX_UNITS_LISTED])) + (", ..." if len(wrong) > MAX_UNITS_LISTED else "")
        notes.append(
            f"obs_intervals of {len(wrong)} units (rows {listed}) end before they start or are not finite; these"
            " stretches count as not observed."
        )
    starts, stops, n_observed = [], [], 0
    for stretches in observed:
        used = stretches[_usable(stretches)]
        if not len(used):
            continue
        used, n_observed = used[np.argsort(used[:, 0])], n_observed + 1
        latest = np.maximum.accumulate(used[:, 1])
        # Stretches of a unit that overlap or touch are one stretch.
        apart = used[1:, 0] > latest[:-1]
        starts.append(used[np.r_[True, apart], 0])
        stops.append(latest[np.r_[apart, True]])
    times = np.concatenate([np.zeros(0), *starts, *stops])
    change = np.repeat([1, -1], len(times) // 2)
    most = int(np.cumsum(change[np.lexsort((change, times))]).max(initial=0))
    if most < n_observed:
        notes.append(
            f"At most {most} of {n_observed} units were observed at the same time (obs_intervals): units that were"
            " recorded at different times cannot be fitted together."
        )
    return notes


def _span_of_intervals_s(observed: Callable[[int], np.ndarray], n_units: int) -> tuple[float, float] | None:
    """The first and last time at which any unit was observed, in seconds; None if no interval is valid."""
    stretches = np.concatenate([observed(unit) for unit in range(n_units)])
    stretches = stretches[_usable(stretches)]
    return (float(stretches.min()), float(stretches.max())) if len(stretches) else None
