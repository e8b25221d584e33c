"""Files that are either whole or absent, and netCDF in one dialect."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import xarray as xr

from curbd.errors import UserError

ENGINE: Literal["h5netcdf"] = "h5netcdf"
RESULTS_VERSION = 3
"""Raised when the meaning of results changes, so that the workflow runs every step again."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Write a file that is either whole or absent.

    A reader never sees half a file, and a process that survived a killed run cannot spoil the files of a new run.

    Parameters
    ----------
    path : the file to write; its folder is made if necessary.

    Yields
    ------
    A temporary path in the same folder. The temporary file replaces ``path`` when the block ends without an error, and
    is deleted when the block raises.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".part{path.suffix}")
    os.close(handle)
    # mkstemp makes a file that only its owner can read; an ordinary write respects the umask of the process.
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    try:
        yield Path(name)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_netcdf(groups: Mapping[str, xr.Dataset], path: Path | str) -> None:
    """Write datasets as the groups of one netCDF file.

    Parameters
    ----------
    groups : name of a group -> its dataset; the group ``/`` is the root of the file.
    path : the file to write.
    """
    with whole_file(path) as temporary:
        for index, (group, dataset) in enumerate(groups.items()):
            compressed: dict[Any, dict[str, Any]] = {
                name: {"zlib": True, "complevel": 1, "shuffle": True}
                for name, variable in dataset.variables.items()
                if variable.dtype.kind in "fiu" and variable.size > 1
            }
            dataset.to_netcdf(
                temporary,
                mode="a" if index else "w",
                group=None if group == "/" else group,
                engine=ENGINE,
                encoding=compressed,
            )


def read_netcdf(path: Path | str, group: str = "/") -> xr.Dataset:
    """Read one group of a netCDF file into memory.

    Raises
    ------
    UserError : the file does not exist, or is not a netCDF file.
    """
    try:
        with xr.open_dataset(path, group=None if group == "/" else group, engine=ENGINE) as dataset:
            return dataset.load()
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected="a netCDF file of this workflow") from None
    except OSError as error:
        if f"group not found: {group}" in str(error):
            raise
        raise UserError.at(str(path), found=f"an unreadable file ({error})", expected="a netCDF file") from error


def groups_of(path: Path | str) -> set[str]:
    """Names of the groups of a netCDF file, without the root."""
    import h5netcdf

    with h5netcdf.File(path, "r") as file:
        return set(file.groups)


def sha256(path: Path | str) -> str:
    """SHA-256 checksum of a file in hexadecimal digits; the file is read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
