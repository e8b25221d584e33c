"""NWB files, opened without a file lock; only their description is read at once, and their data when needed."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from hdmf.build import ConstructError
from pynwb import NWBHDF5IO, NWBFile

from curbd.errors import UserError
from curbd.recording.cells import as_text
from curbd.recording.clock import shape_notes
from curbd.recording.nwb_activity import SPIKES_PATH, choose_activity
from curbd.recording.nwb_channels import joined_activity
from curbd.recording.nwb_series import links_of, other_series, turned_away
from curbd.recording.nwb_spikes import spike_tables, spikes
from curbd.recording.nwb_tables import interval_tables
from curbd.recording.nwb_units import unit_facts
from curbd.recording.nwb_zarr import pickled_objects, read_zarr
from curbd.recording.recording_file import RecordingFile, Series, Spikes
from curbd.recording.units import UnitFacts, unit_table
from curbd.recording.unreadable import READING_ERRORS, UnreadableError, broken_links, reading, reason_of
from curbd.settings.recording import RecordingSettings
from curbd.storage.hdf5 import readable_hdf5
from curbd.storage.zarr_folders import is_zarr

logger = logging.getLogger(__name__)


def open_nwb(path: Path, settings: RecordingSettings, where: str) -> RecordingFile:
    """Open an NWB file as a `RecordingFile`.

    Parameters
    ----------
    path : path of the file.
    settings : choice of activity, region labels and units.
    where : the recording, for messages.

    Returns
    -------
    The opened file.

    Raises
    ------
    UserError : the file is not an NWB file; it has neither units nor series; it has several series and the settings
        name none of them; or no unit has a region label.
    """
    if is_zarr(path):
        nwbfile, zarr_io = read_zarr(path, where)
        return describe(nwbfile, path, settings, where, close=zarr_io.close)
    with reading(where, "the file"):
        file = readable_hdf5(path)
    try:
        nwbfile, io = read_nwb(file, where)
        return describe(nwbfile, path, settings, where, close=lambda: _close(io, file))
    except BaseException:
        file.close()
        raise


def read_nwb(file: h5py.File, where: str) -> tuple[NWBFile, NWBHDF5IO]:
    """Open an HDF5 file with pynwb; only its description is read.

    Raises
    ------
    UserError : the file is not an NWB file, or pynwb cannot read it.
    """
    if (version := nwb_1_version(file)) and "nwb_version" not in file.attrs:
        raise UnreadableError.at(
            where,
            found=f"a file of the old version {version}, which is not supported",
            expected="an NWB file of version 2",
            todo="convert it to NWB 2 (with pynwb), or read its datasets as plain HDF5 (format hdf5)",
        )
    if "nwb_version" not in file.attrs:
        raise UserError.at(
            where, found="an HDF5 file that is not NWB", expected="an NWB file", todo="set its format to hdf5"
        )
    with _quiet():
        try:
            io = NWBHDF5IO(file=file, mode="r")
            return io.read(), io
        except (ConstructError, *READING_ERRORS) as error:
            logger.debug("%s cannot be read", where, exc_info=True)
            raise _cannot_be_read(error, file, where) from error


def _cannot_be_read(error: Exception, file: h5py.File, where: str) -> UnreadableError:
    """The message about a file that pynwb cannot read: a missing extension, a broken link, or the words of pynwb."""
    namespace = re.search(r"'([^']+)' not a namespace|namespace '([^']+)'", str(error))
    name = "" if namespace is None else namespace[1] or namespace[2]
    if name and name not in ("core", "hdmf-common", "hdmf-experimental"):
        return UnreadableError.at(
            where,
            found=f"objects of the extension {name}, whose schema is not in the file",
            expected="an NWB file that holds the schema of its extensions",
            todo=f"install {name} and save the file again with its schema (pynwb does so), or remove these objects",
        )
    links = [f"{path} leads to {target}, which does not exist" for path, target in broken_links(file).items()]
    reason = reason_of(error)
    if isinstance(error, ConstructError):
        # The text holds the whole object; its path and the last reason say what is wrong.
        path = re.search(r"\(root/?(\S*) ", str(error))
        cause = str(error).rpartition("due to: ")[2]
        reason = f"{path[1] or 'the root' if path else 'an object'}: {' '.join(cause.split())[-200:]}".rstrip("'\")")
    return UnreadableError.at(
        where,
        found=f"an NWB file that cannot be read ({'; '.join([*links[:3], reason])})",
        expected="a valid NWB file",
        todo="check it with nwbinspector, or copy or download it again",
    )


def nwb_1_version(file: h5py.File) -> str:
    """Return the version of a file of NWB 1, such as ``NWB-1.0.6``; '' for any other file.

    NWB 1 stores the version as a dataset.
    """
    version = file.get("nwb_version")
    return as_text(np.ravel(version[()])[0]) if isinstance(version, h5py.Dataset) and version.size else ""


def describe(
    nwbfile: NWBFile, path: Path, settings: RecordingSettings, where: str, close: Callable[[], None] = lambda: None
) -> RecordingFile:
    """Describe an opened NWB file as a `RecordingFile`, with the activity and labels that the settings choose.

    Parameters
    ----------
    nwbfile : the opened file.
    path : path of the file.
    settings : choice of activity, region labels and units.
    where : the recording, for messages.
    close : function that closes the file.

    Returns
    -------
    The opened file.

    Raises
    ------
    UserError : for the reasons given in `open_nwb`.
    """
    with _quiet():
        with reading(where, "the time series and tables of units"):
            paths = choose_activity(nwbfile, settings.activity, where)
        with reading(where, ", ".join(paths)):
            activity, facts, notes = chosen_activity(nwbfile, paths, settings, where)
            units, unmatched, unit_notes = unit_table(facts, settings, where)
        with reading(where, "the time series"):
            series, series_notes = other_series(nwbfile, paths, where)
        with reading(where, "the interval tables"):
            intervals, left_out, interval_notes = interval_tables(nwbfile)
    if isinstance(activity, Series):
        notes += shape_notes(activity)
    broken = links_of(nwbfile)
    notes += [f"The link {link} leads to {target}, which does not exist." for link, target in broken.items()]
    interval_notes += [f"The interval table {name} is left out: {why}." for name, why in left_out.items()]
    notes += pickled_objects(nwbfile)
    invalid = len(intervals.get("invalid_times", ()))
    if invalid:
        notes.append(
            f"The file marks {invalid} intervals as invalid (invalid_times); they are not left out automatically."
        )
    return RecordingFile(
        path=path,
        format="nwb",
        units=units,
        unmatched=unmatched,
        activity=activity,
        activity_name=", ".join(paths),
        intervals=intervals,
        series=series,
        notes=tuple(notes + unit_notes + series_notes + interval_notes),
        subject="" if nwbfile.subject is None else as_text(nwbfile.subject.subject_id or ""),
        session=as_text(nwbfile.session_id or ""),
        left_out={**turned_away(nwbfile, broken), **left_out},
        close=close,
    )


def chosen_activity(
    nwbfile: NWBFile, paths: list[str], settings: RecordingSettings, where: str
) -> tuple[Spikes | Series, UnitFacts, list[str]]:
    """Open the activity at the given paths, and collect what the file states about its units.

    Parameters
    ----------
    nwbfile : the opened file.
    paths : path of the spike times, or paths of one or several series, as `choose_activity` returns them.
    settings : columns that may hold region labels.
    where : the recording, for messages.

    Returns
    -------
    The activity; what the file states about its units; sentences on irregularities.
    """
    tables = spike_tables(nwbfile)
    if paths[0] in tables:
        table = tables[paths[0]]
        spike_times, notes = spikes(table, settings, where)
        if paths[0] != SPIKES_PATH and not settings.activity:
            notes.append(f"The spike times are those of {paths[0]}; the file has no units in their usual place.")
        return spike_times, unit_facts(nwbfile, table, settings), notes
    return joined_activity(nwbfile, paths, settings, where)


def facts_of(nwbfile: NWBFile, paths: list[str], settings: RecordingSettings, where: str) -> UnitFacts:
    """Collect what the file states about the units of the activity, without reading spikes.

    Parameters
    ----------
    nwbfile : the opened file.
    paths : path of the spike times, or paths of one or several series.
    settings : columns that may hold region labels.
    where : the recording, for messages.

    Returns
    -------
    The facts about all units.
    """
    tables = spike_tables(nwbfile)
    if paths[0] in tables:
        return unit_facts(nwbfile, tables[paths[0]], settings)
    return joined_activity(nwbfile, paths, settings, where)[1]


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore the warnings of pynwb about departures from the newest schema; the notes say what matters to the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _close(io: NWBHDF5IO, file: h5py.File) -> None:
    io.close()
    file.close()
