"""Recordings from data in memory: the same as from a file that holds the same data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pynapple
import pytest
import xarray as xr
from pynwb import NWBFile

import curbd
from curbd.errors import UserError
from curbd.settings.recording import RecordingSettings

REGIONS = ["V1"] * 4 + ["V2"] * 4
"""Regions of the units of these tests."""


def spike_times(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Spikes at 20 Hz for 60 s."""
    return {f"u{unit}": np.sort(rng.uniform(0, 60, 1200)) for unit in range(len(REGIONS))}


def trials_of_a_second() -> pd.DataFrame:
    start_s = np.arange(0.0, 60.0, 1.5)
    return pd.DataFrame({"start_time": start_s, "stop_time": start_s + 1, "side": ["left", "right"] * 20})


BINNED = RecordingSettings.model_validate({"bin_width_s": 0.05, "smoothing_s": 0, "windows": {"conditions": ["side"]}})


def assert_same_recording(first: xr.Dataset, second: xr.Dataset) -> None:
    np.testing.assert_array_equal(first["rates"], second["rates"])
    for name in ("region", "unit_id", "condition", "split", "start_s", "scale"):
        assert first[name].to_numpy().tolist() == second[name].to_numpy().tolist(), name


def test_spikes_in_memory_are_those_of_a_file(
    rng: np.random.Generator, empty_nwb: Callable[[], NWBFile], save_nwb: Callable[..., Path]
) -> None:
    times, trials = spike_times(rng), trials_of_a_second()
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_trial_column("side", "side")
    for of_unit, region in zip(times.values(), REGIONS, strict=True):
        nwbfile.add_unit(spike_times=of_unit, location=region)
    for trial in trials.to_dict("records"):
        nwbfile.add_trial(**trial)
    in_windows = BINNED.model_copy(update={"windows": BINNED.windows.model_copy(update={"table": "trials"})})
    of_file = curbd.ingest_file(save_nwb(nwbfile), in_windows).recording

    numbered = dict(enumerate(times.values()))
    in_memory = curbd.ingest_spikes(numbered, REGIONS, trials=trials, settings=BINNED).recording

    assert_same_recording(in_memory, of_file)
    group = pynapple.TsGroup({unit: pynapple.Ts(of_unit) for unit, of_unit in numbered.items()})
    assert_same_recording(curbd.ingest_spikes(group, REGIONS, trials=trials, settings=BINNED).recording, of_file)


def test_rates_in_memory_keep_their_labels(rng: np.random.Generator) -> None:
    values = rng.normal(size=(20, 30, 8))
    coords = {"time": np.arange(30) * 0.05, "unit": [f"u{unit}" for unit in range(8)], "region": ("unit", REGIONS)}
    rates = xr.DataArray(values, coords, ("trial", "time", "unit"))
    trials = pd.DataFrame({"side": ["left", "right"] * 10})
    settings = RecordingSettings.model_validate({"windows": {"conditions": ["side"]}, "units": {"min_rate_hz": 0}})
    recording = curbd.ingest_rates(rates, trials=trials, settings=settings).recording
    np.testing.assert_array_equal(recording["rates"], values)
    assert recording["region"].to_numpy().tolist() == REGIONS
    assert recording["condition"].to_numpy().tolist() == trials["side"].tolist()
    turned = curbd.ingest_rates(rates.transpose("unit", "trial", "time"), trials=trials, settings=settings).recording
    assert_same_recording(turned, recording)


def test_a_table_of_rates_is_one_stretch(rng: np.random.Generator) -> None:
    table = pd.DataFrame(rng.normal(size=(2000, 8)), index=np.arange(2000) * 0.05)
    settings = RecordingSettings.model_validate({"units": {"min_rate_hz": 0}})
    recording = curbd.ingest_rates(table, REGIONS, settings=settings).recording
    assert recording.attrs["stretches"] == "blocks"
    assert recording.sizes["unit"] == 8
    trials = trials_of_a_second()
    assert curbd.ingest_rates(table, REGIONS, trials=trials, settings=settings).recording.sizes["trial"] == len(trials)


def test_what_does_not_fit_is_told(rng: np.random.Generator) -> None:
    times = spike_times(rng)
    with pytest.raises(UserError, match="found 3 regions, expected 8, one for each unit"):
        curbd.ingest_spikes(times, ["V1"] * 3)
    with pytest.raises(UserError, match="found no column stop_time"):
        curbd.ingest_spikes(times, REGIONS, trials=trials_of_a_second().drop(columns="stop_time"))
    with pytest.raises(UserError, match="unit u0: found times that are not finite"):
        curbd.ingest_spikes(times | {"u0": [1.0, np.nan]}, REGIONS)
    with pytest.raises(UserError, match="found no spikes"):
        curbd.ingest_spikes({}, [])
    with pytest.raises(UserError, match="found the dimensions time, neuron"):
        curbd.ingest_rates(xr.DataArray(np.ones((3, 2)), dims=("time", "neuron")))
    rates = xr.DataArray(np.ones((2, 2)), {"time": [0.0, 0.1], "unit": ["a", "b"]}, ("time", "unit"))
    with pytest.raises(UserError, match="found no regions"):
        curbd.ingest_rates(rates)
