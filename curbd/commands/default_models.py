"""The models of a config without the key `models`: they depend on whether the recordings hold spikes."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np

from curbd.settings.models import Model
from curbd.settings.plan import Plan
from curbd.settings.recordings_table import Recording
from curbd.storage import readable_hdf5

MODELS_OF_SPIKES = {
    "full_rank": Model(family="full_rank", smoothing_s=0.0),
    "population": Model(family="low_rank", estimator="population"),
}
"""Models for recordings of spikes: both are fitted to counts without smoothing."""
MAX_PROBED_TRIALS = 20
"""Number of trials of a plain HDF5 file that are read to tell counts from rates."""


def with_default_models(plan: Plan) -> Plan:
    """Choose the models for recordings of spikes, if the config names no models and every recording holds spikes.

    Parameters
    ----------
    plan : the plan of a run.

    Returns
    -------
    The plan, with a population network beside a network of the recorded units; any other plan is returned unchanged.
    """
    named = "models" in plan.config.model_fields_set
    if named or not plan.recordings or not all(holds_spikes(row) for row in plan.recordings.values()):
        return plan
    return replace(plan, config=plan.config.model_copy(update={"models": MODELS_OF_SPIKES}))


def holds_spikes(row: Recording) -> bool:
    """Return whether the activity of a recording is spike times or spike counts; False for a file that is not readable.

    Parameters
    ----------
    row : the recording.
    """
    try:
        with readable_hdf5(row.path) as file:
            if row.format == "nwb":
                return not row.settings.activity and "units/spike_times" in file
            return _holds_counts(file, row)
    except OSError:
        return False


def _holds_counts(file: h5py.File, row: Recording) -> bool:
    # The rooms of recordings take a second to import, which a dry run of NWB files does without.
    from curbd.recording.counts import counts_per_rate

    layout = row.settings.hdf5
    rates, time = file.get(layout.rates), file.get(layout.time or "")
    if not isinstance(rates, h5py.Dataset) or not isinstance(time, h5py.Dataset) or time.size < 2:
        return False
    if rates.dtype.kind not in "fiu" or "activity" in file.attrs or "activity" in rates.attrs:
        return False
    probed = np.asarray(rates[:MAX_PROBED_TRIALS] if rates.ndim == 3 else rates[:], float)
    return counts_per_rate(probed, float(np.median(np.diff(np.ravel(time[:]))))) is not None
