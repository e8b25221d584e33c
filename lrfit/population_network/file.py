"""The file network.nc of a population network: parameters, posterior of the latents, and the evidence on pathways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.settings.models import Model
from curbd.storage import RESULTS_VERSION
from lrfit.population_network.analysis import Trained
from lrfit.population_network.echo import Echo
from lrfit.population_network.evidence import Evidence
from lrfit.population_network.history import history_windows
from lrfit.population_network.model import Population
from lrfit.population_network.paths import Paths
from lrfit.population_network.pathway_test import PathwayTests
from lrfit.population_network.recording import Recording
from lrfit.population_network.verdict import Verdict

Array = np.ndarray
MODEL_DIMS: dict[str, tuple[str, ...]] = {
    "leak": ("latent",),
    "A": ("latent", "latent_2"),
    "G": ("latent", "known_source"),
    "Q": ("latent", "latent_2"),
    "curvature": ("latent",),
    "C": ("target", "latent"),
    "d": ("target",),
    "start_mean": ("start_condition", "latent"),
    "start_covariance": ("latent", "latent_2"),
}
"""Field of `Population` -> its dimensions after ``seed``."""
PATH_DIMS: dict[str, tuple[str, ...]] = {
    "mean": ("time", "trial", "latent"),
    "covariance": ("pattern", "time", "latent", "latent_2"),
    "lagged": ("pattern", "step", "latent", "latent_2"),
    "log_determinant": ("pattern",),
}
"""Field of `Paths` -> its dimensions after ``seed``; the variables are named ``latents_<field>``."""
ECHO_DIMS: dict[str, tuple[str, ...]] = {
    "loadings": ("target", "latent"),
    "weight": ("target", "latent"),
    "covariance": ("target", "loading_or_weight", "loading_or_weight_2"),
}
"""Field of `Echo` -> its dimensions after ``seed``; the variables are named ``echo_<field>``."""
PATHWAY_DIMS = ("pathway_target", "pathway_source")
SCALAR_EVIDENCE = tuple(field for field in Evidence._fields if field != "tests")
TEST_DIMS = {"score": PATHWAY_DIMS, "p_value": PATHWAY_DIMS, "shuffled": ("shuffle", *PATHWAY_DIMS)}
"""Field of `PathwayTests` -> its dimensions; the variables are named ``test_<field>``."""


class Fitted(NamedTuple):
    """One fitted network with the latents of all trials.

    Attributes
    ----------
    model : parameters of the network.
    paths : posterior of the latents of all trials.
    weight_covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are latents of regions.
    echo : echo of the activity of each region in its units.
    """

    model: Population
    paths: Paths
    weight_covariance: Array
    echo: Echo


def to_dataset(
    fits: Sequence[Fitted],
    trained: Trained,
    data: Recording,
    recording: xr.Dataset,
    name: str,
    model: Model,
    tau_s: float,
) -> xr.Dataset:
    """Collect all fits of a population network in one dataset, the content of the file network.nc.

    The parameters A, G, Q, C, d, leak, curvature, start_mean and start_covariance are those of
    `lrfit.population_network.model.Population`. Latents have the coordinate latent_region; the latents of hidden common
    drives have the regions hidden_1, hidden_2, ... The posterior of the latents of all trials is latents_mean,
    latents_covariance, latents_lagged and latents_log_determinant; the echo of each unit is echo_loadings, echo_weight
    and echo_covariance. The verdicts of the first fit are the variables with the dimensions (pathway_target,
    pathway_source). The decay time of a calcium indicator is indicator_s, 0 for activity without an indicator and NaN
    for spikes. The gain in held-out log likelihood of the hidden drives that were tried, kept or not, is
    common_drive_nats. The own spike history of every unit, if any, is history, the change
    of the log rate for every spike with a lag from window_first_s to window_last_s, with history_lift of
    `lrfit.population_network.model.Population`; history_gain_nats is the gain in held-out log likelihood, NaN if no
    history was tried.

    Parameters
    ----------
    fits : the fits of all seeds of the model, in the order of the seeds.
    trained : what held-out trials say about the network: verdicts, ranges of the numbers of latents, form and hidden
        drives of all fits.
    data : the recording as the network reads it.
    recording : the recording that was fitted.
    name : name of the model in all tables.
    model : settings of the model.
    tau_s : time constant of the units in seconds.
    """
    first = fits[0].model
    regions = np.unique(recording["region"].to_numpy().astype(str))
    drives = int(first.group.max()) + 1 - len(regions)
    names = np.array([*regions, *(f"hidden_{index + 1}" for index in range(drives))])
    variables: dict[str, tuple[tuple[str, ...], Array]] = {}
    for field, dims in MODEL_DIMS.items():
        variables[field] = (("seed", *dims), np.stack([getattr(fit.model, field) for fit in fits]))
    for field, dims in PATH_DIMS.items():
        values = np.stack([getattr(fit.paths, field) for fit in fits])
        variables[f"latents_{field}"] = (("seed", *dims), values)
    covariance = np.stack([fit.weight_covariance for fit in fits])
    variables["weight_covariance"] = (("seed", "row", "latent", "row_2", "latent_2"), covariance)
    for field, dims in ECHO_DIMS.items():
        variables[f"echo_{field}"] = (("seed", *dims), np.stack([getattr(fit.echo, field) for fit in fits]))
    if fits[0].model.history.shape[1]:
        variables["history"] = (("seed", "target", "window"), np.stack([fit.model.history for fit in fits]))
        variables["history_lift"] = (("seed", "target"), np.stack([fit.model.history_lift for fit in fits]))
    variables["history_gain_nats"] = ((), np.array(trained.history_gain))
    variables["tau_s"] = (("seed",), np.full(len(fits), tau_s))
    variables["indicator_s"] = ((), np.array(np.nan if data.indicator_s is None else data.indicator_s))
    variables["drive_gain_nats"] = (("drive",), trained.drive_gains)
    variables["common_drive_nats"] = ((), np.array(trained.common_nats))
    variables["curved_gain_nats"] = ((), np.array(trained.curved_gain))
    variables["latents_suffice"] = ((), np.array(int(trained.dimensions.suffice), dtype=np.int8))
    if trained.dimensions.low:
        variables["n_latents_low"] = (("pathway_target",), np.array(trained.dimensions.low))
        variables["n_latents_high"] = (("pathway_target",), np.array(trained.dimensions.high))
    judged = trained.verdict
    for field in SCALAR_EVIDENCE:
        variables[f"evidence_{field}"] = (PATHWAY_DIMS, getattr(judged.evidence, field))
    for field, dims in TEST_DIMS.items():
        variables[f"test_{field}"] = (dims, getattr(judged.evidence.tests, field))
    for field in ("held_out_nats", "held_out_error"):
        variables[field] = (PATHWAY_DIMS, getattr(judged, field))
    variables["grounds"] = (PATHWAY_DIMS, judged.grounds.astype(str))
    unit_id = recording["unit_id"].to_numpy().astype(str)
    coords = {
        "seed": np.array(model.seeds, dtype=np.int64),
        "latent_region": ("latent", names[first.group]),
        "target": unit_id,
        "target_region": ("target", recording["region"].to_numpy().astype(str)),
        "time": recording["time"].to_numpy(),
        "known_source": ("known_source", np.array(data.source_name, dtype=str)),
        "pathway_target": regions,
        "pathway_source": regions,
    }
    if "history" in variables:
        lags_s = float(recording.attrs["dt_s"]) * np.array(history_windows(float(recording.attrs["dt_s"])))
        coords |= {"window_first_s": ("window", lags_s[:, 0]), "window_last_s": ("window", lags_s[:, 1])}
    return xr.Dataset(variables, coords, _attrs(recording, name, model))


def _attrs(recording: xr.Dataset, name: str, model: Model) -> dict[str, object]:
    return {
        "recording": recording.attrs["recording"],
        "recording_sha256": recording.attrs["sha256"],
        "model": name,
        "family": model.family,
        "estimator": model.estimator_name(),
        "level": model.level,
        "options": json.dumps(model.estimator_options().model_dump(mode="json"), sort_keys=True),
        "dt_s": float(recording.attrs["dt_s"]),
        "substeps": 1,
        "results_version": RESULTS_VERSION,
        "versions": json.dumps({"numpy": version("numpy")}),
    }


def fitted_of(networks: xr.Dataset, fit_index: int) -> Fitted:
    """Read one fit from the content of network.nc.

    Parameters
    ----------
    networks : all fits of a model, the content of network.nc.
    fit_index : position of the fit among the seeds, from 0.
    """
    fit = networks.isel(seed=fit_index)
    regions = networks["pathway_target"].to_numpy().astype(str)
    label = networks["latent_region"].to_numpy().astype(str)
    hidden = np.unique(label[~np.isin(label, regions)])
    group = np.array([[*regions, *hidden].index(name) for name in label])
    parameters = {field: fit[field].to_numpy() for field in MODEL_DIMS}
    units = fit.sizes["target"]
    parameters["history"] = fit["history"].to_numpy() if "history" in fit else np.zeros((units, 0))
    parameters["history_lift"] = fit["history_lift"].to_numpy() if "history" in fit else np.zeros(units)
    return Fitted(
        model=Population(group=group, regions=len(regions), noise=np.zeros(0), **parameters),
        paths=Paths(**{field: fit[f"latents_{field}"].to_numpy() for field in PATH_DIMS}),
        weight_covariance=fit["weight_covariance"].to_numpy(),
        echo=Echo(**{field: fit[f"echo_{field}"].to_numpy() for field in ECHO_DIMS}),
    )


def indicator_of(networks: xr.Dataset) -> float | None:
    """Read the decay time of the indicator from the content of network.nc, in seconds; None for spikes."""
    decay_s = float(networks["indicator_s"])
    return None if np.isnan(decay_s) else decay_s


def verdict_of(networks: xr.Dataset) -> Verdict:
    """Read the verdicts on the pathways of the first fit from the content of network.nc."""
    grounds = networks["grounds"].to_numpy().astype(str).astype(object)
    return Verdict(
        resolved=grounds == "",
        grounds=grounds,
        held_out_nats=networks["held_out_nats"].to_numpy(),
        held_out_error=networks["held_out_error"].to_numpy(),
        evidence=Evidence(
            **{field: networks[f"evidence_{field}"].to_numpy() for field in SCALAR_EVIDENCE},
            tests=PathwayTests(**{field: networks[f"test_{field}"].to_numpy() for field in TEST_DIMS}),
        ),
    )
