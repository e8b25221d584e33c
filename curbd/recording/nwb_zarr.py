"""NWB files in Zarr folders, read in place with hdmf-zarr, which is an extra of this package."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from hdmf.build import ConstructError
from pynwb import NWBFile

from curbd.recording.unreadable import READING_ERRORS, UnreadableError, reason_of
from curbd.storage.zarr_folders import zarr_group

UNSAFE = "NUMCODECS_ALLOW_UNSAFE_PICKLE_DECODE"
"""Environment variable with which numcodecs reads pickles."""

logger = logging.getLogger(__name__)


def read_zarr(path: Path, where: str) -> tuple[NWBFile, Any]:
    """Open an NWB file in a Zarr folder; only its description is read.

    Parameters
    ----------
    path : path of the folder.
    where : the recording, for messages.

    Returns
    -------
    The opened file, and the object of hdmf-zarr that closes it.

    Raises
    ------
    UserError : hdmf-zarr is not installed, or the folder holds no NWB file that can be read.
    """
    if "nwb_version" not in zarr_group(path).attrs:
        raise UnreadableError.at(where, found="a Zarr folder that is not NWB", expected="an NWB file")
    from hdmf_zarr.nwb import NWBZarrIO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            io = NWBZarrIO(path=str(path), mode="r", load_namespaces=True)
            return io.read(), io
        except (ConstructError, *READING_ERRORS) as error:
            logger.debug("%s cannot be read", where, exc_info=True)
            raise UnreadableError.at(
                where,
                found=f"an NWB file that cannot be read ({reason_of(error)})",
                expected="a valid NWB file",
                todo="check it with nwbinspector, or copy or download it again",
            ) from error


def pickled_objects(nwbfile: NWBFile) -> list[str]:
    """Say which references of an opened file are not read, because they are stored as pickles.

    Parameters
    ----------
    nwbfile : the opened file, of any format.

    Returns
    -------
    A sentence; nothing if the file holds no pickles, or the user lets them be read.
    """
    file: Any = None if nwbfile.read_io is None else nwbfile.read_io._file
    if not hasattr(file, "visitvalues"):
        return []
    from numcodecs import Pickle, pickles

    pickled: list[str] = []

    def note(stored: Any) -> None:
        if any(isinstance(codec, Pickle) for codec in getattr(stored, "filters", None) or ()):
            pickled.append(str(stored.path))

    file.visitvalues(note)
    if not pickled or getattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True):
        return []
    named = ", ".join(pickled[:3]) + (f" and {len(pickled) - 3} more" if len(pickled) > 3 else "")
    return [
        f"References are not used that are stored as pickles ({named}), because reading a pickle can run any program. "
        f"If you trust the file, set the environment variable {UNSAFE}=1."
    ]
