"""References into tables, coded columns, rejected regions of interest, units of time, and placeholders."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb.ecephys import ElectricalSeries
from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.cells import region_label
from curbd.recording.ingest import ingest_file
from curbd.recording.placeholders import without_placeholders
from curbd.recording.references import checked_references
from curbd.recording.rejected_rois import rejections
from curbd.settings.recording import RecordingSettings

pytestmark = [
    pytest.mark.filterwarnings("ignore:The linked table for DynamicTableRegion"),
    pytest.mark.filterwarnings("ignore:RoiResponseSeries"),
]
KEEP = {"regions": {"unknown": "keep"}}


def open_file(path: Path, **settings):
    return open_recording(path, "nwb", RecordingSettings.model_validate(settings), name="rec")


def with_electrodes(nwbfile, labels):
    device = nwbfile.create_device("probe")
    group = nwbfile.create_electrode_group("shank", "shank", "", device)
    for label in labels:
        nwbfile.add_electrode(group=group, location=label)
    return nwbfile


def add_rois(nwbfile, n_rois, data, **columns):
    """One plane with its ROIs, their responses, and columns of the ROI table."""
    module = nwbfile.create_processing_module("ophys", "imaging")
    plane = nwbfile.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="channel", description="", emission_lambda=500.0),
        description="",
        device=nwbfile.create_device("scope"),
        excitation_lambda=600.0,
        indicator="GCaMP",
        location="V1",
    )
    segmentation = ImageSegmentation(name="segmentation")
    module.add(segmentation)
    table = segmentation.create_plane_segmentation("ROIs", plane, "ROIs")
    for roi in range(n_rois):
        table.add_roi(pixel_mask=[(roi, roi, 1.0)])
    for name, cells in columns.items():
        table.add_column(name, name, data=cells)
    rois = table.create_roi_table_region("all", region=list(range(n_rois)))
    fluorescence = Fluorescence(name="Fluorescence")
    module.add(fluorescence)
    fluorescence.add_roi_response_series(RoiResponseSeries(name="Roi", data=data, rois=rois, unit="n.a.", rate=10.0))
    return nwbfile


# --- references -------------------------------------------------------------------------------------------------------


def test_good_references_are_left_alone() -> None:
    assert checked_references([[0, 2], [], [1]], 3, "c", "t") == ([[0, 2], [], [1]], [], "")


def test_a_single_wild_reference_costs_its_unit_only() -> None:
    rows, notes, problem = checked_references([[0], [99], [-2, 1]], 3, "c", "t", ["a", "b", "c"])
    assert rows == [[0], [], [1]]
    assert not problem
    assert any("unit b" in note and "row 99" in note for note in notes)
    assert any("unit c" in note and "row -2" in note for note in notes)


def test_references_that_count_from_1_are_not_used() -> None:
    rows, _, problem = checked_references([[1], [3], [2]], 3, "c", "t")
    assert rows == [[], [], []]
    assert "row 3 (unit 1)" in problem
    assert "counts rows from 1" in problem


def test_ragged_electrodes_with_a_missing_one_keep_the_others(empty_nwb, save_nwb) -> None:
    nwbfile = with_electrodes(empty_nwb(), ["A", "A", "B"])
    for rows in ([0, 1], [2], [1, 2]):
        nwbfile.add_unit(spike_times=[0.1, 0.5], electrodes=rows)
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        file["units/electrodes"][2] = -1  # the only electrode of unit 1
    with open_file(path) as opened:
        assert opened.units["region_raw"].tolist() == ["A", "", ""]
        assert any("unit 1" in note for note in opened.notes)


def test_peak_channels_that_count_from_1_follow_the_list_of_electrodes(empty_nwb, save_nwb) -> None:
    nwbfile = with_electrodes(empty_nwb(), ["A", "B", "B"])
    nwbfile.add_unit_column("peak_channel", "channel of the largest spikes")
    for unit in range(3):
        nwbfile.add_unit(spike_times=[0.1, 0.5], electrodes=[unit], peak_channel=unit + 1)
    with open_file(save_nwb(nwbfile)) as opened:
        assert opened.units["region"].tolist() == ["A", "B", "B"]
        assert any("counts electrodes from 1" in note for note in opened.notes)


def test_peak_channels_that_count_from_1_alone_are_refused(empty_nwb, save_nwb) -> None:
    nwbfile = with_electrodes(empty_nwb(), ["A", "B", "B"])
    nwbfile.add_unit_column("peak_channel", "channel of the largest spikes")
    for unit in range(3):
        nwbfile.add_unit(spike_times=[0.1, 0.5], peak_channel=unit + 1)
    with pytest.raises(UserError, match=r"peak_channel names electrode 3, .* counts from 1"):
        open_file(save_nwb(nwbfile))


def test_channels_of_an_electrical_series_are_checked(empty_nwb, save_nwb, rng) -> None:
    nwbfile = with_electrodes(empty_nwb(), ["A", "A", "B"])
    region = nwbfile.create_electrode_table_region([0, 1, 2], "all")
    nwbfile.add_acquisition(ElectricalSeries(name="lfp", data=rng.random((50, 3)), electrodes=region, rate=10.0))
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        file["acquisition/lfp/electrodes"][0] = -1
    with open_file(path, activity=["acquisition/lfp"]) as opened:
        assert opened.units["region"].tolist() == ["", "A", "B"]


def test_an_roi_without_a_row_is_left_out(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(add_rois(empty_nwb(), 4, rng.random((60, 4))))
    with h5py.File(path, "a") as file:
        file["processing/ophys/Fluorescence/Roi/rois"][1] = -1
    with open_file(path) as opened:
        assert opened.units["reason"].tolist() == ["", "its row in the ROI table does not exist", "", ""]
    with h5py.File(path, "a") as file:
        file["processing/ophys/Fluorescence/Roi/rois"][...] = [1, 2, 3, 4]
    with pytest.raises(UserError, match=r"Roi.rois: .*row 4 .*counts rows from 1"):
        open_file(path)


def test_an_index_that_leads_beyond_its_column_is_damage(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    for _ in range(3):
        nwbfile.add_unit(spike_times=[0.1, 0.5], location="A")
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        file["units/spike_times_index"][2] = 60
    with pytest.raises(UserError, match=r"spike_times_index.* row 2 ends at 60 .*6 cells"):
        open_file(path)


# --- rejected regions of interest -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Is Cell", [1, 0, 1]),
        ("accepted", ["yes", "no", "yes"]),
        ("Accepted", [b"True", b"False", b"True"]),
        ("is_rejected", [False, True, False]),
        ("roi_status", ["accepted", "rejected", "undecided"]),
        ("iscell", np.array([[1.0, 0.9], [0.0, 0.8], [1.0, 0.1]])),
        ("is_cell", [0.93, 0.02, 0.61]),
    ],
)
def test_rejected_rois_however_they_are_marked(name, cells) -> None:
    reasons, _ = rejections({name: cells}, 3, "ROIs")
    assert reasons == ["", f"not a cell ({name})", ""]


def test_probabilities_are_no_yes_and_a_column_that_nobody_filled_in_is_not_used() -> None:
    _, notes = rejections({"is_cell": [0.93, 0.02, 0.61]}, 3, "ROIs")
    assert "probabilities" in notes[0]
    reasons, notes = rejections({"is_accepted": [0, 0, 0]}, 3, "ROIs")
    assert reasons == ["", "", ""]
    assert "rejects all ROIs" in notes[0]
    assert rejections({"status": ["ok", "drifting", "ok"]}, 3, "ROIs")[0] == ["", "", ""]


def test_a_rejected_roi_is_in_the_table_of_units(empty_nwb, save_nwb, rng) -> None:
    path = save_nwb(add_rois(empty_nwb(), 4, rng.random((200, 4)), rejected=["0", "0", "1", "0"]))
    units = ingest_file(path).units
    assert units["reason"].tolist() == ["", "", "not a cell (rejected)", ""]


# --- codes and their names --------------------------------------------------------------------------------------------


def test_a_code_without_a_name_is_empty_and_ragged_codes_have_names(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_unit(spike_times=[0.1, 0.5], location="A")
    for start in range(3):
        nwbfile.add_trial(start_time=float(start), stop_time=start + 0.5)
    nwbfile.trials.add_column("side", "side", data=np.array([0, 1, 7], dtype=np.uint8), enum=["left", "right"])
    with open_file(save_nwb(nwbfile)) as opened:
        assert opened.intervals["trials"]["side"].tolist() == ["left", "right", ""]


def test_hdf5_enums_and_factors_have_names(tmp_path, rng) -> None:
    path = tmp_path / "rec.h5"
    with h5py.File(path, "w") as file:
        file["rates"], file["time"], file["region"] = rng.random((6, 20, 4)), np.arange(20) / 10, np.array([b"A"] * 4)
        kind = h5py.enum_dtype({"go": 3, "stop": 5}, basetype="i")
        file.create_dataset("trial/cue", data=[3, 5, 3, 5, 3, 5], dtype=kind)
        file["trial/block"] = np.array([1, 2, 3, 1, 2, 3])
        file["trial/block"].attrs["levels"] = ["easy", "hard", "rest"]
        file["trial/column"] = np.arange(6.0).reshape(6, 1)
    recording = ingest_file(path, RecordingSettings.model_validate({"windows": {"conditions": ["cue"]}})).recording
    assert recording["condition"].values.tolist() == ["go", "stop"] * 3
    assert recording["block"].values.tolist() == ["easy", "hard", "rest"] * 2
    assert recording["column"].values.tolist() == [0, 1, 2, 3, 4, 5]


# --- units of time and of value, placeholders -------------------------------------------------------------------------


def test_times_in_milliseconds_are_converted_where_the_file_says_so(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_unit(spike_times=[100.0, 500.5, 900.0], location="A")
    nwbfile.add_trial(start_time=100.0, stop_time=600.0)
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        file["units/spike_times"].attrs["unit"] = "milliseconds"
        for column in ("start_time", "stop_time"):
            file[f"intervals/trials/{column}"].attrs["unit"] = "ms"
    with open_file(path) as opened:
        np.testing.assert_allclose(opened.activity.read(0), [0.1, 0.5005, 0.9])
        assert opened.intervals["trials"]["stop_time"].tolist() == [0.6]
        assert sum("converted to seconds" in note for note in opened.notes) == 3


def test_times_and_values_of_hdf5_in_the_units_that_the_file_states(tmp_path, rng) -> None:
    path = tmp_path / "rec.h5"
    counts = rng.integers(-200, 200, (200, 4)).astype("int16")
    counts[7, 2] = -32768
    with h5py.File(path, "w") as file:
        file["rates"], file["time"], file["region"] = counts, np.arange(200) * 100.0, np.array([b"A"] * 4)
        file["time"].attrs["units"] = "ms"
        file["rates"].attrs.update(scale_factor=0.01, add_offset=3.0, _FillValue=np.int16(-32768))
    with open_recording(path, "hdf5") as opened:
        np.testing.assert_allclose(opened.activity.time_s()[:3], [0, 0.1, 0.2])
        values = opened.activity.read(0, 200)
        assert np.isnan(values[7, 2])
        np.testing.assert_allclose(values[:5], counts[:5] * 0.01 + 3.0)


@pytest.mark.parametrize("text", ["No Area", "no_region", "grey", "-999", b"NULL", "unassigned", -1])
def test_placeholders_are_no_regions(text) -> None:
    assert region_label(text) == ""


def test_placeholders_in_activity_are_missing_and_true_values_are_not(rng) -> None:
    values = rng.random((50, 3))
    values[4, 0], values[5, 1] = -999, -999
    values[:, 1] = np.linspace(-1200, 1200, 50)
    values[5, 1] = -999  # a value like the others
    replaced, count = without_placeholders(values)
    assert count == 1
    assert np.isnan(replaced[4, 0])
    assert replaced[5, 1] == -999


def test_labels_that_differ_by_case_are_pointed_at(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    for label in ("DLStr", "DLstr", "DLStr", "ACC"):
        nwbfile.add_unit(spike_times=[0.1, 0.5], location=label)
    with open_file(save_nwb(nwbfile)) as opened:
        assert any("merge: {DLstr: DLStr}" in note for note in opened.notes)


def test_peak_channels_one_off_at_a_border_are_seen_by_the_list_of_electrodes(empty_nwb, save_nwb) -> None:
    nwbfile = with_electrodes(empty_nwb(), ["A", "A", "B", "B", "B"])
    nwbfile.add_unit_column("peak_channel", "channel of the largest spikes")
    for unit in range(3):
        nwbfile.add_unit(spike_times=[0.1, 0.5], electrodes=[unit], peak_channel=unit + 1)
    with open_file(save_nwb(nwbfile)) as opened:
        assert opened.units["region"].tolist() == ["A", "A", "B"]
        assert any("counts electrodes from 1" in note for note in opened.notes)


def test_electrode_ids_that_repeat_on_two_probes_are_told_apart_by_the_list(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    device = nwbfile.create_device("probe")
    group = nwbfile.create_electrode_group("shank", "shank", "", device)
    for electrode_id, label in ((0, "A"), (1, "A"), (0, "B"), (1, "B")):
        nwbfile.add_electrode(group=group, location=label, id=electrode_id, enforce_unique_id=False)
    nwbfile.add_unit_column("peak_channel", "channel of the largest spikes")
    for rows, peak in (([0, 1], 1), ([2, 3], 1)):
        nwbfile.add_unit(spike_times=[0.1, 0.5], electrodes=rows, peak_channel=peak)
    with open_file(save_nwb(nwbfile)) as opened:
        assert opened.units["region"].tolist() == ["A", "B"]


def test_a_description_in_milliseconds_is_told(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_unit(spike_times=[100.0, 500.5, 900.0], location="A")
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        file["units/spike_times"].attrs["description"] = "spike times (ms)"
    with open_file(path) as opened:
        assert any("spike_times mentions 'ms'" in note for note in opened.notes)


def test_coded_regions_inputs_with_placeholders_and_conditions_that_differ_by_case(tmp_path, rng) -> None:
    path = tmp_path / "rec.h5"
    with h5py.File(path, "w") as file:
        file["rates"], file["time"], file["region"] = rng.random((6, 20, 6)), np.arange(20) / 10, [0, 0, 0, 1, 1, 1]
        file["region"].attrs["categories"] = ["V1", "LM"]
        inputs = rng.random((6, 20, 1))
        inputs[2, 3] = -999
        file["inputs"] = inputs
        file["trial/side"] = np.array([b"Left", b"left", b"right"] * 2)
    recording = ingest_file(path, RecordingSettings.model_validate({"windows": {"conditions": ["side"]}})).recording
    assert recording["region"].values.tolist() == ["V1"] * 3 + ["LM"] * 3
    assert "1 bins hold a placeholder" in recording.attrs["notes"]
