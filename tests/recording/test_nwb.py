"""NWB files as sources: spikes, ROI responses, plain series, tables, labels and messages."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.ingest import ingest_file
from curbd.recording.recording_file import Series, Spikes
from curbd.settings.recording import RecordingSettings

pytestmark = [
    # What pynwb says while a test writes what real files hold: planes of their own, and ROIs along the first axis.
    pytest.mark.filterwarnings("ignore:The linked table for DynamicTableRegion"),
    pytest.mark.filterwarnings("ignore:RoiResponseSeries"),
]

KEEP = {"regions": {"unknown": "keep"}}


def open_file(path: Path, **settings):
    return open_recording(path, "nwb", RecordingSettings.model_validate(settings), name="rec")


def counts(opened) -> dict[str, int]:
    return opened.units["region"].value_counts().to_dict()


def add_electrodes(nwbfile, labels, group="shank_psb", location="", **extra):
    device = nwbfile.create_device(f"device of {group}")
    electrode_group = nwbfile.create_electrode_group(group, "shank", location, device)
    for column in extra:
        if nwbfile.electrodes is None or column not in nwbfile.electrodes.colnames:
            nwbfile.add_electrode_column(column, column)
    for row, label in enumerate(labels):
        nwbfile.add_electrode(group=electrode_group, location=label, **{name: v[row] for name, v in extra.items()})
    return electrode_group


def add_plane(nwbfile, name, location, n_rois, cells=None):
    """The ophys module, and a table of ROIs in a plane of its own."""
    module = nwbfile.processing.get("ophys") or nwbfile.create_processing_module("ophys", "imaging")
    plane = nwbfile.create_imaging_plane(
        name=name,
        optical_channel=OpticalChannel(name="channel", description="", emission_lambda=500.0),
        description="",
        device=nwbfile.devices.get("scope") or nwbfile.create_device("scope"),
        excitation_lambda=600.0,
        indicator="GCaMP",
        location=location,
    )
    segmentation = ImageSegmentation(name=f"segmentation of {name}")
    module.add(segmentation)
    table = segmentation.create_plane_segmentation("ROIs", plane, f"ROIs of {name}")
    for roi in range(n_rois):
        table.add_roi(pixel_mask=[(roi, roi, 1.0)])
    if cells is not None:
        # As suite2p has it: the flag, and the probability of being a cell.
        table.add_column("iscell", "is a cell", data=np.column_stack([cells, cells]))
    return module, table


def roi_series(name, table, data, **clock):
    rois = table.create_roi_table_region("all", region=list(range(len(table))))
    return RoiResponseSeries(name=name, data=data, rois=rois, unit="n.a.", **clock)


# --- the real recordings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "expected", "where"),
    [
        ("A2929-200711_neurosuite.nwb", {"adn": 7, "ca1": 8}, "units.location"),
        (
            "human_mtl_sub-4_ses-4.nwb",
            {"hippocampus_right": 25, "amygdala_right": 10},
            "units.electrodes -> electrodes.location",
        ),
        (
            "macaque_twostep_charlie_011.nwb",
            {"dACC": 15, "DLPFC": 15, "DLStr": 11, "FP": 8, "DMStr": 4},
            "units.electrodes -> electrodes.location",
        ),
        ("suite2p_2022_08_08.nwb", {"V1": 219}, "imaging_plane.location"),
    ],
)
def test_regions_of_real_recordings(recordings: Path, file, expected, where):
    with open_file(recordings / file) as opened:
        assert counts(opened) == expected
        assert set(opened.units["region_source"]) == {where}


@pytest.mark.parametrize(("file", "hint"), [("A8604-211122.nwb", "group0_psb"), ("A6512-210915.nwb", "ImagingPlane")])
def test_real_recordings_without_labels_ask_for_a_mapping(recordings: Path, file, hint):
    with pytest.raises(UserError, match=r"no region label anywhere") as caught:
        open_file(recordings / file)
    assert hint in str(caught.value)
    assert "unit_id\tregion" in str(caught.value)


def test_group_names_are_read_by_a_pattern(recordings: Path):
    with open_file(recordings / "A8604-211122.nwb", regions={"name_pattern": r"group\d+_(\w+)"}) as opened:
        assert counts(opened) == {"psb": 3}


def test_spikes_and_tables_of_the_macaque(recordings: Path):
    with open_file(recordings / "macaque_twostep_charlie_011.nwb") as opened:
        assert isinstance(opened.activity, Spikes)
        assert sum(opened.activity.read(unit).size for unit in range(53)) == 4_010_106
        assert opened.activity.span_s == pytest.approx((0.001, 5416.762))
        trials = opened.intervals["trials"]
        assert len(trials) == 507
        assert trials["reward_time"].isna().sum() == 139
        assert opened.notes == ()


def test_tables_and_clocks_of_the_human(recordings: Path):
    with open_file(recordings / "human_mtl_sub-4_ses-4.nwb") as opened:
        rows = {name: len(table) for name, table in opened.intervals.items()}
        assert rows == {"encoding_table": 90, "recognition_table": 180, "timediscrimination_table": 180}
        assert opened.intervals["encoding_table"]["Clip_name"].iloc[0] == "NB_24.mp4"
        events = opened.series["acquisition/events"]
        times = events.time_s()
        assert times[0] == 0
        assert np.all(np.diff(times) > 0)
        # The values still belong to their times: the trial's TTL 11 is the cross that precedes the video.
        cross = opened.intervals["encoding_table"]["fixcross_time"].iloc[0]
        assert events.read(int(np.searchsorted(times, cross)), int(np.searchsorted(times, cross)) + 1) == 11
        assert any("-1.5429e+09 s" in note for note in opened.notes)


def test_epochs_of_the_mouse(recordings: Path):
    with open_file(recordings / "A2929-200711_neurosuite.nwb") as opened:
        assert list(opened.intervals["epochs"]["tags"]) == ["sleep", "wake"]
        assert "acquisition/CompassDirection/ry" in opened.series
        assert opened.units[["x", "y", "z"]].isna().all(axis=None), "zeros are placeholders"


def test_both_orientations_are_units_by_column(recordings: Path):
    with open_file(recordings / "suite2p_2022_08_08.nwb") as opened:
        assert opened.activity_name == "processing/ophys/Deconvolved/Deconvolved"
        assert opened.activity.columns == 219
        assert opened.activity.read(0, 5).shape == (5, 219)
        assert opened.activity.time_s().size == 2000
        assert (opened.units["reason"] == "not a cell (iscell)").sum() == 199
    with open_file(recordings / "A6512-210915.nwb", **KEEP) as opened:
        assert opened.activity.read(0, 5).shape == (5, 10)
        assert opened.activity.time_s().size == 35_790


# --- spikes -----------------------------------------------------------------------------------------------------------


def test_spikes_are_sorted_and_counted_once(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_unit(spike_times=[3.0, 1.0, 1.0, np.nan], location="a")
    nwbfile.add_unit(spike_times=[2.0], location="a")
    with open_file(save_nwb(nwbfile)) as opened:
        assert opened.activity.read(0).tolist() == [1.0, 3.0]
        assert opened.activity.read(1).tolist() == [2.0]
        assert opened.activity.span_s == (1.0, 3.0)
        assert opened.activity.observed_s is None
        assert opened.notes[0].startswith("1 duplicate spike times")
        assert opened.notes[1].startswith("1 spike times that are not finite")


def test_observed_stretches_give_the_span(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_unit(spike_times=[2.0], obs_intervals=[[0.0, 5.0], [7.0, 9.0]], location="a")
    nwbfile.add_unit(spike_times=[2.0], obs_intervals=[[1.0, 6.0]], location="a")
    with open_file(save_nwb(nwbfile)) as opened:
        assert opened.activity.observed_s(0).tolist() == [[0.0, 5.0], [7.0, 9.0]]
        assert opened.activity.observed_s(1).tolist() == [[1.0, 6.0]]
        assert opened.activity.span_s == (0.0, 9.0)


def test_units_without_spikes_are_an_error(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_unit(spike_times=[])
    with pytest.raises(UserError, match=r"1 units without a single spike"):
        open_file(save_nwb(nwbfile), **KEEP)


def test_ids_that_repeat_across_probes_get_the_probe_in_front(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    first = add_electrodes(nwbfile, ["a"], group="probeA")
    second = add_electrodes(nwbfile, ["b"], group="probeB")
    nwbfile.add_unit(spike_times=[1.0], electrodes=[0], electrode_group=first, id=5)
    nwbfile.add_unit(spike_times=[1.0], electrodes=[1], electrode_group=second, id=5)
    with open_file(save_nwb(nwbfile)) as opened:
        assert list(opened.units["unit_id"]) == ["probeA:5", "probeB:5"]


def test_peak_electrode_before_majority_before_nothing(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    add_electrodes(nwbfile, ["a", "b", "b"], x=[1.0, 2.0, 4.0], y=[0.0] * 3, z=[0.0] * 3)
    nwbfile.add_unit(spike_times=[1.0], electrodes=[0, 1, 2])
    nwbfile.add_unit(spike_times=[1.0], electrodes=[0, 1])
    with open_file(save_nwb(nwbfile)) as opened:
        assert list(opened.units["region"]) == ["b", ""], "the majority, and no label for a tie"
        assert opened.units["reason"][1] == "no region label"
        assert opened.units["x"].tolist() == pytest.approx([7 / 3, 1.5])

    nwbfile = empty_nwb()
    add_electrodes(nwbfile, ["a", "b", "b"])
    nwbfile.add_unit_column("peak_channel_id", "electrode with the largest spikes")
    nwbfile.add_unit(spike_times=[1.0], electrodes=[0, 1, 2], peak_channel_id=0)
    with open_file(save_nwb(nwbfile, "peak.nwb")) as opened:
        assert list(opened.units["region"]) == ["a"]
        assert opened.units["region_source"][0] == "units.peak_channel_id -> electrodes.location"


def test_origins_that_disagree_are_noted_and_the_order_decides(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    group = add_electrodes(nwbfile, ["VISl"], location="probeA")
    nwbfile.add_unit_column("brain_area", "region")
    nwbfile.add_unit(spike_times=[1.0], electrodes=[0], electrode_group=group, brain_area="VISp")
    path = save_nwb(nwbfile)
    with open_file(path) as opened:
        assert opened.units["region"][0] == "VISp"
        assert sum("disagree for 1 of 1 units" in note for note in opened.notes) == 3
    with open_file(path, regions={"order": ["electrode_group"]}) as opened:
        assert opened.units["region"][0] == "probeA"
        assert opened.units["region_source"][0] == "units.electrode_group.location"


def test_cell_types_and_selection_by_a_column(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    for column in ("location", "quality", "putative_cell_type"):
        nwbfile.add_unit_column(column, column)
    for quality, kind in [("good", "Pyramidal"), ("mua", "FS"), ("good", "?")]:
        nwbfile.add_unit(spike_times=[1.0], location="a", quality=quality, putative_cell_type=kind)
    path = save_nwb(nwbfile)
    with open_file(path, units={"select": {"quality": ["good"]}}) as opened:
        assert list(opened.units["cell_type"]) == ["excitatory", "inhibitory", "unknown"]
        assert list(opened.units["reason"]) == ["", "quality is mua", ""]
    with pytest.raises(UserError, match=r"unknown column 'qualty'.*quality.*did you mean 'quality'"):
        open_file(path, units={"select": {"qualty": ["good"]}})


# --- ROI responses and plain series -----------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_orientation_conversion_and_lazy_slices(empty_nwb, save_nwb, rng, turned):
    nwbfile = empty_nwb()
    module, table = add_plane(nwbfile, "plane", "V1", 4)
    stored = rng.integers(0, 100, (20, 4)).astype("int16")
    series = roi_series(
        "RoiResponseSeries",
        table,
        stored.T if turned else stored,
        rate=10.0,
        starting_time=3.0,
        conversion=0.5,
        offset=1.0,
    )
    module.add(Fluorescence(roi_response_series=series))
    with open_file(save_nwb(nwbfile)) as opened:
        assert isinstance(opened.activity, Series)
        np.testing.assert_allclose(opened.activity.read(5, 9), stored[5:9] * 0.5 + 1.0)
        np.testing.assert_allclose(opened.activity.time_s()[:2], [3.0, 3.1])


def test_as_many_samples_as_rois_is_ambiguous(empty_nwb, save_nwb, rng):
    nwbfile = empty_nwb()
    module, table = add_plane(nwbfile, "plane", "V1", 4)
    module.add(Fluorescence(roi_response_series=roi_series("R", table, rng.random((4, 4)), rate=10.0)))
    with pytest.raises(UserError, match=r"data 4 x 4 for 4 ROIs.*exactly one axis with the length of the list of ROIs"):
        open_file(save_nwb(nwbfile))


def test_deconvolved_before_dff_before_fluorescence_and_never_neuropil(empty_nwb, save_nwb, rng):
    nwbfile = empty_nwb()
    module, table = add_plane(nwbfile, "plane", "V1", 3)
    for container, name in [(Fluorescence, "Fluorescence"), (Fluorescence, "Neuropil"), (DfOverF, "DfOverF")]:
        module.add(container(name=name, roi_response_series=roi_series("R", table, rng.random((9, 3)), rate=10.0)))
    path = save_nwb(nwbfile)
    with open_file(path) as opened:
        assert opened.activity_name == "processing/ophys/DfOverF/R"
        assert "processing/ophys/Neuropil/R" in opened.series
    with open_file(path, activity=["processing/ophys/Fluorescence/R"]) as opened:
        assert opened.activity_name == "processing/ophys/Fluorescence/R"
    with pytest.raises(UserError, match=r"unknown path 'processing/ophys/Fluorescense/R'.*did you mean"):
        open_file(path, activity=["processing/ophys/Fluorescense/R"])


def test_several_series_of_the_same_rois_need_a_choice(empty_nwb, save_nwb, rng):
    nwbfile = empty_nwb()
    module, table = add_plane(nwbfile, "plane", "V1", 3)
    both = [roi_series(name, table, rng.random((9, 3)), rate=10.0) for name in "AB"]
    module.add(Fluorescence(roi_response_series=both))
    with pytest.raises(UserError, match=r"several series of the same ROIs .*Fluorescence/A, .*Fluorescence/B"):
        open_file(save_nwb(nwbfile))


def test_planes_are_joined_on_the_clock_of_the_first(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    series = []
    time_s = {"one": np.arange(0, 10.0, 0.5), "two": np.arange(0.25, 9.0, 0.5)}
    for number, (name, times) in enumerate(time_s.items()):
        module, table = add_plane(nwbfile, name, f"V{number + 1}", 2, cells=[1.0, 0.0])
        # A straight line is what linear interpolation returns exactly.
        data = np.column_stack([times, -times])
        series.append(roi_series(name, table, data, timestamps=times))
    module.add(Fluorescence(roi_response_series=series))
    with open_file(save_nwb(nwbfile)) as opened:
        times = opened.activity.time_s()
        assert (times[0], times[-1]) == (0.5, 8.5), "only the time that both cover"
        block = opened.activity.read(2, 7)
        np.testing.assert_allclose(block, np.column_stack([times[2:7], -times[2:7]] * 2), atol=1e-12)
        assert list(opened.units["region"]) == ["V1", "V1", "V2", "V2"]
        assert list(opened.units["unit_id"]) == ["one:0", "one:1", "two:0", "two:1"]
        assert list(opened.units["reason"]) == ["", "not a cell (iscell)"] * 2
        assert any("interpolated linearly" in note for note in opened.notes)


def test_one_series_for_each_neuron_is_reached_by_a_pattern(empty_nwb, save_nwb, tmp_path):
    nwbfile = empty_nwb()
    for neuron in range(3):
        nwbfile.add_acquisition(
            TimeSeries(name=f"Activity_{neuron}", data=np.arange(5.0) + neuron, unit="none", rate=2.0)
        )
    path = save_nwb(nwbfile)
    mapping = tmp_path / "regions.tsv"
    mapping.write_text("unit_id\tregion\nActivity_0\thead\nActivity_1\thead\nActivity_2\ttail\n")
    with open_file(path, activity=["acquisition/Activity_*"], regions={"mapping": str(mapping)}) as opened:
        np.testing.assert_allclose(opened.activity.read(1, 3), [[1, 2, 3], [2, 3, 4]])
        assert counts(opened) == {"head": 2, "tail": 1}
    with pytest.raises(UserError, match=r"name the series to fit under activity .*acquisition/Activity_0"):
        open_file(path, **KEEP)


def test_channels_take_the_region_of_their_electrode(empty_nwb, save_nwb, rng):
    nwbfile = empty_nwb()
    add_electrodes(nwbfile, ["a", "b", "b"])
    power = rng.random((30, 2))
    electrodes = nwbfile.create_electrode_table_region([0, 2], "used")
    nwbfile.add_acquisition(
        ElectricalSeries(name="power", data=power, electrodes=electrodes, rate=10.0, conversion=1e-6)
    )
    with open_file(save_nwb(nwbfile), activity=["acquisition/power"]) as opened:
        assert list(opened.units["region"]) == ["a", "b"]
        assert list(opened.units["unit_id"]) == ["0", "2"]
        np.testing.assert_allclose(opened.activity.read(3, 5), power[3:5] * 1e-6)
        assert opened.activity.steady == (0.0, 10.0, 30)


def test_tables_with_ragged_and_array_cells(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_unit(spike_times=[1.0])
    nwbfile.add_epoch(start_time=0.0, stop_time=1.0, tags=["sleep", "rem"])
    nwbfile.add_epoch(start_time=1.0, stop_time=2.0, tags=[])
    nwbfile.add_trial_column("go", "a flag")
    nwbfile.add_trial(start_time=0.5, stop_time=0.7, go=True)
    nwbfile.add_invalid_time_interval(start_time=0.0, stop_time=0.1)
    with open_file(save_nwb(nwbfile), **KEEP) as opened:
        assert list(opened.intervals["epochs"]["tags"]) == ["sleep, rem", ""]
        assert opened.intervals["trials"]["go"].dtype == bool
        assert "1 intervals as invalid" in opened.notes[0]


def test_samples_whose_time_makes_no_sense_are_left_out(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_unit(spike_times=[1.0])
    times = np.arange(20.0)
    times[[0, 7, 11]] = [-1.5e9, np.nan, 10.0]
    nwbfile.add_acquisition(TimeSeries(name="events", data=np.arange(20), unit="n.a.", timestamps=times))
    with open_file(save_nwb(nwbfile), **KEEP) as opened:
        events = opened.series["acquisition/events"]
        kept = [sample for sample in range(20) if sample not in (0, 7, 11)]
        np.testing.assert_array_equal(events.time_s(), times[kept])
        np.testing.assert_array_equal(events.read(4, 10)[:, 0], kept[4:10])
        assert any("3 samples are left out" in note and "-1.5e+09 s" in note for note in opened.notes)


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"rec \(.*gone.nwb\): found no such file"):
        open_file(tmp_path / "gone.nwb")


def test_a_truncated_file(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_unit(spike_times=np.arange(1000.0))
    path = save_nwb(nwbfile)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UserError, match=r"a truncated file .*copy or download it again"):
        open_file(path)


def test_a_file_that_is_not_hdf5(tmp_path):
    path = tmp_path / "text.nwb"
    path.write_text("not an HDF5 file\n" * 100)
    with pytest.raises(UserError, match=r"a file that is not HDF5"):
        open_file(path)


def test_an_hdf5_file_that_is_not_nwb(tmp_path):
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["rates"] = np.zeros((3, 3))
    with pytest.raises(UserError, match=r"an HDF5 file that is not NWB.*set its format to hdf5"):
        open_file(tmp_path / "plain.h5")


def test_a_damaged_nwb_file(tmp_path):
    with h5py.File(tmp_path / "damaged.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.5.0"
    with pytest.raises(UserError, match=r"an NWB file that cannot be read"):
        open_file(tmp_path / "damaged.nwb")


def test_neither_units_nor_series(empty_nwb, save_nwb):
    with pytest.raises(UserError, match=r"no units with spike times .*write the activity into the file"):
        open_file(save_nwb(empty_nwb()))


def test_a_column_of_a_table_that_was_not_chosen_names_the_table(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_trial_column("go_cue", "when the animal may move")
    for start in range(10):
        nwbfile.add_trial(start_time=float(start), stop_time=start + 0.9, go_cue=start + 0.3)
    nwbfile.add_unit_column("location", "region")
    for region in ("A", "A", "A", "B", "B", "B"):
        nwbfile.add_unit(spike_times=np.sort(np.random.default_rng(1).uniform(0, 10, 200)), location=region)
    settings = RecordingSettings(windows={"align": "go_cue", "start_s": -0.2, "stop_s": 0.5})
    with pytest.raises(UserError, match=r"windows\.table: found null.*go_cue.*set windows\.table: trials"):
        ingest_file(save_nwb(nwbfile), settings)
