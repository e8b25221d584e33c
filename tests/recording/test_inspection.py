"""`curbd inspect`: what it says of the real recordings, and that the line it prints can be used."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from pynwb import NWBFile, TimeSeries

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.inspection import inspect
from curbd.settings.recording import RecordingSettings


def pasted(text: str) -> dict[str, str]:
    """The row of recordings.tsv that an inspection prints."""
    lines = text.splitlines()
    start = lines.index("recordings.tsv (columns separated by tabs)")
    header, row = lines[start + 1].split("\t"), lines[start + 2].split("\t")
    assert len(header) == len(row)
    return dict(zip(header, row, strict=True))


def settings_of(row: dict[str, str], **more) -> RecordingSettings:
    """Settings that the dotted columns of a row stand for."""
    nested: dict = dict(more)
    for column, cell in row.items():
        if column not in ("recording", "path", "format"):
            section, key = column.split(".")
            nested.setdefault(section, {})[key] = yaml.safe_load(cell)
    return RecordingSettings.model_validate(nested)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "A2929-200711_neurosuite.nwb",
            [
                "spikes of 15 units, 98794 in all",
                "adn: 7 units, from units.location",
                "ca1: 8 units, from units.location",
                "units.electrode_group.location gives the same labels",
                "epochs: 2 rows, 0 s to 1200 s",
                "tags: sleep (1), wake (1)",
                "sleep_ripples: 594 rows",
                "Series that begin only at 670.641 s: acquisition/CompassDirection/rx",
                "epochs, with windows.continuous true",
            ],
        ),
        (
            "human_mtl_sub-4_ses-4.nwb",
            [
                "spikes of 35 units, 214278 in all",
                "hippocampus_right: 25 units, from units.electrodes -> electrodes.location",
                "amygdala_right: 10 units, from units.electrodes -> electrodes.location",
                "encoding_table: 90 rows",
                "recognition_table: 180 rows",
                "timediscrimination_table: 180 rows",
                "sample 0 at -1.5429e+09 s",
                "boundary2_time: 1.06846 to 934.191, equal to start_time in 60 rows (a placeholder?)",
                "encoding_table, recognition_table, timediscrimination_table (each row a trial)",
            ],
        ),
        (
            "macaque_twostep_charlie_011.nwb",
            [
                "spikes of 53 units, 4010106 in all",
                "DMStr: 4 units, from units.electrodes -> electrodes.location",
                "trials: 507 rows, 31.056 s to 5316.42 s, lasting 6.171 to 13.21 s",
                "reward_time: 47.2 to 5304.73, empty in 139 rows",
                "rewarded: True (368), False (139)",
                "windows.conditions   one or more of rewarded",
            ],
        ),
        (
            "suite2p_2022_08_08.nwb",
            [
                "processing/ophys/Deconvolved/Deconvolved: 219 units, 2000 samples, 0 s to 199.9 s, 10 Hz",
                "stored as (unit 219, time 2000)",
                "deconvolved fluorescence: taken as activity without a calcium indicator",
                "(model `population`), beside a network of the recorded units (model `full_rank`)",
                "V1: 219 units, from imaging_plane.location",
                "199 of 219 units are left out: not a cell (iscell)",
                "only one region",
                "could be named under activity instead: processing/ophys/Fluorescence/Fluorescence",
            ],
        ),
        (
            "A6512-210915.nwb",
            [
                "10 units, 35790 samples, 0 s to 1192.97 s, 30 Hz",
                "stored as (time 35790, unit 10)",
                "no label: 10 units",
                "imaging_plane.location is empty",
                "  unit_id\tregion\n  0\t<region>",
            ],
        ),
        (
            "A8604-211122.nwb",
            [
                "spikes of 3 units, 21354 in all",
                "units.location is empty",
                "units.electrode_group.location is empty",
                "  unit_id\tregion\n  6\t<region>\n  191\t<region>\n  206\t<region>",
                r"group0_psb. If they hold the region, write regions: {name_pattern: 'group\d+_(\w+)'}",
            ],
        ),
        (
            "zebrafish_fish6.h5",
            [
                "fluorescence: 70 x 892 float32, dims = region,frame",
                "fluorescence: 70 units, 892 samples, 0 s to 891 s, 1 Hz",
                "one unit per region, as of averages over regions: by default, networks of these units are fitted",
                "70 regions with 1 unit each, from hdf5:region/acronym",
                "3 units do not vary: 17 (RH), 34 (Pit), 49 (GG).",
            ],
        ),
    ],
)
def test_real_recordings(recordings: Path, file, expected):
    text = inspect(recordings / file)
    missing = [part for part in expected if part not in text]
    assert not missing, text


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("A2929-200711_neurosuite.nwb", {}),
        ("human_mtl_sub-4_ses-4.nwb", {}),
        ("macaque_twostep_charlie_011.nwb", {"windows.table": "trials"}),
        ("suite2p_2022_08_08.nwb", {}),
        ("A6512-210915.nwb", {"regions.mapping": "regions.tsv"}),
        ("A8604-211122.nwb", {"regions.mapping": "regions.tsv"}),
        (
            "zebrafish_fish6.h5",
            {
                "hdf5.rates": "fluorescence",
                "hdf5.dims": "[unit, time]",
                "hdf5.region": "region/acronym",
                "hdf5.sampling_rate_hz": "1.0",
                "units.min_per_region": "1",
            },
        ),
    ],
)
def test_the_line_to_paste(recordings: Path, file, columns):
    row = pasted(inspect(recordings / file))
    name, path, format = row.pop("recording"), row.pop("path"), row.pop("format")
    assert (name, path) == (Path(file).stem, str(recordings / file))
    assert format == ("hdf5" if file.endswith(".h5") else "nwb")
    assert row == columns


def test_the_proposed_line_opens_the_zebrafish(recordings: Path):
    row = pasted(inspect(recordings / "zebrafish_fish6.h5"))
    with open_recording(row["path"], "hdf5", settings_of(row)) as file:
        assert file.activity.columns == 70


def test_the_mapping_that_is_asked_for_opens_the_probe(recordings: Path, tmp_path: Path):
    text = inspect(recordings / "A8604-211122.nwb")
    table = re.search(r"  unit_id\tregion\n(?:  \d+\t<region>\n)+", text)
    assert table is not None
    mapping = tmp_path / "regions.tsv"
    mapping.write_text(table[0].replace("  ", "").replace("<region>", "psb"))
    settings = RecordingSettings.model_validate({"regions": {"mapping": str(mapping)}})
    with open_recording(recordings / "A8604-211122.nwb", "nwb", settings) as file:
        assert set(file.units["region"]) == {"psb"}


def test_an_unknown_layout_gets_a_mapping_that_works(tmp_path: Path, rng):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data/dff"] = rng.random((5, 200))
        file["data/timestamps"] = np.arange(200) / 30
        file["cells/area"] = ["V1", "V1", "LM", "LM", "LM"]
        file["cells/overlap"] = rng.random((5, 5))
    text = inspect(tmp_path / "other.h5")
    row = pasted(text)
    with open_recording(row["path"], "hdf5", settings_of(row)) as file:
        assert file.activity.read(0, 3).shape == (3, 5)
        np.testing.assert_allclose(file.activity.time_s(), np.arange(200) / 30)
        assert file.units["region"].value_counts().to_dict() == {"LM": 3, "V1": 2}


def test_an_undecided_layout_says_what_is_missing(tmp_path: Path, rng):
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["activity"] = rng.random((40, 5))
    text = inspect(tmp_path / "bare.h5")
    assert "activity: 40 x 5 float64" in text
    assert "Not yet a recording" in text
    assert "no sampling rate" in text


def test_the_plain_layout_needs_no_mapping(tmp_path: Path, rng):
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["rates"] = rng.random((6, 50, 6)) - 0.5
        file["time"] = np.arange(50) * 0.01
        file["region"] = ["a"] * 3 + ["b"] * 3
        file["trial/side"] = ["l", "r"] * 3
        file["truth/J"] = rng.random((6, 6))
        file["truth"].attrs.update({"tau_s": 0.1, "dt_s": 0.01})
        file.attrs["activity"] = "model"
    text = inspect(tmp_path / "plain.h5")
    assert "the plain layout, nothing to map" in text
    assert "6 trials of 50 bins of 0.01 s" in text
    assert "taken as they are" in text
    assert "with the network behind it" in text
    assert set(pasted(text)) == {"recording", "path", "format"}


def test_nwb_without_chosen_activity_lists_what_could_be_named(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    nwbfile.add_acquisition(TimeSeries(name="lfp_power", data=np.zeros((30, 4)), unit="V", rate=10.0))
    text = inspect(save_nwb(nwbfile))
    assert "name the series to fit under activity (acquisition/lfp_power)" in text
    assert pasted(text)["activity"] == "[acquisition/lfp_power]"
    assert "acquisition/lfp_power: 4 units, 30 samples" in text


def test_a_file_larger_than_memory_is_inspected(empty_nwb, save_nwb):
    """Two terabytes of raw samples that were never written stand for a real raw recording."""
    nwbfile = empty_nwb()
    nwbfile.add_unit(spike_times=[1.0, 2.0])
    nwbfile.add_acquisition(TimeSeries(name="raw", data=np.zeros((10, 4)), unit="V", rate=30000.0))
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        attributes = dict(file["acquisition/raw/data"].attrs)
        del file["acquisition/raw/data"]
        file.create_dataset("acquisition/raw/data", (60_000_000_000, 4), "f8", chunks=(10_000, 4)).attrs.update(
            attributes
        )
    assert "acquisition/raw: 4 columns, V, 60000000000 samples, 0 s to 2e+06 s, 3e+04 Hz" in inspect(path)


def test_other_labels_that_disagree_are_reported(empty_nwb, save_nwb):
    nwbfile = empty_nwb()
    group = nwbfile.create_electrode_group("g", "probe", "probeA", nwbfile.create_device("d"))
    nwbfile.add_electrode(group=group, location="VISp")
    for _ in range(3):
        nwbfile.add_unit(spike_times=[1.0, 2.0, 2.0], electrodes=[0], electrode_group=group)
    text = inspect(save_nwb(nwbfile))
    assert "VISp: 3 units, from units.electrodes -> electrodes.location" in text
    assert "units.electrode_group.location gives other labels: probeA (3)" in text
    assert "3 duplicate spike times" in text


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"text" * 100, "a file that is not HDF5")])
def test_files_that_cannot_be_inspected(tmp_path: Path, content, message):
    path = tmp_path / "file.nwb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        inspect(path)


def test_a_pipe_that_closes_early_is_not_an_error(
    save_nwb: Callable[..., Path], empty_nwb: Callable[[], NWBFile]
) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit(spike_times=[0.1, 0.2, 0.9])
    nwbfile.add_unit_column("long" * 1000, "a name to make much text of few files", data=[1.0])
    path = save_nwb(nwbfile)
    # More text than a pipe holds.
    command = [
        sys.executable,
        "-c",
        "from curbd.cli import main; raise SystemExit(main())",
        "inspect",
        *[str(path)] * 20,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert "Traceback" not in run.stderr.read()
    assert run.returncode == 0


def test_a_layout_with_other_names_and_axes_is_proposed(tmp_path, rng):
    """The line that is printed reads the file as it was meant, and further sessions of the file are named."""
    path = tmp_path / "lab.h5"
    with h5py.File(path, "w") as file:
        for session in ("monday", "tuesday"):
            group = file.create_group(session)
            group["firing_rate"] = rng.random((6, 30, 20))
            # MATLAB writes rows of a matrix.
            group["bin_centers"] = 0.02 * np.arange(30)[None]
            group["neurons/area"] = ["V1"] * 3 + ["LM"] * 3
            group["trials/choice"] = np.arange(20)[None] % 2
    text = inspect(path)
    assert "could be read instead (hdf5.rates): tuesday/firing_rate" in text
    settings = settings_of(pasted(text))
    assert settings.hdf5.dims == ["unit", "time", "trial"]
    with open_recording(path, "hdf5", settings, "lab") as opened:
        assert opened.activity.read().shape == (20, 30, 6)
        assert opened.activity_name == "monday/firing_rate"
        assert list(opened.activity.trials["choice"]) == [0, 1] * 10
        assert list(opened.units["region"]) == ["V1"] * 3 + ["LM"] * 3


def test_trials_of_continuous_activity_are_proposed(tmp_path, rng):
    path = tmp_path / "lab.h5"
    with h5py.File(path, "w") as file:
        file["traces"] = rng.random((6, 1000))
        file["sampling_rate"] = 30.0
        file["area"] = ["V1"] * 3 + ["LM"] * 3
        file["trial/start_time"], file["trial/stop_time"] = np.arange(30.0), np.arange(30.0) + 0.8
    row = pasted(inspect(path))
    assert row["windows.table"] == "trial"
    settings = settings_of(row)
    assert (settings.hdf5.dims, settings.hdf5.sampling_rate_hz) == (["unit", "time"], 30.0)


def test_spike_times_in_plain_hdf5_are_told_what_reads_them(tmp_path):
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        file["spike_times"] = np.arange(100.0)
    text = inspect(tmp_path / "spikes.h5")
    assert "curbd.ingest_spikes" in text
    assert "recordings.tsv" not in text
