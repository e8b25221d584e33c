"""A file becomes a recording: in-memory files for each rule, the real recordings for the whole way."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables
from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.ingest import Session, ingest
from curbd.recording.recording_file import RecordingFile, Spikes, Truth, Unmatched
from curbd.recording.scaling import scaled_rates
from curbd.settings.recording import RecordingSettings
from curbd.storage.netcdf import read_netcdf, write_netcdf
from tests.support.in_memory import series, series_file, spike_file, trial_file, unit_table

REGIONS = ["a", "a", "a", "b", "b", "b"]


def settings(**keys: Any) -> RecordingSettings:
    return RecordingSettings.model_validate(keys)


def checked(file: RecordingFile, **keys: Any) -> Session:
    session = ingest(file, settings(**keys), "rec")
    assert tables.problems("units", session.units) == []
    assert tables.problems("regions", session.regions) == []
    return session


def of_file(path: Path, **keys: Any) -> Session:
    with open_recording(path, "hdf5" if path.suffix == ".h5" else "nwb", settings(**keys)) as file:
        return checked(file, **keys)


def poisson(rate_hz: float, stop_s: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0.0, stop_s, rng.poisson(rate_hz * stop_s)))


# --- spikes ------------------------------------------------------------------------------------------------------


def spiking(path: Path, **more: Any) -> RecordingFile:
    times = [poisson(10.0, 200.0, seed) for seed in range(6)]
    return spike_file(path, times, REGIONS, (0.0, 200.0), **more)


def test_labels_of_a_shared_merge_table_that_a_recording_lacks_are_a_note(tmp_path: Path) -> None:
    chosen = settings(regions={"merge": {"VISp1": "VISp"}})
    unmatched = Unmatched(["VISp1"], present_labels=["a", "b"])
    file = spiking(tmp_path / "rec.nwb", unmatched=unmatched)
    session = ingest(file, chosen, "rec", shared={"regions.merge"})
    assert "Labels of regions.merge that no unit of this recording has: VISp1." in session.recording.attrs["notes"]
    with pytest.raises(UserError, match=r"regions\.merge: found unknown region 'VISp1', expected regions of the rec"):
        ingest(file, chosen, "rec")


def test_whole_recording_becomes_blocks_with_defaults_for_spikes(tmp_path: Path) -> None:
    recording, truth, units, regions, _ = checked(spiking(tmp_path / "rec.nwb"))
    assert truth is None
    assert recording.sizes["time"] == 200
    assert recording.attrs["dt_s"] == 0.05
    assert recording.attrs["smoothing_s"] == 0.1
    assert recording.rates.attrs["units"] == "Hz"
    assert json.loads(recording.attrs["settings"])["bin_width_s"] == 0.05
    assert Counter(recording.split.values) == {"train": 15, "test": 4}
    np.testing.assert_allclose(units["mean_rate_hz"], 10.0, rtol=0.15)
    assert regions["n_units"].tolist() == [3, 3]
    assert not np.isnan(recording.rates).any()


def test_trial_edges_are_smoothed_with_the_data_around_them(tmp_path: Path) -> None:
    trials = pd.DataFrame({"start_time": np.arange(10, 100, 10.0), "stop_time": np.arange(12, 102, 10.0)})
    file = spiking(tmp_path / "rec.nwb", intervals={"trials": trials})
    recording = checked(file, windows={"table": "trials"}).recording
    wide = checked(file, windows={"table": "trials", "start_s": -1.0, "stop_s": 3.0}).recording
    shared = wide.rates[:, 20:60]
    np.testing.assert_allclose(recording.rates, shared, atol=1e-9)


def test_ragged_trials_are_missing_past_their_end(tmp_path: Path) -> None:
    trials = pd.DataFrame({"start_time": [10.0, 20.0, 30.0], "stop_time": [12.0, 23.0, 31.0]})
    file = spiking(tmp_path / "rec.nwb", intervals={"trials": trials})
    recording = checked(file, windows={"table": "trials"}).recording
    lengths = np.isfinite(recording.rates).all("unit").sum("time")
    assert lengths.values.tolist() == [40, 60, 20]


def test_the_mean_rate_counts_the_windows_only(tmp_path: Path) -> None:
    trials = pd.DataFrame({"start_time": [10.0, 20.0, 30.0], "stop_time": [12.0, 23.0, 31.0]})
    times = [poisson(10.0, 200.0, seed) for seed in range(6)] + [np.linspace(12.1, 13.3, 100)]
    file = spike_file(tmp_path / "rec.nwb", times, [*REGIONS, "a"], (0.0, 200.0), intervals={"trials": trials})
    units = checked(file, windows={"table": "trials"}).units
    assert units["mean_rate_hz"][6] == 0.0
    assert units["reason"][6] == "mean rate below 0.1 Hz"


def test_scale_comes_from_training_trials_only(tmp_path: Path) -> None:
    recording = checked(spiking(tmp_path / "rec.nwb")).recording
    train = recording.rates[recording.split.values == "train"]
    np.testing.assert_allclose(recording.scale, 1.25 * np.abs(train).max(("trial", "time")))
    scaled = scaled_rates(recording)
    assert scaled.dims == ("trial", "time", "unit")
    assert float(np.abs(scaled).max()) < 1


def test_units_have_a_row_and_a_reason_whether_kept_or_not(tmp_path: Path) -> None:
    times = [poisson(10.0, 200.0, seed) for seed in range(6)] + [np.array([3.0]), poisson(5.0, 200.0, 9)]
    file = spike_file(tmp_path / "rec.nwb", times, [*REGIONS, "a", "c"], (0.0, 200.0))
    file.units.loc[0, "reason"] = "quality is mua"
    session = checked(file, units={"min_per_region": 2})
    recording, units = session.recording, session.units
    assert len(units) == 8
    assert units["reason"].tolist() == [
        "quality is mua",
        *[""] * 5,
        "mean rate below 0.1 Hz",
        "fewer than 2 units kept in region c",
    ]
    assert recording.unit_id.values.tolist() == ["u1", "u2", "u3", "u4", "u5"]
    assert units.loc[units["kept"], "scale"].notna().all()
    assert units.loc[~units["kept"], "scale"].isna().all()


def test_a_unit_is_judged_by_its_rate_in_training_trials_alone(tmp_path: Path) -> None:
    recording = checked(spiking(tmp_path / "first.nwb")).recording
    held_out = recording["start_s"].values[recording["split"].values == "test"]
    # Two spikes a second in held-out blocks of 10 s, one spike in all others together.
    late = np.sort(
        np.concatenate(
            [[recording["start_s"].values[recording["split"].values == "train"][0] + 5.0]]
            + [start + np.arange(0.25, 10.0, 0.5) for start in held_out]
        )
    )
    times = [*[poisson(10.0, 200.0, seed) for seed in range(6)], late]
    units = checked(spike_file(tmp_path / "second.nwb", times, [*REGIONS, "a"], (0.0, 200.0))).units
    assert units["reason"].iloc[6] == "mean rate below 0.1 Hz"
    np.testing.assert_allclose(units["mean_rate_hz"].iloc[6], 1 / 150, rtol=0.2)


def test_the_mean_rate_is_that_of_the_bins_in_which_a_unit_was_observed(tmp_path: Path) -> None:
    times = [poisson(10.0, 200.0, seed) for seed in range(7)]
    whole, part = np.array([[0.0, 200.0]]), np.array([[0.0, 50.0]])
    seldom = times[6][times[6] < 50.0]
    path = tmp_path / "rec.nwb"
    path.write_bytes(b"spikes")
    activity = Spikes(
        lambda unit: seldom if unit == 6 else times[unit],
        (0.0, 200.0),
        lambda unit: part if unit == 6 else whole,
    )
    file = RecordingFile(
        path=path, format="nwb", units=unit_table([*REGIONS, "a"]), activity=activity, activity_name="units"
    )
    units = checked(file).units
    # Some 400 spikes in training blocks, known to 5 %.
    assert units["mean_rate_hz"].iloc[6] == pytest.approx(10.0, rel=0.15)
    units = checked(file, units={"min_rate_hz": 5.0}).units
    assert units["reason"].iloc[6] == "missing (NaN) in bins where other units were recorded"


def test_all_units_filtered_away_counts_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of 6 kept \(6 mean rate below 100 Hz\)"):
        ingest(spiking(tmp_path / "rec.nwb"), settings(units={"min_rate_hz": 100}), "rec")


def test_an_unknown_table_lists_those_that_exist(tmp_path: Path) -> None:
    trials = pd.DataFrame({"start_time": [1.0, 2.0], "stop_time": [2.0, 3.0]})
    file = spiking(tmp_path / "rec.nwb", intervals={"trials": trials})
    with pytest.raises(UserError, match=r"unknown interval table 'trial', expected one of trials \(2 rows\); did you"):
        ingest(file, settings(windows={"table": "trial"}), "rec")


def test_trial_columns_become_coordinates(tmp_path: Path) -> None:
    trials = pd.DataFrame(
        {
            "start_time": np.arange(10.0),
            "stop_time": np.arange(10.0) + 1,
            "condition": ["x"] * 10,
            "good": [True, False] * 5,
        }
    )
    file = spiking(tmp_path / "rec.nwb", intervals={"trials": trials})
    recording = checked(file, windows={"table": "trials", "conditions": ["good"]}).recording
    assert recording.trial_condition.values.tolist() == ["x"] * 10
    assert recording.condition.values.tolist()[:2] == ["True", "False"]
    np.testing.assert_allclose(recording.start_s, np.arange(10.0))


# --- samples -----------------------------------------------------------------------------------------------------


def test_a_bin_narrower_than_the_sampling_step_names_the_step(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((500, 6))
    file = series_file(tmp_path / "rec.nwb", values, np.arange(500) * 0.1, REGIONS)
    with pytest.raises(UserError, match=r"bin_width_s: found 0.05 s, expected at least 0.1 s"):
        ingest(file, settings(bin_width_s=0.05), "rec")


def test_nan_everywhere_is_refused_and_missing_stretches_stay_missing(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((500, 6))
    empty = series_file(tmp_path / "rec.nwb", values * np.nan, np.arange(500) * 0.1, REGIONS)
    with pytest.raises(UserError, match="only missing values"):
        ingest(empty, settings(), "rec")
    values[100:130] = np.nan
    values[:, 2] = np.nan
    file = series_file(tmp_path / "rec.nwb", values, np.arange(500) * 0.1, REGIONS)
    session = checked(file, units={"min_per_region": 2})
    recording, units = session.recording, session.units
    assert units["reason"][2] == "no finite value (NaN everywhere)"
    missing = np.isnan(recording.rates).any("unit")
    assert 0 < int(missing.sum()) <= 30
    assert "bins are missing" in recording.attrs["notes"]


def test_units_that_were_never_recorded_together_are_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((600, 6))
    for unit in range(6):
        values[np.arange(600) % 6 != unit, unit] = np.nan
    file = series_file(tmp_path / "rec.nwb", values, np.arange(600) * 0.1, REGIONS)
    with pytest.raises(UserError, match="0 training and 0 test bins with all units"):
        ingest(file, settings(), "rec")


def test_bins_average_the_samples_of_a_series(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((600, 6))
    trials = pd.DataFrame({"start_time": [5.0, 20.0], "stop_time": [8.0, 23.0]})
    file = series_file(tmp_path / "rec.nwb", values, np.arange(600) * 0.1, REGIONS, intervals={"trials": trials})
    recording = checked(file, windows={"table": "trials"}, bin_width_s=0.5).recording
    np.testing.assert_allclose(recording.rates[0], values[50:80].reshape(6, 5, 6).mean(axis=1), atol=1e-12)
    assert recording.rates.attrs["units"] == "dF/F"


# --- trials that the file holds ----------------------------------------------------------------------------------


def test_plain_trials_keep_their_bins_and_their_truth(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rates = np.tanh(rng.standard_normal((8, 40, 6)))
    rates[3, 30:] = np.nan
    rates[:, :, 1] = 0.25
    time_s = np.arange(40) * 0.01
    truth = Truth(
        J=rng.random((6, 6)), B=rng.random((6, 1)), b=rng.random(6), tau_s=0.1, dt_s=0.01, drive=rng.random((8, 40, 6))
    )
    inputs = rng.random((8, 40, 1))
    trials = pd.DataFrame({"side": list("lrlrlrlr")})
    file = trial_file(tmp_path / "r.h5", rates, time_s, REGIONS, trials, inputs, truth, already_phi=True)
    session = checked(file, windows={"conditions": ["side"]}, units={"min_per_region": 2})
    recording, true = session.recording, session.truth
    kept = [0, 2, 3, 4, 5]
    np.testing.assert_array_equal(recording.rates, rates[:, :, kept])
    np.testing.assert_allclose(recording.time, time_s, atol=1e-9)
    assert (recording.scale == 1.0).all()
    assert recording.attrs["activity"] == "model"
    np.testing.assert_array_equal(recording.inputs[0], inputs[0])
    assert not recording.inputs[3, 30:].any()
    assert true is not None
    np.testing.assert_array_equal(true.J, truth.J[np.ix_(kept, kept)])
    np.testing.assert_array_equal(true.B, truth.B[kept])
    assert truth.drive is not None
    np.testing.assert_array_equal(true.drive, truth.drive[:, :, kept])
    assert Counter(zip(recording.condition.values, recording.split.values, strict=True))[("l", "test")] == 1


def test_own_bins_average_in_whole_multiples_only(tmp_path: Path) -> None:
    rates = np.random.default_rng(0).random((4, 40, 6))
    file = trial_file(tmp_path / "r.h5", rates, np.arange(40) * 0.01, REGIONS)
    recording = checked(file, bin_width_s=0.04).recording
    np.testing.assert_allclose(recording.rates, rates.reshape(4, 10, 4, 6).mean(axis=2))
    np.testing.assert_allclose(recording.time[:2], [0.015, 0.055])
    with pytest.raises(UserError, match="whole multiple"):
        ingest(file, settings(bin_width_s=0.025), "rec")


def test_windows_crop_plain_trials(tmp_path: Path) -> None:
    rates = np.random.default_rng(0).random((4, 40, 6))
    file = trial_file(tmp_path / "r.h5", rates, np.arange(40) * 0.01, REGIONS)
    recording = checked(file, windows={"start_s": 0.095, "stop_s": 0.195}).recording
    np.testing.assert_array_equal(recording.rates, rates[:, 10:20])
    with pytest.raises(UserError, match=r"windows inside the trials"):
        ingest(file, settings(windows={"start_s": 5.0}), "rec")


def test_a_single_plain_trial_is_cut_with_its_inputs_and_drive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rates, inputs, drive = rng.random((1, 500, 6)), rng.random((1, 500, 2)), rng.random((1, 500, 6))
    truth = Truth(J=np.eye(6), B=np.ones((6, 2)), b=np.zeros(6), tau_s=0.1, dt_s=0.01, drive=drive)
    file = trial_file(tmp_path / "r.h5", rates, np.arange(500) * 0.01, REGIONS, None, inputs, truth)
    session = checked(file)
    recording, true = session.recording, session.truth
    assert recording.sizes["trial"] >= 2
    assert {"train", "test"} <= set(recording.split.values)
    assert recording.input.values.tolist() == ["in0", "in1"]
    assert true is not None
    for trial in range(recording.sizes["trial"]):
        first = round((float(recording.start_s[trial]) + 0.005) / 0.01)
        here = slice(first, first + int(np.isfinite(recording.rates[trial, :, 0]).sum()))
        n_bins = here.stop - here.start
        np.testing.assert_array_equal(recording.rates[trial, :n_bins], rates[0, here])
        np.testing.assert_array_equal(recording.inputs[trial, :n_bins], inputs[0, here])
        np.testing.assert_array_equal(true.drive[trial, :n_bins], drive[0, here])


def test_inputs_of_one_continuous_stretch_come_along(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rates, inputs = rng.random((400, 6)), rng.random((400, 2))
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["rates"], file["time"], file["inputs"] = rates, np.arange(400) * 0.1, inputs
        file["region"] = REGIONS
        file["input_name"] = ["light", "tone"]
    recording = of_file(tmp_path / "r.h5").recording
    assert recording.input.values.tolist() == ["light", "tone"]
    assert "start_time" not in recording.coords
    first = round((float(recording.start_s[1]) + 0.05) / 0.1)
    n_bins = recording.sizes["time"]
    np.testing.assert_array_equal(recording.inputs[1], inputs[first : first + n_bins])
    np.testing.assert_array_equal(recording.rates[1], rates[first : first + n_bins])


def test_an_input_without_a_value_is_refused(tmp_path: Path) -> None:
    rates, inputs = np.random.default_rng(0).random((4, 40, 6)), np.zeros((4, 40, 1))
    inputs[2] = np.nan
    file = trial_file(tmp_path / "r.h5", rates, np.arange(40) * 0.01, REGIONS, None, inputs)
    with pytest.raises(UserError, match=r"no value of in0 in 40 of 160 bins"):
        ingest(file, settings(), "rec")


def test_an_input_name_may_stand_once(tmp_path: Path) -> None:
    light = series("light", np.arange(2100.0), np.arange(2100) * 0.1)
    file = spiking(tmp_path / "rec.nwb", series={"light": light})
    with pytest.raises(UserError, match="two inputs named light"):
        ingest(file, settings(inputs=[{"name": "light", "series": "light"}] * 2), "rec")


def test_the_same_file_gives_the_same_bytes_and_reads_back(tmp_path: Path) -> None:
    written = []
    for copy in ("one.nc", "two.nc"):
        recording = checked(spiking(tmp_path / "rec.nwb")).recording
        write_netcdf({"/": recording}, tmp_path / copy)
        written.append((tmp_path / copy).read_bytes())
    assert written[0] == written[1]
    assert read_netcdf(tmp_path / "one.nc").identical(recording)


def test_a_unit_is_chosen_by_its_name(tmp_path: Path) -> None:
    recording = checked(spiking(tmp_path / "rec.nwb")).recording
    assert list(recording["unit"].values) == list(recording["unit_id"].values) == [f"u{unit}" for unit in range(6)]
    unit = recording.sel(unit="u4")
    np.testing.assert_array_equal(unit["rates"], recording["rates"][:, :, 4])
    assert unit["region"].item() == "b"
    # Arrays of the same units are matched by name, in whatever order they stand.
    shuffled = recording["rates"].isel(unit=[3, 0, 5, 1, 2, 4]) / recording["scale"]
    xr.testing.assert_equal(shuffled.sel(unit=recording["unit"]), recording["rates"] / recording["scale"])


# --- real recordings ---------------------------------------------------------------------------------------------


def counts(session: Session) -> dict[str, int]:
    return dict(zip(session.regions["region"], session.regions["n_units"], strict=True))


def test_mouse_and_human_sessions_need_no_setting(recordings: Path) -> None:
    mouse = of_file(recordings / "A2929-200711_neurosuite.nwb")
    assert counts(mouse) == {"adn": 7, "ca1": 8}
    assert set(mouse.recording.region_source.values) == {"units.location"}
    human = of_file(recordings / "human_mtl_sub-4_ses-4.nwb")
    assert counts(human) == {"hippocampus_right": 25, "amygdala_right": 10}
    # 35 of the 2821 s are the gaps between blocks; what remains is cut into blocks of 10 s.
    assert human.recording.sizes["trial"] == 271


def test_macaque_trials_are_ragged_and_hold_five_regions(recordings: Path) -> None:
    path = recordings / "macaque_twostep_charlie_011.nwb"
    session = of_file(path, windows={"table": "trials"}, units={"min_per_region": 1})
    assert counts(session) == {"dACC": 15, "DLPFC": 15, "DLStr": 11, "FP": 8, "DMStr": 4}
    recording = session.recording
    lengths = np.isfinite(recording.rates[:, :, 0]).sum("time") * recording.attrs["dt_s"]
    duration = recording.stop_time - recording.start_time
    assert recording.sizes["trial"] == 507
    assert float(np.abs(lengths - duration).max()) < 0.05 + 1e-6


def test_macaque_without_a_table_is_one_stretch_in_blocks(recordings: Path) -> None:
    recording = of_file(recordings / "macaque_twostep_charlie_011.nwb").recording
    assert set(recording.condition.values) == {"all"}
    assert recording.sizes["trial"] == 521


def test_wake_epoch_in_blocks(recordings: Path) -> None:
    windows = {"table": "epochs", "select": {"tags": ["wake"]}, "continuous": True}
    recording = of_file(recordings / "A2929-200711_neurosuite.nwb", windows=windows).recording
    assert float(recording.start_s.min()) == pytest.approx(600.0)
    assert float(recording.start_s.max()) < 1200.0


def test_human_trial_tables(recordings: Path) -> None:
    path = recordings / "human_mtl_sub-4_ses-4.nwb"
    recording = of_file(path, windows={"table": "encoding_table", "start_s": 0.0, "stop_s": 4.0}).recording
    assert (recording.sizes["trial"], recording.sizes["time"]) == (90, 80)
    with pytest.raises(UserError, match=r"encoding_table \(90 rows\), recognition_table \(180 rows\)"):
        of_file(path, windows={"table": "trials"})


def test_zebrafish_by_mapping(recordings: Path) -> None:
    layout = {
        "rates": "fluorescence",
        "dims": ["unit", "time"],
        "time": None,
        "sampling_rate_hz": 1.0,
        "region": "region/acronym",
    }
    session = of_file(recordings / "zebrafish_fish6.h5", hdf5=layout, units={"min_per_region": 1})
    recording, units = session.recording, session.units
    assert recording.sizes["unit"] == 67
    dropped = units[~units["kept"]]
    assert sorted(dropped["region"]) == ["GG", "Pit", "RH"]
    assert set(dropped["reason"]) == {"constant"}


def test_either_orientation_of_responses(recordings: Path) -> None:
    suite2p = of_file(recordings / "suite2p_2022_08_08.nwb")
    assert len(suite2p.units) == 219
    assert suite2p.recording.attrs["dt_s"] == 0.1
    assert Counter(suite2p.units["reason"])["not a cell (iscell)"] == 199
    miniscope = of_file(recordings / "A6512-210915.nwb", regions={"unknown": "keep"})
    assert len(miniscope.units) == 10
    assert miniscope.recording.attrs["dt_s"] == pytest.approx(1 / 30, rel=1e-3)


def test_peaks_of_spike_counts_are_those_of_the_rate_and_not_of_single_bins(tmp_path: Path) -> None:
    phase = 2 * np.pi * np.random.default_rng(0).random((80, 1, 4))
    rate_hz = 20 * (1 + np.sin(2 * np.pi * np.arange(300)[:, None] * 0.01 + phase))
    counts = np.random.default_rng(1).poisson(rate_hz * 0.01) / 0.01
    file = trial_file(tmp_path / "counts.h5", counts, np.arange(300) * 0.01, ["A"] * 4)
    recording = ingest(file, RecordingSettings(scaling="counts"), "counts").recording
    # Mean 20 Hz and a standard deviation of 14 Hz: half of the peak is (20 + 1.5 x 14.1) / 2 Hz, known to 10 %.
    np.testing.assert_allclose(recording["scale"], (20 + 1.5 * np.sqrt(200)) / 2, rtol=0.1)
    scaled = scaled_rates(recording).values
    assert scaled.min() == pytest.approx(-0.999)
