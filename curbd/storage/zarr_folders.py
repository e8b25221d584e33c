"""Recordings in folders of Zarr, beside recordings in single files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curbd.errors import UserError


def is_zarr(path: Path) -> bool:
    """Return whether a path is a folder in which Zarr stores a group.

    Parameters
    ----------
    path : place of the file, see `curbd.settings.places.location`.
    """
    # A server has no folders, and every address may be taken for one.
    return isinstance(path, Path) and (path / ".zgroup").is_file()


def zarr_group(path: Path) -> Any:
    """Open the group that a Zarr folder stores, to read it; its members are used as those of an HDF5 file.

    Parameters
    ----------
    path : path of the folder.

    Raises
    ------
    UserError : the packages that read Zarr are not installed.
    """
    # It brings zarr of the version that it can read.
    if find_spec("hdmf_zarr") is None:
        raise UserError.at(
            str(path),
            found="a Zarr folder, and no package hdmf_zarr",
            expected="the packages that read NWB in Zarr",
            todo="install them: pip install 'curbd-workflow[zarr]'",
        )
    import zarr

    return zarr.open_group(str(path), mode="r")


def files_of(path: Path) -> list[Path]:
    """Return the files of a recording: the file itself, or all files of a Zarr folder in the order of their names."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
