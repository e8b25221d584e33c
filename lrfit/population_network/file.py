"""The file network.nc of a population network: parameters, posterior of the latents, and the evidence on pathways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
Variables = dict[str, tuple[tuple[str, ...], Array]]
"""Name of a variable of network.nc -> its dimensions and values."""
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
HISTORY_DIMS: dict[str, tuple[str, ...]] = {"history": ("target", "window"), "history_lift": ("target",)}
"""Field of `Population` about own spikes -> its dimensions after ``seed``."""
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
    variables = {
        **_of_fits(fits),
        **_of_held_out(trained),
        "tau_s": (("seed",), np.full(len(fits), tau_s)),
        "indicator_s": ((), np.array(np.nan if data.indicator_s is None else data.indicator_s)),
    }
    coords = {
        "seed": np.array(model.seeds, dtype=np.int64),
        "latent_region": ("latent", names[first.group]),
        "target": recording["unit_id"].to_numpy().astype(str),
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


def _of_fits(fits: Sequence[Fitted]) -> Variables:
    """The variables of every fit: parameters, posteriors of latents and weights, echoes, and spike histories if any."""

    def stacked(part: str, prefix: str, dims_of: Mapping[str, tuple[str, ...]]) -> Variables:
        fields = [getattr(fit, part) for fit in fits]
        return {
            prefix + field: (("seed", *dims), np.stack([getattr(values, field) for values in fields]))
            for field, dims in dims_of.items()
        }

    covariance = np.stack([fit.weight_covariance for fit in fits])
    history = HISTORY_DIMS if fits[0].model.history.shape[1] else {}
    return {
        **stacked("model", "", MODEL_DIMS),
        **stacked("paths", "latents_", PATH_DIMS),
        "weight_covariance": (("seed", "row", "latent", "row_2", "latent_2"), covariance),
        **stacked("echo", "echo_", ECHO_DIMS),
        **stacked("model", "", history),
    }


def _of_held_out(trained: Trained) -> Variables:
    """The variables that held-out trials tell: gains of history, drives and form, ranges of latents, and verdicts."""
    judged, dimensions = trained.verdict, trained.dimensions
    ranges = {"n_latents_low": dimensions.low, "n_latents_high": dimensions.high} if dimensions.low else {}
    return {
        "history_gain_nats": ((), np.array(trained.history_gain)),
        "drive_gain_nats": (("drive",), trained.drive_gains),
        "common_drive_nats": ((), np.array(trained.common_nats)),
        "curved_gain_nats": ((), np.array(trained.curved_gain)),
        "latents_suffice": ((), np.array(int(dimensions.suffice), dtype=np.int8)),
        **{name: (("pathway_target",), np.array(numbers)) for name, numbers in ranges.items()},
        **{f"evidence_{field}": (PATHWAY_DIMS, getattr(judged.evidence, field)) for field in SCALAR_EVIDENCE},
        **{f"test_{field}": (dims, getattr(judged.evidence.tests, field)) for field, dims in TEST_DIMS.items()},
        **{field: (PATHWAY_DIMS, getattr(judged, field)) for field in ("held_out_nats", "held_out_error")},
        "grounds": (PATHWAY_DIMS, judged.grounds.astype(str)),
    }


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
