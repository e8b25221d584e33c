"""Clocks of spikes and trials, windows that share bins, and memory that is known before it is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd.errors import UserError
from curbd.recording import memory, open_recording
from curbd.recording.ingest import ingest, ingest_file
from curbd.recording.selection import reasons_of_holes
from curbd.recording.spike_clock import SpikeClock
from curbd.recording.splits import LEFT_OUT, split, split_apart
from curbd.recording.window_checks import condition_notes, overlaps, window_notes
from curbd.settings.recording import RecordingSettings
from tests.support.in_memory import series_file, spike_file, trial_file

REGIONS = ["a"] * 3 + ["b"] * 3


def clock_of(trains: list[np.ndarray]) -> SpikeClock:
    clock = SpikeClock(n_units=len(trains))
    for unit, times in enumerate(trains):
        clock.add(unit, times, np.unique(times[np.isfinite(times)]))
    return clock


def trains(rng: np.random.Generator, n_units: int = 6, stop_s: float = 60.0, rate_hz: float = 8.0) -> list[np.ndarray]:
    return [np.sort(rng.uniform(0, stop_s, int(rate_hz * stop_s))) for _ in range(n_units)]


def session(path: Path, spike_times: list[np.ndarray], table: pd.DataFrame | None = None, **settings):
    stop = max(times[-1] for times in spike_times)
    intervals = {} if table is None else {"trials": table}
    file = spike_file(path / "rec.nwb", spike_times, REGIONS, (0.0, float(stop)), intervals=intervals)
    return ingest(file, RecordingSettings.model_validate(settings), "rec")


# --- clocks -----------------------------------------------------------------------------------------------------------


def test_an_ordinary_clock_has_no_remark(rng) -> None:
    assert clock_of(trains(rng)).notes((0.0, 60.0), None) == []


@pytest.mark.parametrize("factor", [1000.0, 30000.0])
def test_times_in_milliseconds_or_samples_are_called_so(rng, factor) -> None:
    notes = clock_of([np.round(times * factor) for times in trains(rng)]).notes((0.0, 60.0 * factor), 1 / 30000)
    assert len(notes) <= 2
    assert "whole numbers" in notes[-1]
    assert "spike_time_unit_s" in notes[-1]
    assert "resolution of 3.33" in notes[-1]


def test_times_in_hours_are_too_fast(rng) -> None:
    assert "not possible" in clock_of([times / 3600 for times in trains(rng)]).notes((0.0, 60 / 3600), None)[0]


def test_a_clock_that_restarts_is_told_and_one_unsorted_unit_is_no_restart(rng) -> None:
    restarted = [np.concatenate([times, times]) + 1e-4 for times in trains(rng)]
    note = clock_of(restarted).notes((0.0, 60.0), None)
    assert any("6 of 6 units are not in increasing order" in text and "restarts" in text for text in note)
    shuffled = trains(rng)
    rng.shuffle(shuffled[2])
    (text,) = clock_of(shuffled).notes((0.0, 60.0), None)
    assert "1 of 6 units are not in increasing order" in text
    assert "restarts" not in text


def test_equal_times_that_the_resolution_explains(rng) -> None:
    rounded = [np.round(times, 3) for times in trains(rng, rate_hz=200.0)]
    note = clock_of(rounded).notes((0.0, 60.0), None)[0]
    assert "duplicate" in note
    assert "steps of 0.001 s" in note


def test_single_precision_late_in_a_session(rng) -> None:
    clock = clock_of(trains(rng))
    clock.single = True
    assert clock.notes((0.0, 60.0), None) == []
    assert "single precision" in clock.notes((29940.0, 30000.0), None)[0]


def test_absurd_and_infinite_times_are_left_out_and_milliseconds_are_read_with_their_unit(
    empty_nwb, save_nwb, rng
) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    for unit, times in enumerate(trains(rng)):
        extra = [-3.0e12, np.inf] if unit == 4 else []
        nwbfile.add_unit(spike_times=np.sort(np.concatenate([times * 1000, extra])), location=REGIONS[unit])
    path = save_nwb(nwbfile)
    settings = RecordingSettings.model_validate({"spike_time_unit_s": 0.001})
    with open_recording(path, "nwb", settings) as opened:
        assert opened.activity.span_s == pytest.approx((0.0, 60.0), abs=0.5)
        assert opened.activity.read(4).size == 480
        assert any("1 spike times far from all others" in note and "-3e+09" in note for note in opened.notes)
        assert any("1 spike times that are not finite" in note for note in opened.notes)
    assert ingest_file(path, settings).recording.sizes["unit"] == 6


# --- windows ----------------------------------------------------------------------------------------------------------


def test_overlaps_are_those_of_a_plain_loop(rng) -> None:
    start = np.round(rng.uniform(0, 40, 30), 1)
    stop = start + np.round(rng.uniform(0.1, 3, 30), 1)
    plain = [
        any(i != j and start[i] < stop[j] - 1e-6 and start[j] < stop[i] - 1e-6 for j in range(30)) for i in range(30)
    ]
    assert overlaps(start, stop, 1e-6).tolist() == plain


def test_no_bin_is_on_both_sides_of_the_split(rng) -> None:
    for seed in range(20):
        start = np.sort(rng.uniform(0, 100, 60))
        stop = start + rng.uniform(0.5, 4.0, 60)
        condition = rng.choice(["a", "b"], 60)
        chosen, note = split_apart(condition, start, stop, 0.2, seed)
        assert "kept on one side" in note
        test, train = chosen == "test", chosen == "train"
        assert 6 <= test.sum() <= 24
        assert train.sum() >= 24
        shares = (start[test][:, None] < stop[train]) & (start[train] < stop[test][:, None])
        assert not shares.any()
        again, _ = split_apart(condition, start, stop, 0.2, seed)
        assert (chosen == again).all()


def test_windows_that_do_not_overlap_are_split_as_ever(rng) -> None:
    start = 3.0 * np.arange(40)
    condition = rng.choice(["a", "b"], 40)
    chosen, note = split_apart(condition, start, start + 3.0, 0.2, 5)
    assert (chosen == split(condition, 0.2, 5)).all()
    assert note == ""


def test_trials_that_all_share_bins_are_split_with_a_warning() -> None:
    chosen, note = split_apart(np.full(10, "all"), np.zeros(10), np.ones(10), 0.2, 0)
    assert set(chosen) == {"train", "test"}
    assert "All trials share bins" in note
    assert LEFT_OUT not in chosen


def test_rows_that_repeat_stay_together(tmp_path, rng) -> None:
    start = np.repeat(1.0 + 2.0 * np.arange(25), 2)
    recording = session(
        tmp_path,
        trains(rng),
        pd.DataFrame({"start_time": start, "stop_time": start + 1.5}),
        windows={"table": "trials"},
    ).recording
    sides = recording["split"].to_series().groupby(recording["start_s"].values).nunique()
    assert (sides == 1).all()
    assert "25 repeat an earlier window" in recording.attrs["notes"]


def test_a_long_row_conditions_that_vanish_and_continuous_conditions_are_told() -> None:
    start = 2.0 * np.arange(20)
    stop = start + 1.0
    stop[7] = start[7] + 400.0
    notes = window_notes(start, stop, "trials", 0.05)
    assert any("the longest 400 s, at 14 s" in note and "windows.stop_s" in note for note in notes)
    rows = pd.DataFrame({"rewarded": [0, 1] * 10, "contrast": np.arange(20) / 7})
    used = rows["rewarded"].to_numpy() == 1
    notes = condition_notes(rows, used, ["rewarded", "contrast"], "trials")
    assert any("no window is left of rewarded 0 (10 rows)" in note for note in notes)
    assert condition_notes(rows, np.full(20, True), ["contrast"], "trials")[0].count("20 different values") == 1


def test_a_table_in_milliseconds_is_recognised(tmp_path, rng) -> None:
    start = 1000.0 * (1 + 2 * np.arange(25))
    table = pd.DataFrame({"start_time": start, "stop_time": start + 1500})
    with pytest.raises(UserError, match=r"look like milliseconds"):
        session(tmp_path, trains(rng), table, windows={"table": "trials"})


# --- memory and holes -------------------------------------------------------------------------------------------------


def test_a_long_and_nearly_empty_recording_is_refused_with_numbers(tmp_path, rng, monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1e9)
    far = [np.append(times, 4.0e8) for times in trains(rng)]
    with pytest.raises(UserError, match=r"4e\+08 s in bins .* for 6 units: arrays of .* GB, expected at most 1 GB"):
        session(tmp_path, far)


def test_one_long_trial_of_many_is_refused_with_the_setting_that_ends_it(tmp_path, rng, monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2e6)
    start = 2.0 * np.arange(25)
    stop = start + 1.0
    stop[3] = 60.0
    table = pd.DataFrame({"start_time": start, "stop_time": stop})
    with pytest.raises(UserError, match=r"the longest window 54 s, the median 1 s.* windows.stop_s, e.g. 1"):
        session(tmp_path, trains(rng), table, windows={"table": "trials"})
    assert memory.free_bytes() == 2e6


def test_free_memory_is_a_number() -> None:
    assert memory.free_bytes() > 1e6


def test_scattered_holes_cost_bins_and_a_unit_with_many_holes_is_left_out(tmp_path, rng) -> None:
    values = np.cumsum(rng.normal(size=(1000, 6)), axis=0)
    holes = rng.random(values.shape) < 0.005
    holes[:, 5] = rng.random(1000) < 0.2
    values[holes] = np.nan
    file = series_file(tmp_path / "rec.nwb", values, np.arange(1000) / 10, ["a"] * 6)
    made = ingest(file, RecordingSettings.model_validate({"windows": {"block_s": 10}}), "rec")
    assert made.units["kept"].tolist() == [True] * 5 + [False]
    assert "missing (NaN)" in made.units["reason"].iloc[5]
    strict = RecordingSettings.model_validate({"windows": {"block_s": 10}, "units": {"max_missing": 0}})
    with pytest.raises(UserError, match=r"none of 6 kept .* change .*units.max_missing"):
        ingest(file, strict, "rec")


def test_units_with_the_fewest_holes_are_kept_first() -> None:
    rates = np.random.default_rng(0).random((1, 100, 5))
    for unit, n_holes in enumerate((0, 20, 3, 20, 0)):
        rates[0, 20 * unit : 20 * unit + n_holes, unit] = np.nan
    reasons = reasons_of_holes(rates)
    # 3 + 20 bins are lost at most; another 20 would be too many.
    assert [bool(reason) for reason in reasons] == [False, False, False, True, False]


def test_times_of_each_trial_that_start_again_are_a_clock_that_restarts(rng) -> None:
    relative = [np.concatenate([np.sort(rng.uniform(0, 2, 20)) for _ in range(30)]) for _ in range(6)]
    (note,) = clock_of(relative).notes((0.0, 2.0), None)
    assert "times of each trial" in note


def test_milliseconds_with_decimals_are_too_slow_for_neurons(rng) -> None:
    (note,) = clock_of([times * 1000 for times in trains(rng)]).notes((0.0, 6e4), None)
    assert "no unit is above 0.008 Hz" in note


def test_many_small_regions_are_advised_to_merge(tmp_path, rng) -> None:
    path = tmp_path / "rec.nwb"
    file = spike_file(path, trains(rng), [f"VISp{layer}" for layer in range(6)], (0.0, 60.0))
    with pytest.raises(UserError, match=r"change units.min_per_region, or merge regions .*regions.atlas for layers"):
        ingest(file, RecordingSettings(), "rec")


def test_a_table_in_milliseconds_is_read_with_its_unit(tmp_path, rng) -> None:
    start = 1 + 2.0 * np.arange(25)
    table = pd.DataFrame(
        {"start_time": start, "stop_time": start + 1.5, "cue_time": start + 0.2, "side": [0, 1, 0, 1, 0] * 5}
    )
    windows = {"table": "trials", "align": "cue_time", "start_s": -0.1, "stop_s": 1}
    times = trains(rng)
    plain = session(tmp_path, times, table, windows=windows).recording
    scaled = table.assign(**{column: table[column] * 1000 for column in ("start_time", "stop_time", "cue_time")})
    read = session(tmp_path, times, scaled, windows={**windows, "time_unit_s": 0.001}).recording
    np.testing.assert_allclose(read["rates"].values, plain["rates"].values)
    np.testing.assert_allclose(read["cue_time"].values, plain["cue_time"].values)
    assert read["side"].values.tolist() == plain["side"].values.tolist()


@pytest.mark.parametrize("end", [np.inf, 1e12])
def test_stretches_that_end_far_from_all_spikes_are_cut(empty_nwb, save_nwb, rng, end: float) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    for unit, times in enumerate(trains(rng)):
        nwbfile.add_unit(spike_times=times, location=REGIONS[unit], obs_intervals=[[0.0, end if unit else 60.0]])
    recording = ingest_file(save_nwb(nwbfile)).recording
    assert recording.sizes["unit"] == 6
    assert "obs_intervals of 5 units" in recording.attrs["notes"]
    assert float(recording["start_s"].max()) < 60


def test_trials_of_a_file_that_repeat_exactly_are_told(tmp_path, rng) -> None:
    rates = np.repeat(rng.random((6, 20, 6)), 2, axis=0)
    file = trial_file(tmp_path / "rec.h5", rates, np.arange(20) / 10, REGIONS)
    notes = ingest(file, RecordingSettings(), "rec").recording.attrs["notes"]
    assert "6 of 12 trials repeat an earlier trial exactly" in notes


def test_conditions_that_differ_by_case_are_told() -> None:
    rows = pd.DataFrame({"side": ["Left", "left", "right"] * 4})
    (note,) = condition_notes(rows, np.full(12, True), ["side"], "trials")
    assert "Left, left" in note
