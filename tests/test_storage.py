"""Files of a run: whole or absent, on any file system."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from curbd.errors import UserError
from curbd.storage import netcdf
from curbd.storage.hdf5 import whole_large_hdf5
from curbd.storage.netcdf import groups_of, read_netcdf, write_netcdf
from curbd.storage.whole_files import whole_file

DATA = xr.Dataset(
    {"a": (("x", "y"), np.random.default_rng(0).normal(size=(200, 100))), "s": ("x", np.array(["é"] * 200))},
    coords={"flag": ("x", np.arange(200) > 3)},
    attrs={"text": "of a study", "number": 1.5},
)


def test_groups_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "my results [v2]" / "it's.nc"
    write_netcdf({"/": DATA, "truth": DATA.rename(x="z")}, path)
    assert read_netcdf(path).identical(DATA)
    assert read_netcdf(path, "truth").identical(DATA.rename(x="z"))
    assert groups_of(path) == {"truth"}
    assert [file.name for file in path.parent.iterdir()] == ["it's.nc"]
    content = path.read_bytes()
    write_netcdf({"/": DATA, "truth": DATA.rename(x="z")}, path)
    assert path.read_bytes() == content


def test_no_lock_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    original = h5py.File.__init__

    def spied(self: h5py.File, name: object, *arguments: object, **options: object) -> None:
        if isinstance(name, str | Path | bytes):
            opened.append((options.get("driver"), options.get("locking")))
        original(self, name, *arguments, **options)

    monkeypatch.setattr(h5py.File, "__init__", spied)
    path = tmp_path / "a.nc"
    write_netcdf({"/": DATA}, path)
    read_netcdf(path)
    groups_of(path)
    assert len(opened) >= 3
    assert all(driver == "core" or locking is False for driver, locking in opened)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_file_system_without_room_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError) as raised:
        write_netcdf({"/": DATA}, tmp_path / "a.nc")
    assert str(raised.value).startswith(f"{tmp_path / 'a.nc'}: found ")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_library_without_a_number_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no space left"), whole_file(tmp_path / "a.parquet"):
        raise OSError("Error writing bytes to file. Detail: No space left on device")
    with pytest.raises(OSError, match="something else"), whole_file(tmp_path / "a.parquet"):
        raise OSError("something else")


def test_a_step_on_a_full_disk_ends_with_one_line(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    step = [sys.executable, "-c", "import sys; from curbd.cli import main; sys.exit(main(sys.argv[1:]))"]
    step += ["teacher", "demo", "--out", str(tmp_path / "demo.h5")]
    run = subprocess.run(step, preexec_fn=limited, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        f"{tmp_path / 'demo.h5'}: found a file that is larger than the file system or the limit of the process allows, "
        "expected a folder with room for this file; raise the limit, then run again"
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_is_reserved_written_and_cut_to_its_size(tmp_path: Path) -> None:
    values = np.arange(1000.0)
    with whole_large_hdf5(tmp_path / "a.h5", 1_000_000) as file:
        file["values"] = values
    assert (tmp_path / "a.h5").stat().st_size < 20_000
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["values"][()], values)


def test_a_large_file_without_room_is_one_line(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from curbd.storage.hdf5 import whole_large_hdf5; from curbd.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n  with whole_large_hdf5(sys.argv[1], 100_000): pass\n"
        "except UserError as error: print(error)"
    )
    path = tmp_path / "a.h5"
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    assert run.stdout.startswith(f"{path}: found a file that is larger than the file system")
    assert list(tmp_path.iterdir()) == []


def test_large_variables_stay_in_their_file_and_are_read_by_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).normal(size=(6, 40, 30))
    recording = xr.Dataset({"rates": (("trial", "time", "unit"), values)}, coords={"trial": np.arange(6)})
    monkeypatch.setattr(netcdf, "LARGE_VARIABLE_BYTES", values.nbytes // 2)
    write_netcdf({"/": recording}, tmp_path / "recording.nc")
    with h5py.File(tmp_path / "recording.nc") as file:
        assert file["rates"].chunks == (1, 40, 30)
    small, whole = (read_netcdf(tmp_path / "recording.nc", large_on_disk=on_disk) for on_disk in (True, False))
    assert small.identical(whole)
    np.testing.assert_array_equal(small.isel(trial=slice(2, 4))["rates"].values, values[2:4])


def test_large_arrays_are_compressed_only_where_this_saves_space(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (20, 100, netcdf.TRIAL_CHUNK_VALUES // 1000)
    arrays = {"rates": rng.normal(size=shape), "counts": rng.poisson(0.3, shape).astype(float)}
    data = xr.Dataset({name: (("trial", "time", "unit"), values) for name, values in arrays.items()})
    write_netcdf({"/": data}, tmp_path / "data.nc")
    with h5py.File(tmp_path / "data.nc") as file:
        stored = {name: file[name].id.get_storage_size() / file[name].nbytes for name in arrays}
    assert stored["counts"] < 0.2
    assert stored["rates"] == pytest.approx(1, abs=0.01)
    assert read_netcdf(tmp_path / "data.nc").identical(data)
