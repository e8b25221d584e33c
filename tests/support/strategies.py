"""Hypothesis strategies for recordings with irregular trials: ragged, late, with missing bins and masked periods."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from curbd.network.equation import Network
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series
from curbd.settings.recording import RecordingSettings
from tests.support.in_memory import series, unit_table

Array = np.ndarray
DT_S = 0.05
REGIONS = ["A", "A", "B", "C", "B", "A"]
"""Region of each unit; some regions have a single unit, and the units of a region are not neighbours."""
ON_DISK = Path(__file__)
"""A recording in memory has no file; ingest takes the checksum of this module instead."""


class IrregularRecording(NamedTuple):
    """A recording file with irregular trials, and what ingest must make of it.

    Attributes
    ----------
    file : the file, in memory.
    settings : settings of the recording.
    rates : (trial, time, unit) the rates that the recording must hold: trials in which nothing was recorded are left
        out, and a bin is NaN for all units if the rate of any unit is missing.
    """

    file: RecordingFile
    settings: RecordingSettings
    rates: Array


@st.composite
def observed_bins(draw: st.DrawFn, n_bins: int) -> Array:
    """(time,) bins of one trial in which units were recorded: at least two, one after the other.

    The trial starts late, ends early, has a masked period and single missing bins; any of these may be absent.
    """
    start = draw(st.integers(0, n_bins // 3))
    stop = draw(st.integers(n_bins - n_bins // 3, n_bins))
    observed = np.zeros(n_bins, bool)
    observed[start:stop] = True
    masked = draw(st.integers(start, stop)), draw(st.integers(start, stop))
    observed[min(masked) : max(masked)] = False
    observed[draw(st.lists(st.integers(0, n_bins - 1), max_size=3))] = False
    kept = draw(st.integers(start, stop - 2))
    observed[kept : kept + 2] = True
    return observed


@st.composite
def binned_trials(draw: st.DrawFn) -> IrregularRecording:
    """Trials that a file holds on common bins, with inputs; a trial may be empty, and some bins hold a single unit."""
    n_trials, n_bins = draw(st.integers(4, 7)), draw(st.integers(6, 16))
    observed = np.array([draw(observed_bins(n_bins)) for _ in range(n_trials)])
    empty = draw(st.none() | st.integers(0, n_trials - 1))
    if empty is not None:
        observed[empty] = False
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.gamma(2.0, 3.0, (n_trials, n_bins, len(REGIONS)))
    rates = np.where(observed[:, :, None], values, np.nan)
    partial = ~observed & (rng.random(observed.shape) < draw(st.sampled_from([0.0, 0.3])))
    if empty is not None:
        partial[empty] = False
    in_file = rates.copy()
    in_file[partial, draw(st.integers(0, len(REGIONS) - 1))] = 1.0
    inputs = rng.standard_normal((n_trials, n_bins, draw(st.integers(0, 2))))
    activity = BinnedTrials(
        read=lambda: in_file,
        time_s=DT_S * np.arange(n_bins),
        trials=pd.DataFrame(index=range(n_trials)),
        inputs=lambda: inputs,
        input_names=tuple(f"in{index}" for index in range(inputs.shape[2])),
    )
    return IrregularRecording(
        file=RecordingFile(
            path=ON_DISK, format="hdf5", units=unit_table(REGIONS), activity=activity, activity_name="rates"
        ),
        settings=_settings(draw),
        rates=rates[observed.any(axis=1)],
    )


@st.composite
def windowed_series(draw: st.DrawFn) -> IrregularRecording:
    """A continuous series cut into trials around an event, each with its own start and stop; the last may run out."""
    n_trials, longest = draw(st.integers(4, 7)), draw(st.integers(6, 12))
    before = np.array([draw(st.integers(0, longest // 2)) for _ in range(n_trials)])
    # A window with less than half of its length inside the recording is left out; these keep more than half.
    after = np.array([draw(st.integers(4, longest)) for _ in range(n_trials)])
    event = longest * (1 + 2 * np.arange(n_trials))
    run_out = draw(st.integers(0, 1))
    n_samples = int(event[-1] + after[-1] - run_out)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.gamma(2.0, 3.0, (n_samples, len(REGIONS)))
    expected = np.full((n_trials, int(before.max() + after.max()), len(REGIONS)), np.nan)
    for trial in range(n_trials):
        first, last = event[trial] - before[trial], min(event[trial] + after[trial], n_samples)
        masked = draw(st.integers(first, last - 2))
        values[masked : draw(st.integers(masked, last - 2))] = np.nan
        shift = before.max() - event[trial]
        expected[trial, first + shift : last + shift] = values[first:last]
    time_s = DT_S * np.arange(n_samples)
    light = rng.standard_normal((n_samples, 1))
    table = pd.DataFrame(
        {"start_time": DT_S * (event - before), "stop_time": DT_S * (event + after), "go_time": DT_S * event}
    )
    file = RecordingFile(
        path=ON_DISK,
        format="nwb",
        units=unit_table(REGIONS),
        activity=_series("dff", values, time_s),
        activity_name="dff",
        intervals={"trials": table},
        series={"light": _series("light", light, time_s)},
    )
    settings = _settings(
        draw, windows={"table": "trials", "align": "go_time"}, inputs=[{"name": "light", "series": "light"}]
    )
    return IrregularRecording(file, settings, expected)


def irregular_recordings() -> st.SearchStrategy[IrregularRecording]:
    """Recordings whose trials are ragged, start late, have missing bins or masked periods."""
    return binned_trials() | windowed_series()


def networks(n_units: int, n_inputs: int) -> st.SearchStrategy[Network]:
    """Networks of full rank with random weights."""

    def network(seed: int, tau_s: float, substeps: int) -> Network:
        rng = np.random.default_rng(seed)
        J, B = rng.standard_normal((n_units, n_units)), rng.standard_normal((n_units, n_inputs))
        return Network(J=J, B=B, b=rng.standard_normal(n_units), tau_s=tau_s, dt_s=DT_S, substeps=substeps)

    return st.builds(network, st.integers(0, 2**16), st.sampled_from([0.1, 0.5]), st.integers(1, 2))


def _settings(draw: st.DrawFn, **keys: object) -> RecordingSettings:
    scaling = draw(st.sampled_from(["largest", "counts"]))
    return RecordingSettings.model_validate({"scaling": scaling, "units": {"min_per_region": 1}} | keys)


def _series(name: str, values: Array, time_s: Array) -> Series:
    return series(name, values, time_s, "dF/F")
