"""Recordings from data in memory: spike times of units, or rates with labelled dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording.ingest import Session, ingest
from curbd.recording.label_origin import label_origin
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes, Unmatched
from curbd.recording.units import UnitFacts, unit_table
from curbd.settings.recording import RecordingSettings

Array = np.ndarray
MEMORY = Path("memory")
"""Name in place of the path of a file, in messages and tables."""


def ingest_spikes(
    spike_times_s: Mapping[Any, Any],
    regions: Sequence[str],
    *,
    trials: pd.DataFrame | None = None,
    span_s: tuple[float, float] | None = None,
    settings: RecordingSettings | None = None,
    name: str = "recording",
) -> Session:
    """Convert spike times in memory to a session: a recording with its tables.

    A `TsGroup` of pynapple is taken as it is. Spike times of a sorting of spikeinterface are
    ``{unit: sorting.get_unit_spike_train(unit, return_times=True) for unit in sorting.unit_ids}``.

    Parameters
    ----------
    spike_times_s : name of a unit -> (spike,) times of its spikes, s.
    regions : (unit,) region of each unit, in the order of the units.
    trials : one row per trial with ``start_time`` and ``stop_time``, s, and any further columns; None for one long
        stretch, which is divided into blocks.
    span_s : start and end of the recording, s; None for the first and last spike.
    settings : bins, windows, choice of units, scaling and split; None for the defaults.
    name : name of the recording.

    Returns
    -------
    The session: recording, units, regions and perturbed trials.

    Raises
    ------
    UserError : the number of regions is not that of the units, a time is not a number, the trials lack a column, or the
        settings do not fit the data (see `curbd.recording.ingest.ingest`).
    """
    settings = RecordingSettings() if settings is None else settings
    where = f"{name} ({MEMORY})"
    times_s = [_spike_times(f"{where}: unit {unit}", times) for unit, times in spike_times_s.items()]
    every_s = np.concatenate(times_s) if times_s else np.empty(0)
    if not every_s.size:
        raise UserError.at(where, found="no spikes", expected="spike times of at least one unit")
    units, unmatched, notes = _units(list(spike_times_s), regions, settings, where)
    file = RecordingFile(
        path=MEMORY,
        format="memory",
        units=units,
        unmatched=unmatched,
        activity=Spikes(
            read=lambda unit: times_s[unit],
            span_s=(float(every_s.min()), float(every_s.max())) if span_s is None else span_s,
            n_spikes=every_s.size,
        ),
        activity_name="spike times",
        intervals=_intervals(trials, where),
        notes=tuple(notes),
    )
    return ingest(file, _with_trials(settings, trials), name)


def ingest_rates(
    rates: xr.DataArray | pd.DataFrame,
    regions: Sequence[str] | None = None,
    *,
    trials: pd.DataFrame | None = None,
    settings: RecordingSettings | None = None,
    name: str = "recording",
) -> Session:
    """Convert rates in memory to a session: a recording with its tables.

    Parameters
    ----------
    rates : rates with the dimensions ``trial``, ``time`` and ``unit``, or ``time`` and ``unit``, and the coordinates
        ``time``, s, and ``unit``; or a table with one row per time, whose index is the time in s, and one column per
        unit. NaN where a rate is missing.
    regions : (unit,) region of each unit; None for the coordinate ``region`` of the rates.
    trials : columns of the trials, one row per trial. For rates without a dimension ``trial``, ``start_time`` and
        ``stop_time``, s, are needed; None then means one long stretch, which is divided into blocks.
    settings : bins, windows, choice of units, scaling and split; None for the defaults.
    name : name of the recording.

    Returns
    -------
    The session: recording, units, regions and perturbed trials.

    Raises
    ------
    UserError : a dimension or coordinate is missing, the number of regions or trials does not fit, or the settings do
        not fit the data (see `curbd.recording.ingest.ingest`).
    """
    settings = RecordingSettings() if settings is None else settings
    where = f"{name} ({MEMORY})"
    labelled = _labelled(rates, where)
    if regions is None:
        if "region" not in labelled.coords:
            expected = "a coordinate region of the rates, or the argument regions"
            raise UserError.at(where, found="no regions", expected=expected)
        regions = [str(region) for region in labelled["region"].to_numpy()]
    units, unmatched, notes = _units(list(labelled["unit"].to_numpy()), regions, settings, where)
    time_s, values = labelled["time"].to_numpy().astype(float), labelled.to_numpy().astype(float)
    in_trials = "trial" in labelled.dims
    activity: BinnedTrials | Series
    if in_trials:
        table = pd.DataFrame(index=range(len(values))) if trials is None else trials.reset_index(drop=True)
        if len(table) != len(values):
            raise UserError.at(f"{where}: trials", found=f"{len(table)} rows", expected=f"{len(values)}, as the rates")
        activity = BinnedTrials(
            read=lambda: values, time_s=time_s, trials=table, inputs=lambda: np.empty((*values.shape[:2], 0))
        )
    else:
        activity = Series(
            name="rates", time_s=lambda: time_s, read=lambda first, last: values[first:last], columns=values.shape[1]
        )
    file = RecordingFile(
        path=MEMORY,
        format="memory",
        units=units,
        unmatched=unmatched,
        activity=activity,
        activity_name="rates",
        intervals={} if in_trials else _intervals(trials, where),
        notes=tuple(notes),
    )
    return ingest(file, settings if in_trials else _with_trials(settings, trials), name)


def _spike_times(where: str, times: Any) -> Array:
    """Sorted spike times of a unit, without repeated times; objects of pynapple hold them as their attribute ``t``."""
    try:
        times_s = np.asarray(getattr(times, "t", times), dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise UserError.at(where, found=f"no numbers ({error})", expected="spike times in seconds") from None
    if not np.isfinite(times_s).all():
        raise UserError.at(where, found="times that are not finite", expected="spike times in seconds")
    return np.unique(times_s)


def _units(
    names: Sequence[Any], regions: Sequence[str], settings: RecordingSettings, where: str
) -> tuple[pd.DataFrame, Unmatched, list[str]]:
    """The table of units, with regions merged as the settings say."""
    labels = list(regions)
    if len(labels) != len(names):
        raise UserError.at(
            f"{where}: regions", found=f"{len(labels)} regions", expected=f"{len(names)}, one for each unit"
        )
    facts = UnitFacts(ids=[str(name) for name in names], origins=[label_origin("unit_column", "regions", labels)])
    return unit_table(facts, settings, where)


def _intervals(trials: pd.DataFrame | None, where: str) -> dict[str, pd.DataFrame]:
    if trials is None:
        return {}
    missing = [column for column in ("start_time", "stop_time") if column not in trials]
    if missing:
        raise UserError.at(
            f"{where}: trials", found=f"no column {', '.join(missing)}", expected="start_time and stop_time in seconds"
        )
    return {"trials": trials.reset_index(drop=True)}


def _with_trials(settings: RecordingSettings, trials: pd.DataFrame | None) -> RecordingSettings:
    """The settings, with the given trials as the windows unless the settings name a table."""
    if trials is None or settings.windows.table is not None:
        return settings
    return settings.model_copy(update={"windows": settings.windows.model_copy(update={"table": "trials"})})


def _labelled(rates: xr.DataArray | pd.DataFrame, where: str) -> xr.DataArray:
    """The rates as (trial, time, unit) or (time, unit) with the coordinates time and unit."""
    if isinstance(rates, pd.DataFrame):
        coords = {"time": rates.index.to_numpy(), "unit": rates.columns.to_numpy()}
        rates = xr.DataArray(rates.to_numpy(), coords, ("time", "unit"))
    dims = ("trial", "time", "unit") if "trial" in rates.dims else ("time", "unit")
    if set(rates.dims) != set(dims):
        found = f"the dimensions {', '.join(map(str, rates.dims))}"
        raise UserError.at(f"{where}: rates", found=found, expected="trial, time and unit, or time and unit")
    missing = [name for name in ("time", "unit") if name not in rates.coords]
    if missing:
        expected = "time in seconds, and names of units"
        raise UserError.at(f"{where}: rates", found=f"no coordinate {', '.join(missing)}", expected=expected)
    return rates.transpose(*dims)
