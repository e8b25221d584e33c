"""The settings of the step ingest, its remarks, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from curbd.recording.ingest import Session
from curbd.recording.sufficiency import SHORTAGES_OF_LEVEL, amount_of_recording, shortages
from curbd.settings.plan import Plan
from curbd.settings.recording import RecordingSettings
from curbd.storage.netcdf import write_netcdf


class IngestSettings(NamedTuple):
    """How one file is ingested.

    Attributes
    ----------
    recording : settings of the recording.
    shared : settings that other recordings of the run have as well, see `curbd.recording.ingest.ingest`.
    purposes : what the data are to be enough for, see `curbd.recording.sufficiency.Statement`.
    """

    recording: RecordingSettings
    shared: set[str]
    purposes: set[str]


def ingest_settings(plan: Plan | None, name: str, model: str | None) -> IngestSettings:
    """Find the settings with which a file is ingested.

    Parameters
    ----------
    plan : the plan of the run; None for default settings, and remarks on every kind of analysis.
    name : name of the recording.
    model : name of a model with its own bin width, smoothing or scaling; None for the recording of all other models.

    Returns
    -------
    The settings.
    """
    if plan is None:
        return IngestSettings(RecordingSettings(), set(), {"regions", "trials", *SHORTAGES_OF_LEVEL.values()})
    models = plan.config.models
    levels = {settings.level for key, settings in models.items() if model in (None, key)}
    return IngestSettings(
        recording=plan.recording_settings(name, model),
        shared=plan.shared_settings(name),
        purposes={"regions", "trials", *(SHORTAGES_OF_LEVEL[level] for level in levels)},
    )


def remarks_on_session(session: Session, purposes: set[str]) -> list[str]:
    """Say what of a file is left out or probably misread, and for what its data are not enough.

    Parameters
    ----------
    session : the ingested file.
    purposes : what the data are to be enough for, see `curbd.recording.sufficiency.Statement`.
    """
    notes = filter(None, session.recording.attrs["notes"].split("\n"))
    return [*notes, *shortages(amount_of_recording(session.recording), purposes)]


def write_recording(session: Session, path: Path) -> None:
    """Write recording.nc: the recording, and in groups the truth and the perturbed trials, if there are any.

    Parameters
    ----------
    session : the ingested file.
    path : path of recording.nc.

    Raises
    ------
    UserError : the file cannot be written, see `curbd.storage.whole_files.whole_file`.
    """
    groups = {"/": session.recording, "truth": session.truth, "perturbed": session.perturbed}
    write_netcdf({name: group for name, group in groups.items() if group is not None}, path)
