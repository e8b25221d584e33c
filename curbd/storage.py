"""Writing of files so that they are either whole or absent, and reading and writing of netCDF."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from curbd.errors import UNWRITABLE, UserError

if TYPE_CHECKING:
    import h5netcdf
    import h5py

ENGINE: Literal["h5netcdf"] = "h5netcdf"
LARGE_VARIABLE_BYTES = 1 << 29
"""Arrays above this size are written and read in parts, and never lie in memory more often than a step needs them."""
TRIAL_CHUNK_VALUES = 1 << 20
"""Largest number of values in a chunk of a large array in a file, 8 MiB in double precision."""
FETCHED_BYTES = 1 << 20
"""Bytes that are fetched from a server at once."""
RESULTS_VERSION = 10
"""Version of the results; a developer increases it when the meaning of results changes, and the workflow then runs
every step again."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Write a file so that it is either whole or absent, even if the program is killed.

    A reader never sees half a file, and a process that survived a killed run cannot spoil the files of a new run.

    Parameters
    ----------
    path : path of the file to write; its folder is made if necessary.

    Yields
    ------
    A temporary path in the same folder. The temporary file replaces ``path`` when the block ends without an error, and
    is deleted if the block raises an error.

    Raises
    ------
    UserError : the file system is full or read-only, a quota is used up, or the folder may not be written to.
    """
    path = Path(path)
    with told_if_unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".part{path.suffix}")
        os.close(handle)
        try:
            # mkstemp makes a file that only its owner can read; an ordinary write respects the umask of the process.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
            yield Path(name)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def told_if_unwritable(path: Path, expected: str = "a folder with room for this file") -> Iterator[None]:
    """Turn errors of the file system in the block into a message for the user.

    Parameters
    ----------
    path : the file or folder that is written to in the block.
    expected : what is expected, for the message.

    Raises
    ------
    UserError : the file system is full or read-only, a quota is used up, or the folder may not be written to.
    """
    try:
        yield
    except OSError as error:
        reason = UNWRITABLE.get(error.errno or 0)
        # Some libraries give the text of the system without its number.
        if reason is None:
            reason = next((text for number, text in UNWRITABLE.items() if os.strerror(number) in str(error)), None)
        if reason is None:
            raise
        found, todo = reason
        raise UserError.at(str(path), found=found, expected=expected, todo=f"{todo}, then run again") from None


@contextmanager
def whole_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """Write an HDF5 file so that it is either whole or absent, even if the program is killed.

    The file is made in memory and written as plain bytes: HDF5 itself ends the whole interpreter when a disk is full,
    and needs a lock that some network file systems do not have.

    Parameters
    ----------
    path : path of the file to write; its folder is made if necessary.

    Yields
    ------
    The open file.

    Raises
    ------
    UserError : the file cannot be written, see `whole_file`.
    """
    import h5py

    with whole_file(path) as temporary:
        with h5py.File(temporary.name, "w", driver="core", backing_store=False) as file:
            yield file
            file.flush()
            content = file.id.get_file_image()
        temporary.write_bytes(content)


class _Reserved:
    """A binary file on a place of the disk that was reserved: HDF5 sees what it has written, and not the whole place.

    Attributes
    ----------
    size : size of what HDF5 has written.
    """

    def __init__(self, file: io.BufferedRandom) -> None:
        self.file, self.size = file, 0
        self.tell, self.flush, self.read, self.readinto = file.tell, file.flush, file.read, file.readinto

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.file.seek(self.size + offset) if whence == os.SEEK_END else self.file.seek(offset, whence)

    def write(self, content: bytes) -> int:
        written = self.file.write(content)
        self.size = max(self.size, self.file.tell())
        return written

    def truncate(self, size: int) -> int:
        self.size = size
        return size


@contextmanager
def whole_large_hdf5(path: Path | str, largest_bytes: int) -> Iterator[h5py.File]:
    """Write a large HDF5 file so that it is either whole or absent, without holding the file in memory.

    The place on the disk is reserved first, so that the disk cannot be full while HDF5 writes; `whole_hdf5` says why.
    What is not used is given back.

    Parameters
    ----------
    path : path of the file to write; its folder is made if necessary.
    largest_bytes : the size of the file, at most.

    Yields
    ------
    The open file.

    Raises
    ------
    UserError : there is no room for the file, see `whole_file`.
    """
    import h5py

    with whole_file(path) as temporary, open(temporary, "r+b") as plain:
        # A system without this call (macOS) has no way to reserve a place without writing to all of it.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(plain.fileno(), 0, largest_bytes)
        reserved = _Reserved(plain)
        with h5py.File(reserved, "w") as file:
            yield file
        plain.truncate(reserved.size)


def write_group(group: h5netcdf.File | h5netcdf.Group, dataset: xr.Dataset) -> None:
    """Write a dataset into the root or a group of an open netCDF file; numbers are compressed."""
    from xarray.backends.h5netcdf_ import H5NetCDFStore

    dataset.dump_to_store(H5NetCDFStore(group), encoding=_compression(dataset))


def write_netcdf(groups: Mapping[str, xr.Dataset], path: Path | str) -> None:
    """Write datasets as the groups of one netCDF file.

    Parameters
    ----------
    groups : name of a group -> its dataset; the group ``/`` is the root of the file.
    path : path of the file to write.

    Raises
    ------
    UserError : the file cannot be written, see `whole_file`.
    """
    import h5netcdf

    n_bytes = sum(dataset.nbytes for dataset in groups.values())
    # A small file is made in memory; a large one would be there twice.
    large = n_bytes > LARGE_VARIABLE_BYTES
    whole = whole_large_hdf5(path, round(1.01 * n_bytes) + LARGE_VARIABLE_BYTES) if large else whole_hdf5(path)
    with whole as image, h5netcdf.File(image, "w") as file:
        for group, dataset in groups.items():
            write_group(file if group == "/" else file.create_group(group), dataset)


def _compression(dataset: xr.Dataset) -> dict[Any, dict[str, Any]]:
    return {
        name: {"zlib": True, "complevel": 1, "shuffle": True} | _chunks(variable)
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "fiu" and variable.size > 1
    }


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
    import h5netcdf

    expected = "a netCDF file of this workflow"
    try:
        with h5netcdf.File(path, "r", locking=False) as file:
            return set(file.groups)
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected=expected) from None
    except OSError as error:
        raise UserError.at(str(path), found=f"an unreadable file ({error})", expected=expected) from error


def readable_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file to read it, on this machine or on a server, of which only the parts that are read are fetched.

    Parameters
    ----------
    path : place of the file, see `curbd.settings.places.location`.
    """
    import h5py

    if isinstance(path, Path):
        # Some network file systems have no locks.
        return h5py.File(path, "r", locking=False)
    return h5py.File(path.open("rb", block_size=FETCHED_BYTES, cache_type="blockcache"), "r")


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


def sha256(path: Path | str) -> str:
    """Return the SHA-256 checksum of a file in hexadecimal digits, reading the file in pieces of 1 MiB.

    The checksum of a Zarr folder is that of the names and contents of its files.
    """
    path = Path(path)
    digest = hashlib.sha256()
    for name in files_of(path):
        if name != path:
            digest.update(str(name.relative_to(path)).encode())
        with open(name, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
