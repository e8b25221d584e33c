"""Teachers as a user's recording: written to a file and ingested."""

from __future__ import annotations

import tempfile
from pathlib import Path

import xarray as xr

from curbd import teachers
from curbd.recording.ingest import ingest_file
from curbd.settings.recording import RecordingSettings


def recorded(teacher: teachers.Teacher, test_fraction: float = 0.2) -> tuple[xr.Dataset, xr.Dataset]:
    """Recording of a teacher, and the true network.

    Parameters
    ----------
    teacher : network and rates.
    test_fraction : share of the trials that are held out.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(teacher, path)
        session = ingest_file(path, RecordingSettings(test_fraction=test_fraction))
        recording, truth = session.recording, session.truth
    if truth is None:
        raise ValueError("teacher: found no truth in its own file")
    return recording, truth
