"""Writing of HDF5 files that are whole or absent, and opening of HDF5 files without locks, from servers too."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from curbd.storage.whole_files import whole_file

FETCHED_BYTES = 1 << 20
"""Bytes that are fetched from a server at once."""


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
    with whole_file(path) as temporary, open(temporary, "r+b") as plain:
        # A system without this call (macOS) has no way to reserve a place without writing to all of it.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(plain.fileno(), 0, largest_bytes)
        reserved = _Reserved(plain)
        with h5py.File(reserved, "w") as file:
            yield file
        plain.truncate(reserved.size)


def readable_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file to read it, on this machine or on a server, of which only the parts that are read are fetched.

    Parameters
    ----------
    path : place of the file, see `curbd.settings.places.location`.
    """
    if isinstance(path, Path):
        # Some network file systems have no locks.
        return h5py.File(path, "r", locking=False)
    return h5py.File(path.open("rb", block_size=FETCHED_BYTES, cache_type="blockcache"), "r")
