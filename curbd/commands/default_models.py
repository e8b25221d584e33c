"""The models of a config without the key `models`: they depend on what the recordings hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from curbd.settings.models import Model
from curbd.settings.plan import Plan
from curbd.settings.recordings_table import RecordingRow
from curbd.storage.hdf5 import readable_hdf5
from curbd.storage.zarr_folders import is_zarr, zarr_group

MODELS_OF_POPULATIONS = {
    "full_rank": Model(family="full_rank", smoothing_s=0.0),
    "population": Model(family="low_rank", estimator="population"),
}
"""Models for recordings of spikes or fluorescence: both are fitted to activity without smoothing."""
MIN_UNITS_OF_A_SAMPLE = 2
"""If `units.min_per_region` lets regions of fewer units in, fluorescence is that of averages over regions."""
MAX_PROBED_TRIALS = 20
"""Number of trials of a plain HDF5 file that are read to tell counts from rates."""
MAX_PROBED_VALUES = 4_000_000
"""Number of values of one continuous stretch that are read to tell counts from rates."""


def with_default_models(plan: Plan) -> Plan:
    """Choose the models if the config names no models and every recording holds spikes or fluorescence.

    Parameters
    ----------
    plan : the plan of a run.

    Returns
    -------
    The plan, with a population network beside a network of the recorded units; any other plan is returned unchanged.
    """
    named = "models" in plan.config.model_fields_set
    if named or not plan.recordings or not all(map(shows_populations, plan.recordings.values())):
        return plan
    return replace(plan, config=plan.config.model_copy(update={"models": MODELS_OF_POPULATIONS}))


def shows_populations(row: RecordingRow) -> bool:
    """Return whether the activity of a recording is spike times, spike counts or fluorescence, without smoothing.

    A file that is not readable holds none of these.

    Parameters
    ----------
    row : the recording.
    """
    try:
        with zarr_group(row.path) if is_zarr(row.path) else readable_hdf5(row.path) as file:
            if row.format == "nwb" and not row.settings.activity and "units/spike_times" in file:
                return True
            # Regions of one unit, as averages over regions, are no samples of populations.
            averages = row.settings.units.min_per_region < MIN_UNITS_OF_A_SAMPLE
            # The rooms of recordings take a second to import, which a dry run of NWB files with spikes does without.
            from curbd.recording.fluorescence import is_fluorescence

            if row.format == "nwb":
                return not averages and all(map(is_fluorescence, row.settings.activity or _roi_responses(file)))
            if is_fluorescence(row.settings.hdf5.rates):
                return not averages
            return _holds_counts(file, row)
    except OSError:
        return False


def _roi_responses(file: h5py.File) -> list[str]:
    """Return the paths of the responses of regions of interest in an NWB file; an empty path if there are none."""
    paths: list[str] = []

    def note(_: str, stored: Any) -> None:
        if stored.attrs.get("neurodata_type") == "RoiResponseSeries":
            paths.append(str(stored.name))

    for place in ("processing", "acquisition"):
        # The group of a Zarr folder has the same methods.
        if hasattr(file.get(place), "visititems"):
            file[place].visititems(note)
    return paths or [""]


def _holds_counts(file: h5py.File, row: RecordingRow) -> bool:
    from curbd.recording.counts import counts_per_rate

    layout = row.settings.hdf5
    rates, time = file.get(layout.rates), file.get(layout.time or "")
    if not isinstance(rates, h5py.Dataset) or len(rates.shape or ()) not in (2, 3) or rates.dtype.kind not in "biuf":
        return False
    if "activity" in file.attrs or "activity" in rates.attrs:
        return False
    if isinstance(time, h5py.Dataset) and (time.size or 0) > 1 and time.dtype.kind in "fiu":
        dt_s = float(np.median(np.diff(np.ravel(time[:]))))
    elif layout.sampling_rate_hz is not None:
        dt_s = 1 / layout.sampling_rate_hz
    else:
        return False
    n_rows = MAX_PROBED_TRIALS if rates.ndim == 3 else max(MAX_PROBED_VALUES // max(rates.shape[1], 1), 1)
    return counts_per_rate(np.asarray(rates[:n_rows], float), dt_s) is not None
