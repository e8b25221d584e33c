"""Networks of this project as a user gets them: ingested, fitted and judged with default settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import curbd
import lrfit
from curbd.recording.scaling import scaled_rates
from curbd.settings.recording import RecordingSettings

Array = np.ndarray
MODELS = {
    "one_step (default)": curbd.Model(family="full_rank", seeds=[0]),
    "sparse": curbd.Model(family="full_rank", estimator="sparse", seeds=[0]),
    "block_rank": curbd.Model(family="low_rank", estimator="block_rank", seeds=[0]),
}
TANH_MODELS = {"one_step, tanh": curbd.Model(family="full_rank", nonlinearity="tanh", seeds=[0])}
"""The model of the default with tanh units throughout."""
BLOCK_MODELS = {
    "block_rank": MODELS["block_rank"],
    "block_rank, tanh": curbd.Model(family="low_rank", estimator="block_rank", nonlinearity="tanh", seeds=[0]),
}
"""The low-rank model with the units that the recording asks for, and with tanh units throughout."""


def session(path: Path, settings: dict[str, object]) -> curbd.Session:
    """Ingest a file with the default settings, except for those that are given."""
    return curbd.ingest_file(path, RecordingSettings.model_validate(settings))


def fitted(recording: xr.Dataset, model: curbd.Model) -> xr.Dataset:
    """Fit a model to the training trials of a recording."""
    fit = lrfit.fit if model.family == "low_rank" else curbd.fit
    return fit(recording, model).networks


def training_rates(recording: xr.Dataset) -> Array:
    """(trial, time, unit) scaled rates of the training trials, for the baselines."""
    return np.asarray(scaled_rates(recording).values[recording["split"].values == "train"])


def matrix(pathways: pd.DataFrame, column: str, regions: list[str]) -> Array:
    """A column of the table ``pathways`` as an array (target region, source region)."""
    values = pathways.set_index(["target", "source"])[column].to_dict()
    return np.array([[values[target, source] for source in regions] for target in regions])
