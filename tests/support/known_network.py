"""A small teacher as a recording, and its true network as if it were a fit: all answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from curbd import teachers
from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.network.truth import true_network
from curbd.recording.ingest import ingest_file
from curbd.settings.models import Model


def recorded(folder: Path, **teacher: object) -> tuple[xr.Dataset, xr.Dataset]:
    """Recording and truth of a teacher, written to a file and read again."""
    path = folder / "teacher.h5"
    teachers.write_hdf5(teachers.multi_region(**teacher), path)
    session = ingest_file(path)
    recording, truth = session.recording, session.truth
    assert truth is not None
    return recording, truth


def known_networks(recording: xr.Dataset, truth: xr.Dataset, n_seeds: int = 1) -> xr.Dataset:
    """The true network in the place of a fit."""
    model = Model(family="full_rank", seeds=list(range(n_seeds)))
    return to_dataset([Fit(true_network(truth))] * n_seeds, recording, "true", model)


def small(folder: Path, **changes: object) -> tuple[xr.Dataset, xr.Dataset]:
    """Three regions of eight units, ten trials of 80 samples, known inputs."""
    settings: dict[str, object] = {"units": 8, "trials": 10, "samples": 80, "substeps": 1, "seed": 3}
    return recorded(folder, **(settings | changes))


def finite(values: np.ndarray) -> np.ndarray:
    """The values that are not missing."""
    return values[np.isfinite(values)]
