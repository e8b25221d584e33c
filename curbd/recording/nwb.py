"""NWB files: opened without a file lock and described at once; their data are read only when needed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from hdmf.build import ConstructError
from pynwb import NWBHDF5IO, NWBFile

from curbd.errors import UserError
from curbd.recording.nwb_series import SPIKES_PATH, choose_activity, joined_activity, other_series
from curbd.recording.nwb_tables import interval_tables
from curbd.recording.nwb_units import spike_tables, spikes, unit_facts
from curbd.recording.recording_file import RecordingFile, Series, Spikes
from curbd.recording.units import UnitFacts, unit_table
from curbd.settings.recording import RecordingSettings


def open_nwb(path: Path, settings: RecordingSettings, where: str) -> RecordingFile:
    """Open an NWB file as a `RecordingFile`.

    Parameters
    ----------
    path : the file.
    settings : choice of activity, region labels and units.
    where : the recording, for messages.

    Raises
    ------
    UserError : the file is not an NWB file; it has neither units nor series; it has several series and the settings
        name none of them; or no unit has a region label.
    """
    file = h5py.File(path, "r", locking=False)
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
    if "nwb_version" not in file.attrs:
        raise UserError.at(
            where, found="an HDF5 file that is not NWB", expected="an NWB file", todo="set its format to hdf5"
        )
    with _quiet():
        try:
            io = NWBHDF5IO(file=file, mode="r")
            return io.read(), io
        except (ConstructError, OSError, KeyError, TypeError, ValueError) as error:
            raise UserError.at(
                where, found=f"an NWB file that cannot be read ({error})", expected="a valid NWB file"
            ) from error


def describe(
    nwbfile: NWBFile, path: Path, settings: RecordingSettings, where: str, close: Callable[[], None] = lambda: None
) -> RecordingFile:
    """What an opened NWB file offers, with the choices of the settings.

    Parameters
    ----------
    nwbfile : the opened file.
    path : path of the file.
    settings : choice of activity, region labels and units.
    where : the recording, for messages.
    close : function that closes the file.

    Raises
    ------
    UserError : as `open_nwb`.
    """
    with _quiet():
        paths = choose_activity(nwbfile, settings.activity, where)
        activity, facts, notes = chosen_activity(nwbfile, paths, settings, where)
        units, unit_notes = unit_table(facts, settings, where)
        series, series_notes = other_series(nwbfile, paths, where)
        intervals, left_out, interval_notes = interval_tables(nwbfile)
    interval_notes += [f"The interval table {name} is left out: {why}." for name, why in left_out.items()]
    invalid = len(intervals.get("invalid_times", ()))
    if invalid:
        notes.append(
            f"The file marks {invalid} stretches as invalid (invalid_times); they are not left out automatically."
        )
    return RecordingFile(
        path=path,
        format="nwb",
        units=units,
        activity=activity,
        activity_name=", ".join(paths),
        intervals=intervals,
        series=series,
        notes=tuple(notes + unit_notes + series_notes + interval_notes),
        left_out=left_out,
        close=close,
    )


def chosen_activity(
    nwbfile: NWBFile, paths: list[str], settings: RecordingSettings, where: str
) -> tuple[Spikes | Series, UnitFacts, list[str]]:
    """The activity that the settings choose, and its units.

    Parameters
    ----------
    nwbfile : the opened file.
    paths : path of the spike times, or paths of one or several series.
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
    """What the file states about the units of the chosen activity (see `chosen_activity`); spikes are not read."""
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
