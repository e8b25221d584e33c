"""Choice of the activity of an NWB file: what the user names, or else spike times, or else ROI responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.ophys import RoiResponseSeries

from curbd.errors import UserError, did_you_mean
from curbd.recording.fluorescence import is_deconvolved, is_relative
from curbd.recording.nwb_series import (
    all_series,
    turned_away,
)
from curbd.recording.nwb_spikes import spike_tables

SPIKES_PATH = "units"
"""Name of the spike times in the setting ``activity``."""
MAX_TURNED_AWAY = 8
"""Up to this number of series that cannot be used are listed, each with the reason."""


def choose_activity(nwbfile: NWBFile, wanted: Sequence[str], where: str) -> list[str]:
    """Choose the activity to fit: what the user names, or else spike times, or else ROI responses.

    Among ROI responses, deconvolved responses are preferred to dF/F, and dF/F to fluorescence. Neuropil and background
    are used only if the user names them. Spike times outside the units table of the file are used only if there is one
    such table and there are no ROI responses.

    Parameters
    ----------
    nwbfile : the opened file.
    wanted : paths or patterns of paths that the user names.
    where : the recording, for messages.

    Returns
    -------
    Paths of the activity.

    Raises
    ------
    UserError : a path does not exist, the file holds no activity, or several series of the same ROIs could be the
        activity.
    """
    series = all_series(nwbfile)
    tables = list(spike_tables(nwbfile))
    if wanted:
        return _named(wanted, tables, list(series), turned_away(nwbfile), f"{where}: activity")
    if SPIKES_PATH in tables:
        return [SPIKES_PATH]
    rois = {
        path: stored
        for path, stored in series.items()
        if isinstance(stored, RoiResponseSeries) and not _not_cells(path)
    }
    if not rois and len(tables) == 1:
        return tables
    if not rois:
        offers = [*tables, *series]
        kind = "units or series" if tables else "series"
        todo = f"name the {kind} to fit under activity ({', '.join(offers)})"
        listed = [f"{path}: {reason}" for path, reason in turned_away(nwbfile).items()]
        if not offers:
            todo = "write the activity into the file as units with spike times, as ROI responses or as another series"
        raise UserError.at(
            where,
            found="several tables with spike times" if tables else "no units with spike times and no ROI responses",
            expected="units with spike times, ROI responses, or another series named under activity",
            todo=todo + (f". Objects that cannot be used: {'; '.join(listed[:MAX_TURNED_AWAY])}" if listed else ""),
        )
    best = min(_processing_rank(path) for path in rois)
    chosen = [path for path in rois if _processing_rank(path) == best]
    roi_tables = [id(rois[path].rois.table) for path in chosen]
    if len(set(roi_tables)) < len(roi_tables):
        raise UserError.at(
            f"{where}: activity",
            found=f"several series of the same ROIs ({', '.join(chosen)})",
            expected="one series for each set of ROIs",
            todo=f"name one of them under activity, e.g. activity: [{chosen[0]}]",
        )
    return chosen


def likely_activity(series: Mapping[str, TimeSeries]) -> list[str]:
    """Choose the series that is probably the activity, if a file has neither spikes nor ROI responses.

    Parameters
    ----------
    series : path -> numeric series.

    Returns
    -------
    The path of the largest series of several channels, electrical series first, and the paths of the electrical series
    of other electrodes beside it, such as those of other probes; empty if there is no such series.
    """
    candidates = {
        path: stored for path, stored in series.items() if stored.data.ndim == 2 and min(stored.data.shape) > 1
    }
    ranked = sorted(
        candidates,
        key=lambda path: (
            isinstance(candidates[path], RoiResponseSeries | ElectricalSeries),
            candidates[path].data.size,
        ),
    )
    return _with_other_electrodes(ranked[-1], candidates) if ranked else []


def _with_other_electrodes(path: str, candidates: Mapping[str, TimeSeries]) -> list[str]:
    """A series and the electrical series in the same place of the file, if no two of them share an electrode."""
    folder = path.rpartition("/")[0]
    beside = [
        name
        for name, series in sorted(candidates.items())
        if isinstance(series, ElectricalSeries) and name.rpartition("/")[0] == folder
    ]
    rows = [int(row) for name in beside for row in candidates[name].electrodes.data[:]]
    return beside if path in beside and len(set(rows)) == len(rows) else [path]


def _named(
    wanted: Sequence[str], tables: Sequence[str], series: Sequence[str], reasons: Mapping[str, str], where: str
) -> list[str]:
    paths = [*tables, *series]
    chosen: list[str] = []
    for name in wanted:
        matches = [path for path in paths if path == name] or [path for path in paths if fnmatchcase(path, name)]
        if not matches:
            reason = reasons.get(name, "")
            raise UserError.at(
                where,
                found=f"{name!r}, which cannot be used: {reason}" if reason else f"unknown path {name!r}",
                expected=f"one of {', '.join(paths)}" if paths else "none: the file has neither units nor series",
                todo=did_you_mean(name, paths),
            )
        chosen += [path for path in matches if path not in chosen]
    if len(chosen) > 1 and set(chosen) & set(tables):
        raise UserError.at(
            where, found=", ".join(chosen), expected="either one table of units (spikes) or series, not both"
        )
    return chosen


def _not_cells(path: str) -> bool:
    return "neuropil" in path.casefold() or "background" in path.casefold()


def _processing_rank(path: str) -> int:
    if is_deconvolved(path):
        return 0
    return 1 if is_relative(path) else 2
