"""NWB in Zarr folders: read as the same session in an HDF5 file is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from curbd import cli
from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.inspection import inspect
from curbd.storage.checksum import sha256
from curbd.storage.netcdf import read_netcdf
from tests.support.workspace import make_workspace, run_steps

hdmf_zarr = pytest.importorskip("hdmf_zarr", reason="the extra `zarr` is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one session, in HDF5 and in Zarr."""
    from hdmf_zarr.nwb import NWBZarrIO
    from pynwb import NWBHDF5IO

    place = tmp_path_factory.mktemp("zarr")
    assert cli.main(["teacher", "demo", "--out", str(place / "session.nwb")]) == 0
    with (
        NWBHDF5IO(place / "session.nwb", "r") as source,
        NWBZarrIO(str(place / "session.nwb.zarr"), mode="w") as target,
    ):
        target.export(src_io=source, write_args={"link_data": False})
    return place


def test_inspect_describes_the_same_session(folder: Path) -> None:
    pages = [inspect(folder / name).splitlines() for name in ("session.nwb", "session.nwb.zarr")]
    different = [lines for lines in zip(*pages, strict=True) if lines[0] != lines[1]]
    assert [in_zarr.split()[0] for _, in_zarr in different] == ["session.nwb.zarr", "NWB", "session"]
    assert "in Zarr" in different[1][1]


def test_the_workflow_reads_the_same_recording(folder: Path, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "study")
    table = "recording\tpath\tformat\twindows.table\twindows.conditions\n"
    for name, file in (("file", "session.nwb"), ("folder", "session.nwb.zarr")):
        table += f"{name}\t{folder / file}\tnwb\ttrials\t[side]\n"
    (workspace / "my.tsv").write_text(table, encoding="utf-8")
    (workspace / "my.yaml").write_text("recordings: my.tsv\nresults: out\n", encoding="utf-8")
    run_steps(workspace, "--configfile", "my.yaml", "--until", "ingest")
    from_file, from_folder = (read_netcdf(workspace / "out" / name / "recording.nc") for name in ("file", "folder"))
    xr.testing.assert_equal(from_file, from_folder)
    assert from_folder.attrs["sha256"] == sha256(folder / "session.nwb.zarr")


def test_a_checksum_is_that_of_all_files(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder / "session.nwb.zarr", tmp_path / "copied.nwb.zarr"))
    assert sha256(copied) == sha256(folder / "session.nwb.zarr")
    (copied / "identifier" / "0").write_bytes(b"another")
    assert sha256(copied) != sha256(folder / "session.nwb.zarr")


def test_references_stored_as_pickles_are_named(tmp_path: Path) -> None:
    """Electrodes refer to their group by pickles in folders of hdmf-zarr."""
    from hdmf_zarr.nwb import NWBZarrIO
    from pynwb.testing.mock.ecephys import mock_ElectrodeGroup
    from pynwb.testing.mock.file import mock_NWBFile

    nwbfile = mock_NWBFile()
    group = mock_ElectrodeGroup(nwbfile=nwbfile)
    nwbfile.add_electrode(group=group, location="V1")
    for unit in range(3):
        nwbfile.add_unit(spike_times=np.sort(np.random.default_rng(unit).uniform(0, 9, 30)), electrodes=[0])
    path = tmp_path / "session.nwb.zarr"
    with NWBZarrIO(str(path), mode="w") as io:
        io.write(nwbfile)
    with open_recording(path, "nwb") as recording:
        assert list(recording.units["region"]) == ["V1"] * 3
        assert any(
            "electrodes/group), because reading a pickle can run any program" in note for note in recording.notes
        )


@pytest.mark.parametrize(
    ("format", "words"), [("nwb", "a Zarr folder that is not NWB"), ("hdf5", "only NWB is read in Zarr folders")]
)
def test_a_folder_that_cannot_be_read_says_why(tmp_path: Path, format: str, words: str) -> None:
    import zarr

    zarr.open_group(str(tmp_path / "other.zarr"), mode="w")
    with pytest.raises(UserError, match=words):
        open_recording(tmp_path / "other.zarr", format)
