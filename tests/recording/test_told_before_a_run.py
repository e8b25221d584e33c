"""What a file holds and a run leaves out or probably misreads is told by the check before the run."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import TimeSeries
from pynwb.ecephys import LFP, ElectricalSeries

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.file_check import check_file
from curbd.recording.ingest import ingest
from curbd.recording.inspection import inspect
from curbd.settings.recording import RecordingSettings


def spikes(rng, n_units: int = 8, stop_s: float = 40.0) -> list[np.ndarray]:
    return [np.sort(rng.uniform(0, stop_s, 200)) for _ in range(n_units)]


def with_trials(nwbfile, times, labels, start=None, **columns):
    nwbfile.add_unit_column("location", "region")
    for spike_times, label in zip(times, labels, strict=True):
        nwbfile.add_unit(spike_times=spike_times, location=label)
    start = np.arange(1.0, 37.0, 3.0) if start is None else start
    for name in columns:
        nwbfile.add_trial_column(name, name, index=isinstance(columns[name][0], list))
    for row, begin in enumerate(start):
        nwbfile.add_trial(start_time=begin, stop_time=begin + 2, **{name: columns[name][row] for name in columns})
    return nwbfile


def check_of(path: Path, format: str = "nwb", **settings):
    return check_file(path, format, RecordingSettings.model_validate(settings), "rec")


def told(check, *parts: str) -> bool:
    return any(all(part in remark for part in parts) for remark in check.remarks)


TRIALS = {"windows": {"table": "trials"}}
TWO = ["A"] * 4 + ["B"] * 4


def test_rows_and_units_that_are_left_out(empty_nwb, save_nwb, rng) -> None:
    start = np.arange(1.0, 37.0, 3.0)
    start[[2, 11]] = np.nan, 5000.0
    times = spikes(rng)
    times[0] = np.array([])
    path = save_nwb(with_trials(empty_nwb(), times, ["A"] * 4 + ["B"] * 3 + [""], start))
    check = check_of(path, **TRIALS)
    assert check.mistakes == []
    for parts in (
        ("1 of 12 rows are left out", "without a time"),
        ("1 of 12 rows are left out", "outside the recording"),
        ("1 of 8 units have no spike",),
        ("1 of 8 units are left out, without a region label",),
    ):
        assert told(check, *parts), check.remarks
    with open_recording(path, "nwb") as file:
        settings = RecordingSettings.model_validate(TRIALS)
        notes = ingest(file, settings, "rec").recording.attrs["notes"].splitlines()
    assert {f"rec ({path}): {note}" for note in notes} <= set(check.remarks)


def test_a_single_region_that_is_left(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), ["A"] * 7 + ["B"]))
    assert told(check_of(path, **TRIALS), "only one region (A)", "no pathway between regions")
    assert "only one region (A)" in inspect(path)


def test_a_column_of_several_times_is_no_event(empty_nwb, save_nwb, rng) -> None:
    licks = [[begin + 0.1 * lick for lick in range(1 + row % 3)] for row, begin in enumerate(np.arange(1.0, 37.0, 3.0))]
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), TWO, licks=licks))
    (mistake,) = check_of(path, windows={"table": "trials", "align": "licks", "start_s": -0.5, "stop_s": 1}).mistakes
    assert "column licks: found several times in 8 of 12 rows, such as 4.0, 4.1" in mistake


def test_windows_outside_of_their_own_trials(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), TWO))
    check = check_of(path, windows={"table": "trials", "start_s": 2.5, "stop_s": 4.5})
    assert told(check, "12 of 12 windows lie outside of their own trial, e.g. 3.5 to 5.5 s")
    assert not told(check_of(path, windows={"table": "trials", "start_s": -0.5, "stop_s": 4.5}), "own trial")


def test_columns_of_references_say_why_they_are_missing(empty_nwb, save_nwb, rng) -> None:
    nwbfile = empty_nwb()
    group = nwbfile.create_electrode_group("shank", "a shank", "A", nwbfile.create_device("probe"))
    nwbfile.add_electrode(group=group, location="A")
    nwbfile.add_trial_column("site", "stimulated site", table=nwbfile.electrodes)
    nwbfile.add_unit_column("location", "region")
    for times, label in zip(spikes(rng), TWO, strict=True):
        nwbfile.add_unit(spike_times=times, location=label)
    for begin in np.arange(1.0, 37.0, 3.0):
        nwbfile.add_trial(start_time=begin, stop_time=begin + 2, site=0)
    assert "trials.site is left out: it holds references" in inspect(save_nwb(nwbfile))


def test_two_rows_offer_no_times_as_conditions(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), TWO, np.array([1.0, 5.0])))
    assert "windows.conditions" not in inspect(path).partition("Further columns")[2].partition("Look at")[0]


def test_a_stretch_without_spikes_that_is_most_of_the_recording(empty_nwb, save_nwb, rng) -> None:
    times = spikes(rng)
    times[3] = np.r_[-3000.0, times[3]]
    path = save_nwb(with_trials(empty_nwb(), times, TWO))
    assert told(check_of(path, **TRIALS), "No unit has a spike from -3000 to 0", "99% of the recording")


def test_units_that_were_never_observed_together(empty_nwb, save_nwb, rng) -> None:
    def remarks(stretches) -> list[str]:
        nwbfile = empty_nwb()
        nwbfile.add_unit_column("location", "region")
        for times, label, observed in zip(spikes(rng), TWO, stretches, strict=True):
            nwbfile.add_unit(spike_times=times, location=label, obs_intervals=observed)
        return [remark.partition("): ")[2] for remark in check_of(save_nwb(nwbfile)).remarks]

    halves = remarks([[[0, 20]]] * 4 + [[[20, 40]]] * 4)
    assert any("At most 4 of 8 units were observed at the same time" in remark for remark in halves)
    overlapping = remarks([[[0, 30], [20, 40]]] * 4 + [[[10, 40]]] * 4)
    assert not any("obs_intervals" in remark for remark in overlapping)
    wrong = remarks([[[40, 0]], [[np.nan, 40]]] + [[[0, 40]]] * 6)
    assert any("obs_intervals of 2 units (rows 0, 1) end before they start" in remark for remark in wrong)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"series": "processing/behavior/short"}, "found no value of u in .* the series lasts from 0 to 9.9 s"),
        ({"column": "amplitude", "start": "side"}, "start, column side: found no number in any row"),
        ({"column": "amplitude", "start": "licks"}, "start, column licks: found several times in 12 of 12 rows"),
    ],
)
def test_inputs_without_values_are_told_before_the_run(empty_nwb, save_nwb, rng, entry, message) -> None:
    columns = {"amplitude": [1.0, 2.0] * 6, "side": ["left", "right"] * 6, "licks": [[1.0, 2.0]] * 12}
    nwbfile = with_trials(empty_nwb(), spikes(rng), TWO, **columns)
    module = nwbfile.create_processing_module("behavior", "of the animal")
    module.add(TimeSeries(name="short", data=np.sin(np.arange(100)), unit="a", rate=10.0))
    (mistake,) = check_of(save_nwb(nwbfile), **TRIALS, inputs=[{"name": "u", **entry}]).mistakes
    assert re.search(message, mistake)


def test_bins_that_do_not_fit_into_memory_are_told_before_the_run(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), TWO))
    (mistake,) = check_of(path, **TRIALS, bin_width_s=1e-9).mistakes
    assert "bins x 8 units" in mistake
    assert "the memory that is free" in mistake


def test_a_table_without_rows(empty_nwb, save_nwb, rng) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_trial_column("side", "side", data=np.zeros(0))
    path = save_nwb(with_trials(nwbfile, spikes(rng), TWO, np.zeros(0)))
    (mistake,) = check_of(path, **TRIALS).mistakes
    assert "windows.table: found trials, a table without rows" in mistake


def test_a_mapping_written_by_a_program_that_reads_ids_as_numbers(empty_nwb, save_nwb, rng, tmp_path) -> None:
    nwbfile = empty_nwb()
    for times in spikes(rng):
        nwbfile.add_unit(spike_times=times)
    path, table = save_nwb(nwbfile), tmp_path / "regions.tsv"

    def remarks(first: int, form: str) -> list[str]:
        rows = (f"{form.format(first + unit)}\t{label}\n" for unit, label in enumerate(TWO))
        table.write_text(f"unit_id\tregion\n{''.join(rows)}", encoding="utf-8")
        check = check_of(path, regions={"mapping": str(table)})
        assert check.mistakes == []
        return [remark for remark in check.remarks if "regions.tsv" in remark]

    assert remarks(0, "{}.0") == []
    (from_one,) = remarks(1, "{}")
    assert "1 of 8 rows name no unit of the recording (unit_id 8): if the table counts from 1" in from_one


def test_more_units_than_samples_are_told(empty_nwb, save_nwb, rng) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_acquisition(TimeSeries(name="lfp", data=rng.normal(size=(8, 300)), unit="V", rate=10.0))
    settings = {"activity": ["acquisition/lfp"], "regions": {"unknown": "keep"}}
    assert told(check_of(save_nwb(nwbfile), **settings), "acquisition/lfp has 8 samples of 300 units", "exchanged")


def plain_hdf5(path: Path, rng, **datasets) -> Path:
    content = {"rates": rng.random((60, 4)), "time": np.arange(60) / 10, "region": np.array([b"A", b"A", b"B", b"B"])}
    with h5py.File(path, "w") as file:
        for name, values in (content | datasets).items():
            file[name] = values
    return path


def test_axes_of_equal_length_are_told_unless_the_order_is_stated(tmp_path: Path, rng) -> None:
    path = plain_hdf5(tmp_path / "rec.h5", rng, rates=rng.random((4, 60, 4)))
    assert told(check_of(path, "hdf5"), "read as (trial, time, unit)", "4 x 60 x 4, fits another order")
    stated = {"dims": ["trial", "time", "unit"]}
    assert not told(check_of(path, "hdf5", hdf5=stated), "fits another order")


def test_datasets_that_the_settings_name_and_the_file_lacks(tmp_path: Path, rng) -> None:
    path = plain_hdf5(tmp_path / "rec.h5", rng)
    with pytest.raises(UserError, match=r"hdf5.region: found 'regions', .* did you mean 'region'\?"):
        open_recording(path, "hdf5", RecordingSettings.model_validate({"hdf5": {"region": "regions"}}))
    units = {"min_per_region": 2}
    assert told(check_of(path, "hdf5", hdf5={"cell_type": "types"}, units=units), "hdf5.cell_type", "holds no types")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([1.0, 1.0, 2.0, 2.0]), ["1", "1", "2", "2"]),
        (np.array(["é".encode("latin-1")] * 2 + [b"B"] * 2), ["é", "é", "B", "B"]),
        (np.array([[ord(letter) for letter in text] for text in ("CA1", "CA1", "V1 ", "V1 ")], "u2").T, None),
    ],
)
def test_labels_as_other_programs_write_them(tmp_path: Path, rng, labels: np.ndarray, expected: list[str]) -> None:
    path = plain_hdf5(tmp_path / "rec.h5", rng, region=labels)
    with h5py.File(path, "a") as file:
        file["region"].attrs["MATLAB_class"] = np.bytes_("char" if expected is None else "double")
    with open_recording(path, "hdf5") as file:
        assert file.units["region"].tolist() == (expected or ["CA1", "CA1", "V1", "V1"])


@pytest.mark.parametrize("shared", [False, True])
def test_fields_of_several_probes_are_proposed_together(empty_nwb, save_nwb, rng, shared: bool) -> None:
    nwbfile = empty_nwb()
    group = nwbfile.create_electrode_group("shank", "a shank", "", nwbfile.create_device("probe"))
    for label in ("CA1", "CA1", "CA1", "V1", "V1", "V1"):
        nwbfile.add_electrode(group=group, location=label)
    fields = LFP()
    nwbfile.create_processing_module("ecephys", "fields").add(fields)
    for name, rows in (("left", [0, 1, 2]), ("right", [2, 4, 5] if shared else [3, 4, 5])):
        electrodes = nwbfile.create_electrode_table_region(rows, "channels")
        data = rng.normal(size=(400, 3))
        fields.add_electrical_series(ElectricalSeries(name=name, data=data, electrodes=electrodes, rate=100.0))
    page = inspect(save_nwb(nwbfile))
    both = "[processing/ecephys/LFP/left, processing/ecephys/LFP/right]"
    assert (both in page) == (not shared)


def test_smoothing_longer_than_all_trials_is_refused(empty_nwb, save_nwb, rng, tmp_path) -> None:
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), TWO))
    (mistake,) = check_of(path, **TRIALS, smoothing_s=100).mistakes
    assert "smoothing_s: found 100 s, expected less than the 2 s of the longest trial or block" in mistake
    plain = plain_hdf5(tmp_path / "rec.h5", rng, rates=rng.random((6, 60, 4)))
    (mistake,) = check_of(plain, "hdf5", smoothing_s=1e9, units={"min_per_region": 2}).mistakes
    assert "smoothing_s: found 1e+09 s, expected less than the 6 s" in mistake


def test_rates_that_leave_no_unit_are_told_before_the_run(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(with_trials(empty_nwb(), spikes(rng), TWO))
    (mistake,) = check_of(path, **TRIALS, units={"min_rate_hz": 1000}).mistakes
    assert "none of 8 kept (8 mean rate below 1000 Hz)" in mistake
    assert "change units.min_rate_hz" in mistake


def test_units_and_regions_that_rates_leave_out_are_told_before_the_run(empty_nwb, save_nwb, rng) -> None:
    times = spikes(rng, 10)
    times[4:8] = [times[unit][::20] for unit in range(4, 8)]
    path = save_nwb(with_trials(empty_nwb(), times, ["A"] * 4 + ["B"] * 6))
    check = check_of(path, **TRIALS, units={"min_rate_hz": 2})
    assert check.mistakes == []
    assert told(check, "6 of 10 units are left out (4 mean rate below 2 Hz; 2 fewer than 3 units kept in region B)")
    assert set(check.outline["region"].values) == {"A"}


def test_missing_values_that_leave_nothing_are_told_before_the_run(tmp_path: Path, rng) -> None:
    path = plain_hdf5(tmp_path / "rec.h5", rng, rates=np.full((60, 4), np.nan))
    few = {"units": {"min_per_region": 1}}
    settings = RecordingSettings.model_validate(few)
    with open_recording(path, "hdf5", settings, "rec") as file, pytest.raises(UserError) as refused:
        ingest(file, settings, "rec")
    assert check_of(path, "hdf5", **few).mistakes == str(refused.value).splitlines()[:1]


def test_holes_of_single_units_are_told_before_the_run(tmp_path: Path, rng) -> None:
    rates = rng.random((60, 4))
    rates[[7, 30], [0, 1]] = np.inf, np.nan
    check = check_of(plain_hdf5(tmp_path / "rec.h5", rng, rates=rates), "hdf5", units={"min_per_region": 1})
    assert told(check, "2 of 4 kept units have no value in some bins", "these 2 bins are missing for all units")


def test_data_in_another_file_that_is_gone_is_never_read_as_zeros(tmp_path: Path, rng) -> None:
    sources = [plain_hdf5(tmp_path / f"{part}.h5", rng) for part in ("first", "second")]
    layout = h5py.VirtualLayout((120, 4), "f8")
    layout[:60], layout[60:] = (h5py.VirtualSource(source.name, "rates", (60, 4)) for source in sources)
    path = plain_hdf5(tmp_path / "rec.h5", rng, time=np.arange(120) / 10)
    with h5py.File(path, "a") as file:
        del file["rates"]
        file.create_virtual_dataset("rates", layout, fillvalue=0)
    settings = {"units": {"min_per_region": 1}}
    assert check_of(path, "hdf5", **settings).mistakes == []
    sources[1].unlink()
    (mistake,) = check_of(path, "hdf5", **settings).mistakes
    assert "rates: found values in the file second.h5, which does not exist" in mistake
    with h5py.File(path, "a") as file:
        del file["rates"]
        file["rates"] = h5py.ExternalLink("gone.h5", "/rates")
    (mistake,) = check_of(path, "hdf5", **settings).mistakes
    assert "rates: found a link to /rates in the file gone.h5, which does not exist" in mistake


def test_units_with_the_same_activity_are_told_before_the_run(tmp_path: Path, rng) -> None:
    rates = rng.random((60, 4))
    rates[:, 3] = rates[:, 0]
    check = check_of(plain_hdf5(tmp_path / "rec.h5", rng, rates=rates), "hdf5", units={"min_per_region": 1})
    assert told(check, "1 of 4 kept units have exactly the activity of another unit")


def test_a_region_that_was_not_recorded_in_part_of_the_trials_is_told(empty_nwb, save_nwb, rng) -> None:
    times = spikes(rng)
    assert not told(check_of(save_nwb(with_trials(empty_nwb(), times, TWO)), **TRIALS), "no unit has a spike")
    times[4:] = [unit[unit < 20] for unit in times[4:]]
    path = save_nwb(with_trials(empty_nwb(), times, TWO))
    assert told(check_of(path, **TRIALS), "B: no unit has a spike in 5 of 12 trials or blocks (22 to 36 s)")


def test_durations_in_the_place_of_times_are_told(empty_nwb, save_nwb, rng) -> None:
    nwbfile = with_trials(empty_nwb(), spikes(rng), TWO, start=np.zeros(0))
    for start in np.arange(1.0, 37.0, 3.0):
        nwbfile.add_trial(start_time=start, stop_time=2.0)
    assert told(check_of(save_nwb(nwbfile), **TRIALS), "11 of 12 rows", "are the numbers in stop_time durations")
