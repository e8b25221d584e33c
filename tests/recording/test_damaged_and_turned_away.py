"""What cannot be read or is not taken keeps its reason, and a bad object or file never takes a good one with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import TimeSeries
from pynwb.misc import Units

from curbd.cli import main
from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.inspection import inspect
from curbd.recording.unreadable import UnreadableError, broken_links
from curbd.settings.recording import RecordingSettings

ROOT = Path(__file__).resolve().parents[2]


def open_file(path: Path, format: str = "nwb", **settings):
    return open_recording(path, format, RecordingSettings.model_validate(settings), name="rec")


def with_units(nwbfile, labels=("A", "A", "B"), column="location"):
    nwbfile.add_unit_column(column, "region")
    for unit, label in enumerate(labels):
        nwbfile.add_unit(spike_times=[0.1 + 0.01 * unit, 0.5, 0.9], **{column: label})
    return nwbfile


def plain_hdf5(path: Path, rng, **datasets) -> Path:
    content = {"rates": rng.random((60, 4)), "time": np.arange(60) / 10, "region": np.array([b"A"] * 4)} | datasets
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            if values is not None:
                file[name] = values
    return path


# --- what is turned away ----------------------------------------------------------------------------------------------


def test_two_tables_of_units_in_modules_are_both_offered(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    module = nwbfile.create_processing_module("ecephys", "sorting")
    for name in ("kilosort", "mountainsort"):
        table = Units(name=name, description="sorted")
        table.add_column("location", "region")
        for times in ([0.1, 0.5], [0.2, 0.6]):
            table.add_unit(spike_times=times, location="A")
        module.add(table)
    path = save_nwb(nwbfile)
    with pytest.raises(UserError, match=r"processing/ecephys/kilosort, processing/ecephys/mountainsort"):
        open_file(path)
    with open_file(path, activity=["processing/ecephys/mountainsort"]) as opened:
        assert opened.units["region"].tolist() == ["A", "A"]
        np.testing.assert_allclose(opened.activity.read(1), [0.2, 0.6])


def test_units_without_spike_times_say_so(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    nwbfile.add_unit(location="A")
    with pytest.raises(UserError, match=r"units: a table of 1 units without the column spike_times"):
        open_file(save_nwb(nwbfile))


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        ({"data": np.zeros((4, 3, 2)), "rate": 10.0}, "3 axes"),
        ({"data": ["a", "b", "c"], "rate": 10.0}, "not numbers"),
        ({"data": np.zeros(4), "rate": np.inf}, "sampling rate is inf Hz"),
    ],
)
def test_a_series_that_cannot_be_named_keeps_its_reason(empty_nwb, save_nwb, series, reason) -> None:
    nwbfile = with_units(empty_nwb())
    nwbfile.add_acquisition(TimeSeries(name="wheel", unit="m", **series))
    with pytest.raises(UserError, match=rf"'acquisition/wheel', which cannot be used: .*{reason}"):
        open_file(save_nwb(nwbfile), activity=["acquisition/wheel"])


def test_a_broken_link_is_named_and_costs_nothing_else(empty_nwb, save_nwb) -> None:
    nwbfile = with_units(empty_nwb())
    nwbfile.add_acquisition(TimeSeries(name="wheel", unit="m", data=np.zeros(30), rate=10.0))
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        del file["acquisition/wheel/data"]
        file["acquisition/wheel/data"] = h5py.ExternalLink("wheel.h5", "/raw")
    with h5py.File(path, "r") as file:
        assert broken_links(file) == {"acquisition/wheel/data": "/raw in the file wheel.h5"}
    with open_file(path) as opened:
        assert opened.units["region"].tolist() == ["A", "A", "B"]
        assert any("wheel.h5, which does not exist" in note for note in opened.notes)


def test_labels_in_datasets_and_electrodes_of_other_names_are_offered(empty_nwb, save_nwb, tmp_path, rng) -> None:
    path = plain_hdf5(tmp_path / "rec.h5", rng, region=None, ccf_area=np.array([b"V1", b"V1", b"LM", b"LM"]))
    with pytest.raises(UserError, match=r"hdf5:ccf_area: V1 \(2\), LM \(2\)\n.*hdf5: \{region: ccf_area\}"):
        open_file(path, "hdf5")
    with open_file(path, "hdf5", hdf5={"region": "ccf_area"}) as opened:
        assert opened.units["region"].tolist() == ["V1", "V1", "LM", "LM"]
    nwb = save_nwb(with_units(empty_nwb(), ("V1", "LM", ""), column="allen_acronym"))
    with pytest.raises(UserError, match=r"units.allen_acronym: V1 \(1\), LM \(1\)\n.*unit_columns: \[allen_acronym\]"):
        open_file(nwb)


def test_a_table_of_unreadable_times_is_left_out_unless_it_is_asked_for(empty_nwb, save_nwb) -> None:
    nwbfile = with_units(empty_nwb())
    nwbfile.add_trial(start_time=0.0, stop_time=0.5)
    path = save_nwb(nwbfile)
    with h5py.File(path, "a") as file:
        attributes = dict(file["intervals/trials/stop_time"].attrs)
        del file["intervals/trials/stop_time"]
        file.create_dataset("intervals/trials/stop_time", data=["late"]).attrs.update(attributes)
    with open_file(path) as opened:
        assert "stop_time holds no number (e.g. 'late')" in opened.left_out["trials"]
        assert any("trials is left out" in note for note in opened.notes)
    assert "Look at these" in inspect(path)


# --- damage -----------------------------------------------------------------------------------------------------------


def damage(path: Path, name: str) -> Path:
    """Write the dataset again in compressed chunks, and spoil the first chunk."""
    with h5py.File(path, "a") as file:
        values, attributes = file[name][...], dict(file[name].attrs)
        del file[name]
        dataset = file.create_dataset(name, data=values, chunks=values.shape, compression="gzip")
        dataset.attrs.update(attributes)
        chunk = dataset.id.get_chunk_info(0)
        file.flush()
    content = bytearray(path.read_bytes())
    for byte in range(chunk.byte_offset, chunk.byte_offset + chunk.size):
        content[byte] ^= 0xFF
    path.write_bytes(content)
    return path


def test_spoiled_spike_times_name_the_unit(empty_nwb, save_nwb) -> None:
    path = damage(save_nwb(with_units(empty_nwb())), "units/spike_times")
    with pytest.raises(
        UnreadableError, match=r"spike times of unit 0: found an object that cannot be read \(OSError: "
    ):
        open_file(path)


def test_a_spoiled_series_or_column_costs_itself_only(empty_nwb, save_nwb, tmp_path, rng) -> None:
    nwbfile = with_units(empty_nwb())
    nwbfile.add_unit_column("snr", "signal to noise", data=[1.0, 2.0, 3.0])
    nwbfile.add_acquisition(TimeSeries(name="wheel", unit="m", data=np.zeros(30), timestamps=np.arange(30.0)))
    path = save_nwb(nwbfile)
    damage(damage(path, "units/snr"), "acquisition/wheel/timestamps")
    with open_file(path) as opened:
        assert opened.units["region"].tolist() == ["A", "A", "B"]
        assert "acquisition/wheel" not in opened.series
        assert any("units.snr is left out: it cannot be read" in note for note in opened.notes)
    plain = damage(plain_hdf5(tmp_path / "rec.h5", rng, depth=np.arange(4.0)), "depth")
    with open_file(plain, "hdf5") as opened:
        assert any("depth: found an object that cannot be read" in note for note in opened.notes)


def test_spoiled_activity_of_hdf5_is_one_line(tmp_path, rng) -> None:
    path = damage(plain_hdf5(tmp_path / "rec.h5", rng), "rates")
    with open_file(path, "hdf5") as opened, pytest.raises(UnreadableError, match=r"rates: the values: found .*OSError"):
        opened.activity.read(0, 10)


def test_pages_of_good_files_are_printed_and_the_status_is_2(empty_nwb, save_nwb, tmp_path, capsys) -> None:
    good, later = save_nwb(with_units(empty_nwb()), "good.nwb"), save_nwb(with_units(empty_nwb()), "later.nwb")
    bad = tmp_path / "bad.nwb"
    bad.write_bytes(b"text" * 100)
    assert main(["inspect", str(good), str(bad), str(later)]) == 2
    printed = capsys.readouterr()
    assert "good.nwb" in printed.out
    assert "later.nwb" in printed.out
    assert "bad.nwb: found a file that is not HDF5" in printed.err
    assert main(["inspect", str(good)]) == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_that_cannot_show_a_label_is_no_error(empty_nwb, save_nwb, encoding: str) -> None:
    path = save_nwb(with_units(empty_nwb(), ["β", "α", "海马"]))
    command = [sys.executable, "-c", "import sys; from curbd.cli import main; sys.exit(main())", "inspect", str(path)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"?: 1 unit" in done.stdout


def test_formats_that_are_not_read_are_called_by_name(tmp_path) -> None:
    folder = tmp_path / "session.zarr"
    folder.mkdir()
    (folder / "zarr.json").write_text("{}")
    with pytest.raises(UserError, match=r"a Zarr folder without .zgroup, such as one of Zarr's format 3"):
        open_file(folder)
    old = tmp_path / "old.nwb"
    with h5py.File(old, "w") as file:
        file["nwb_version"] = "NWB-1.0.5_beta"
    for call in (lambda: open_file(old), lambda: inspect(old)):
        with pytest.raises(UserError, match=r"NWB-1.0.5_beta, which is not supported"):
            call()


# --- remarks of an inspection -----------------------------------------------------------------------------------------


def test_the_page_ends_with_what_to_look_at(empty_nwb, save_nwb) -> None:
    nwbfile = with_units(empty_nwb(), ["A"] * 3 + ["B"])
    nwbfile.add_unit_column("quality", "label", data=["good", "mua", "good", "noise"])
    for start in (0.0, 0.1, 0.6):
        nwbfile.add_trial(start_time=start, stop_time=start + 0.2)
    remarks = inspect(save_nwb(nwbfile)).partition("Look at these")[2]
    assert "quality (good (2), mua (1), noise (1)); units.select" in remarks
    assert "fewer than 3 units are left out by default: B" in remarks
    assert "2 of 3 windows share time" in remarks


def test_counts_in_hdf5_are_pointed_at(tmp_path, rng) -> None:
    path = plain_hdf5(tmp_path / "rec.h5", rng, rates=rng.poisson(1.0, (60, 4)))
    assert "whole numbers. If they are spike counts" in inspect(path)


def test_an_object_that_pynwb_cannot_build_is_named_with_its_reason(empty_nwb, save_nwb) -> None:
    path = save_nwb(with_units(empty_nwb()))
    with h5py.File(path, "a") as file:
        del file["units/location"]
    with pytest.raises(UnreadableError, match=r"cannot be read \(.*units") as caught:
        open_file(path)
    assert "GroupBuilder {" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "older than version 7.3"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"<!DOCTYPE html>", "web page"),
        (b"", "an empty file"),
    ],
)
def test_files_of_other_kinds_are_called_by_name(tmp_path, first: bytes, kind: str) -> None:
    path = tmp_path / "rec.nwb"
    path.write_bytes(first)
    with pytest.raises(UnreadableError, match=kind):
        open_file(path)
