"""Recordings: NWB and HDF5 files opened as a `RecordingFile`, which is independent of the file format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from curbd.errors import UserError
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes, Truth
from curbd.recording.unreadable import UnreadableError, reading
from curbd.settings.places import is_remote, location
from curbd.settings.recording import RecordingSettings
from curbd.settings.recordings_mistakes import folder_mistake
from curbd.storage.hdf5 import readable_hdf5
from curbd.storage.zarr_folders import is_zarr, zarr_group

__all__ = ["BinnedTrials", "RecordingFile", "Series", "Spikes", "Truth", "open_recording"]

HDF5_MARK = b"\x89HDF\r\n\x1a\n"
"""The bytes with which HDF5 begins, at the start of a file or after a block of another program."""
FIRST_BYTES = 1024
"""Bytes from which the kind of a file is told."""


def open_recording(
    path: Path | str, format: Literal["nwb", "hdf5"], settings: RecordingSettings | None = None, name: str = ""
) -> RecordingFile:
    """Open a recording file; activity and time series stay on disk until they are needed.

    Parameters
    ----------
    path : path of the file.
    format : ``nwb``, or ``hdf5`` for plain HDF5 files, whose layout is described in ``settings.hdf5``.
    settings : how the file becomes a recording; None for the defaults.
    name : name of the recording, for messages.

    Returns
    -------
    The opened file; use it in a ``with`` block, or call its ``close``.

    Raises
    ------
    UserError : the file is missing, truncated or of another format; it holds no activity; or the settings do not
        determine which activity or region labels to use.
    """
    path = location(str(path))
    where = f"{name} ({path})" if name else str(path)
    settings = settings or RecordingSettings()
    check_hdf5(path, where)
    with reading(where, "the file"):
        return _opened(path, format, settings, where)


def _opened(path: Path, format: str, settings: RecordingSettings, where: str) -> RecordingFile:
    """The opened file, read by the reader of its format."""
    # pynwb takes most of a second to import; a plain HDF5 file does not need it.
    if format == "nwb":
        from curbd.recording.nwb import open_nwb

        return open_nwb(path, settings, where)
    if format == "hdf5" and is_zarr(path):
        raise UserError.at(f"{where}: format", found="hdf5", expected="nwb, because only NWB is read in Zarr folders")
    if format == "hdf5":
        from curbd.recording.hdf5 import open_hdf5

        return open_hdf5(path, settings, where)
    raise UserError.at(f"{where}: format", found=repr(format), expected="nwb or hdf5")


def check_hdf5(path: Path, where: str) -> None:
    """Raise an error that explains why a file cannot be opened as HDF5 or Zarr; return silently if it can.

    Raises
    ------
    UserError : the file does not exist, is a folder, is truncated, or is not an HDF5 file; or its server does not send
        parts of a file.
    """
    expected = "an NWB or HDF5 file"
    if not path.exists():
        found = "no such file on a server that answers" if is_remote(path) else "no such file"
        raise UnreadableError.at(where, found=found, expected=expected, todo="check the path in recordings.tsv")
    if is_zarr(path):
        zarr_group(path)
        return
    # A server has no folders, and every address may be taken for one.
    if not is_remote(path) and path.is_dir():
        raise UnreadableError.at(where, **folder_mistake(path))
    try:
        with readable_hdf5(path):
            return
    except ValueError as error:
        if "range requests" not in str(error):
            raise
        raise UnreadableError.at(
            where,
            found="a server that sends a file only as a whole",
            expected="a server that sends parts of a file (range requests)",
            todo="download the file, and name the copy on this machine",
        ) from None
    except OSError as error:
        if "truncated" in str(error):
            raise UnreadableError.at(
                where,
                found=f"a truncated file ({path.stat().st_size} bytes; its end is missing)",
                expected=expected,
                todo="copy or download it again",
            ) from None
        if HDF5_MARK not in _first_bytes(path):
            found, todo = _other_kind(path)
            raise UnreadableError.at(where, found=found, expected=expected, todo=todo) from None
        raise UnreadableError.at(where, found=f"a file that cannot be opened ({error})", expected=expected) from None


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FIRST_BYTES)


def _other_kind(path: Path) -> tuple[str, str]:
    """What a file that is not HDF5 is, from its first bytes, and what to do about it."""
    first = _first_bytes(path)
    kinds = (
        (b"version https://git-lfs", "a pointer of Git LFS instead of the file", "fetch the file with `git lfs pull`"),
        (b"/annex/objects", "a pointer of git-annex instead of the file", "fetch the file with `datalad get`"),
        (b"MATLAB 5.0", "a MATLAB file older than version 7.3", "save it again in MATLAB with the option -v7.3"),
        (b"\x1f\x8b", "a compressed file (gzip)", "decompress it"),
        (b"PK\x03\x04", "a ZIP archive", "unpack it"),
        (b"<!DOCTYPE", "a web page (HTML) instead of the file", "download the file itself"),
        (b"<html", "a web page (HTML) instead of the file", "download the file itself"),
    )
    for mark, kind, todo in kinds:
        if mark in first[:64]:
            return f"{kind}, a file that is not HDF5", todo
    return ("an empty file", "copy or download it again") if not first else ("a file that is not HDF5", "")
