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
"""Raised when the meaning of results changes: every step then runs again."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place only when the block ends without an error.

    A reader never sees half a file, and a process that was orphaned by a kill cannot mix with a new run.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".part{path.suffix}")
    os.close(handle)
    # mkstemp makes the file private; the result gets the permissions that an ordinary write would give it.
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    try:
        yield Path(name)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_netcdf(groups: Mapping[str, xr.Dataset], path: Path | str) -> None:
    """Write datasets as the groups of one netCDF file; the group ``/`` is the file's root."""
    with whole_file(path) as part:
        for number, (group, dataset) in enumerate(groups.items()):
            compressed: dict[Any, dict[str, Any]] = {
                name: {"zlib": True, "complevel": 1, "shuffle": True}
                for name, variable in dataset.variables.items()
                if variable.dtype.kind in "fiu" and variable.size > 1
            }
            place = None if group == "/" else group
            dataset.to_netcdf(part, mode="a" if number else "w", group=place, engine=ENGINE, encoding=compressed)


def read_netcdf(path: Path | str, group: str = "/") -> xr.Dataset:
    """Read one group of a netCDF file into memory.

    Raises
    ------
    UserError : no such file, or not a netCDF file.
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
    """Names of the groups of a netCDF file, the root left out."""
    import h5netcdf

    with h5netcdf.File(path, "r") as file:
        return set(file.groups)


def sha256(path: Path | str) -> str:
    """Checksum of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
