"""Writing and reading of netCDF files with groups."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends.h5netcdf_ import H5NetCDFStore

from curbd.errors import UserError
from curbd.storage.hdf5 import whole_hdf5, whole_large_hdf5

ENGINE: Literal["h5netcdf"] = "h5netcdf"
LARGE_VARIABLE_BYTES = 1 << 29
"""Arrays above this size are written and read in parts, and never lie in memory more often than a step needs them."""
TRIAL_CHUNK_VALUES = 1 << 20
"""Largest number of values in a chunk of a large array in a file, 8 MiB in double precision."""
COMPRESSED_SHARE = 0.8
"""Arrays with `TRIAL_CHUNK_VALUES` values or more are compressed if a part of them shrinks to less than this share of
its bytes. Spike counts do; rates of which every digit is noise take longer to compress than to write."""


def write_group(group: h5netcdf.File | h5netcdf.Group, dataset: xr.Dataset) -> None:
    """Write a dataset into the root or a group of an open netCDF file; numbers are compressed where it saves space."""
    dataset.dump_to_store(H5NetCDFStore(group), encoding=_compression(dataset))


def write_netcdf(groups: Mapping[str, xr.Dataset], path: Path | str) -> None:
    """Write datasets as the groups of one netCDF file.

    Parameters
    ----------
    groups : name of a group -> its dataset; the group ``/`` is the root of the file.
    path : path of the file to write.

    Raises
    ------
    UserError : the file cannot be written, see `curbd.storage.whole_files.whole_file`.
    """
    n_bytes = sum(dataset.nbytes for dataset in groups.values())
    # A small file is made in memory; a large one would be there twice.
    large = n_bytes > LARGE_VARIABLE_BYTES
    whole = whole_large_hdf5(path, round(1.01 * n_bytes) + LARGE_VARIABLE_BYTES) if large else whole_hdf5(path)
    with whole as image, h5netcdf.File(image, "w") as file:
        for group, dataset in groups.items():
            write_group(file if group == "/" else file.create_group(group), dataset)


def _compression(dataset: xr.Dataset) -> dict[Any, dict[str, Any]]:
    return {
        name: ({"zlib": True, "complevel": 1, "shuffle": True} if _shrinks(variable) else {}) | _chunks(variable)
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "fiu" and variable.size > 1
    }


def _shrinks(variable: xr.Variable) -> bool:
    """Whether compression makes an array smaller, by a part from its middle; true for small arrays."""
    if variable.size < TRIAL_CHUNK_VALUES:
        return True
    part = variable
    while part.ndim > 1 and part.size > TRIAL_CHUNK_VALUES:
        part = part[part.shape[0] // 2]
    values = np.ascontiguousarray(part.values).ravel()[:TRIAL_CHUNK_VALUES]
    by_digit = values.view(np.uint8).reshape(len(values), -1).T
    return len(zlib.compress(by_digit.tobytes(), 1)) < COMPRESSED_SHARE * values.nbytes


def _chunks(variable: xr.Variable) -> dict[str, Any]:
    """Chunks of one trial (or of one entry of another first dimension) for large arrays, which are read by trials."""
    if variable.ndim < 3 or variable.nbytes < LARGE_VARIABLE_BYTES:
        return {}
    bins = max(1, min(variable.shape[-2], TRIAL_CHUNK_VALUES // variable.shape[-1]))
    return {"chunksizes": (*[1] * (variable.ndim - 2), bins, variable.shape[-1])}


def open_netcdf(path: Path | str, group: str = "/", *, cache: bool = True) -> xr.Dataset:
    """Open one group of a netCDF file without a file lock, which is safe because files of a run never change.

    Parameters
    ----------
    path : path of the file.
    group : group of the file.
    cache : whether values that were read once stay in memory.
    """
    name = None if group == "/" else group
    return xr.open_dataset(path, group=name, engine=ENGINE, cache=cache, driver_kwds={"locking": False})


def read_netcdf(path: Path | str, group: str = "/", *, large_on_disk: bool = False) -> xr.Dataset:
    """Read one group of a netCDF file into memory.

    Parameters
    ----------
    path : path of the file.
    group : group of the file.
    large_on_disk : whether variables above `LARGE_VARIABLE_BYTES` stay in the file and are read anew at every use.

    Raises
    ------
    UserError : the file does not exist, or is not a netCDF file.
    """
    try:
        with open_netcdf(path, group) as dataset:
            large = [name for name, values in dataset.data_vars.items() if values.nbytes > LARGE_VARIABLE_BYTES]
            if not (large_on_disk and large):
                return dataset.load()
            small = dataset.drop_vars(large).load()
        return small.assign(open_netcdf(path, group, cache=False)[large].data_vars)
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected="a netCDF file of this workflow") from None
    except OSError as error:
        if f"group not found: {group}" in str(error):
            raise
        raise UserError.at(str(path), found=f"an unreadable file ({error})", expected="a netCDF file") from error


def groups_of(path: Path | str) -> set[str]:
    """Return the names of the groups of a netCDF file, without the root.

    Raises
    ------
    UserError : the file does not exist, or is not a netCDF file.
    """
    expected = "a netCDF file of this workflow"
    try:
        with h5netcdf.File(path, "r", locking=False) as file:
            return set(file.groups)
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected=expected) from None
    except OSError as error:
        raise UserError.at(str(path), found=f"an unreadable file ({error})", expected=expected) from error
