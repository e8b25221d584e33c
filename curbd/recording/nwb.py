"""NWB files: opened without a file lock, described at once, their data read only when asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from hdmf.build import ConstructError
from pynwb import NWBHDF5IO, NWBFile

from curbd.errors import UserError
from curbd.recording.nwb_series import UNITS, choose_activity, joined_activity, other_series
from curbd.recording.nwb_tables import interval_tables
from curbd.recording.nwb_units import spikes, unit_facts
from curbd.recording.recording_file import RecordingFile, Series, Spikes
from curbd.recording.units import UnitFacts, unit_table
from curbd.settings.recording import RecordingSettings


def open_nwb(path: Path, settings: RecordingSettings, where: str) -> RecordingFile:
    """Open an NWB file as a `RecordingFile`.

    Parameters
    ----------
    path : the file.
    settings : which activity, region labels and units are asked for.
    where : the recording, for messages.

    Raises
    ------
    UserError : no NWB file, neither units nor series, several series and none named, no region label anywhere.
    """
    file = h5py.File(path, "r", locking=False)
    try:
        nwbfile, io = read_nwb(file, where)
        return describe(nwbfile, path, settings, where, close=lambda: _close(io, file))
    except BaseException:
        file.close()
        raise


def read_nwb(file: h5py.File, where: str) -> tuple[NWBFile, NWBHDF5IO]:
    """The pynwb view of an open HDF5 file; nothing but its description is read.

    Raises
    ------
    UserError : no NWB file, or one that cannot be understood.
    """
    if "nwb_version" not in file.attrs:
        raise UserError.at(
            where, found="an HDF5 file that is no NWB file", expected="NWB", todo="set its format to hdf5"
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
    """What an opened NWB file offers, by the settings."""
    with _quiet():
        paths = choose_activity(nwbfile, settings.activity, where)
        activity, facts, notes = chosen_activity(nwbfile, paths, settings, where)
        units, unit_notes = unit_table(facts, settings, where)
        series, series_notes = other_series(nwbfile, paths, where)
        intervals = interval_tables(nwbfile)
    invalid = len(intervals.get("invalid_times", ()))
    if invalid:
        notes.append(
            f"The file marks {invalid} stretches as invalid (invalid_times); they are not left out by themselves."
        )
    return RecordingFile(
        path=path,
        format="nwb",
        units=units,
        activity=activity,
        activity_name=", ".join(paths),
        intervals=intervals,
        series=series,
        notes=tuple(notes + unit_notes + series_notes),
        close=close,
    )


def chosen_activity(
    nwbfile: NWBFile, paths: list[str], settings: RecordingSettings, where: str
) -> tuple[Spikes | Series, UnitFacts, list[str]]:
    """The chosen activity, what the file says about its units, and notes."""
    if paths == [UNITS]:
        found, notes = spikes(nwbfile, where)
        return found, unit_facts(nwbfile, settings), notes
    return joined_activity(nwbfile, paths, settings, where)


def facts_of(nwbfile: NWBFile, paths: list[str], settings: RecordingSettings, where: str) -> UnitFacts:
    """What the file says about the units of the chosen activity, without reading the activity."""
    if paths == [UNITS]:
        return unit_facts(nwbfile, settings)
    return joined_activity(nwbfile, paths, settings, where)[1]


@contextmanager
def _quiet() -> Iterator[None]:
    """pynwb warns of every departure from the newest schema; what matters to the user is in the notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _close(io: NWBHDF5IO, file: h5py.File) -> None:
    io.close()
    file.close()
