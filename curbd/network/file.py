"""The fits of one model to one recording, one a seed, and how they are stored as network.nc."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import xarray as xr
from scipy.linalg import solve_triangular

from curbd.network.equation import Network, weights
from curbd.network.fit import Fit, Posterior
from curbd.settings.models import Model
from curbd.storage import RESULTS_VERSION

Array = np.ndarray


def to_dataset(fits: Sequence[Fit], recording: xr.Dataset, name: str, model: Model) -> xr.Dataset:
    """All fits of a model as one dataset: J (seed, target, source), B (seed, target, input), b (seed, target), ...

    A low-rank network also has its factors m (seed, target, rank) and n (seed, source, rank), J = m n'; where seeds
    chose different ranks the missing columns are 0. Where every block of J has a rank of its own, the ranks and their
    intervals are block_rank, block_rank_low and block_rank_high (seed, block_target, block_source).

    A posterior is stored as noise_variance (seed, target), gram (seed, regressor, regressor_2) and ridge (seed, target,
    regressor). Where the penalties were chosen by the evidence or by cross-validation, penalty_by (seed) says by which.
    Where the estimator tells them apart, the noises are stored as process_noise_sd and measurement_noise_sd (seed,
    target), NaN for a fit that found no measurement noise.

    Where states were inferred, the rates of all trials are inferred_rates and drawn_rates (seed, trial, time, target),
    in single precision, and their uncertainty is rate_covariance (seed, target, source); see `States`.

    Hidden inputs, the same for all fits (see `curbd.hidden_inputs.side_by_side`), are the last inputs, hidden_1 and so
    on; their values are hidden (seed, trial, time, hidden_input), their time scales hidden_scale_s (seed,
    hidden_input).
    """
    networks = [fit.network for fit in fits]
    units, region = recording["unit_id"].values.astype(str), recording["region"].values.astype(str)
    hidden = [fit.hidden for fit in fits if fit.hidden is not None and len(fit.hidden.region)]
    names = [f"hidden_{place + 1}" for place in range(len(hidden[0].region))] if hidden else []
    inputs = np.array([*recording["input"].values.astype(str), *names], dtype=str)
    regions = np.unique(region)
    dataset = xr.Dataset(
        {
            "J": (("seed", "target", "source"), np.stack([network.J for network in networks])),
            "B": (("seed", "target", "input"), np.stack([network.B for network in networks])),
            "b": (("seed", "target"), np.stack([network.b for network in networks])),
            "tau_s": (("seed",), np.array([network.tau_s for network in networks])),
        },
        coords={
            "seed": np.array(model.seeds, dtype=np.int64),
            "target": units,
            "source": units,
            "target_region": ("target", region),
            "source_region": ("source", region),
            "input": inputs,
        },
        attrs={
            "recording": recording.attrs["recording"],
            "recording_sha256": recording.attrs["sha256"],
            "model": name,
            "family": model.family,
            "estimator": model.estimator_name(),
            "options": json.dumps(model.estimator_options().model_dump(mode="json"), sort_keys=True),
            "dt_s": networks[0].dt_s,
            "substeps": networks[0].substeps,
            "phi": "tanh",
            "results_version": RESULTS_VERSION,
            "versions": json.dumps({package: version(package) for package in ("numpy", "torch")}),
        },
    )
    if all(fit.penalty is not None for fit in fits):
        dataset["penalty"] = (
            ("seed", "penalty_target", "penalty_source"),
            np.stack([fit.penalty for fit in fits if fit.penalty is not None]),
        )
        dataset = dataset.assign_coords(penalty_target=regions, penalty_source=regions)
    ranks = [fit.ranks for fit in fits if fit.ranks is not None]
    if len(ranks) == len(fits):
        for kind, which in (("", "found"), ("_low", "low"), ("_high", "high")):
            values = np.stack([getattr(one, which) for one in ranks])
            dataset[f"block_rank{kind}"] = (("seed", "block_target", "block_source"), values)
        dataset = dataset.assign_coords(block_target=regions, block_source=regions)
    chosen = [fit.penalty_by for fit in fits if fit.penalty_by is not None]
    if len(chosen) == len(fits):
        dataset["penalty_by"] = (("seed",), np.array(chosen, dtype=str))
    posteriors = [fit.posterior for fit in fits if fit.posterior is not None]
    if len(posteriors) == len(fits):
        regressors = np.concatenate([units, [f"input:{label}" for label in inputs], ["bias"]])
        dataset["noise_variance"] = (("seed", "target"), np.stack([one.noise_variance for one in posteriors]))
        dataset["gram"] = (("seed", "regressor", "regressor_2"), np.stack([one.gram for one in posteriors]))
        dataset["ridge"] = (("seed", "target", "regressor"), np.stack([one.ridge for one in posteriors]))
        dataset = dataset.assign_coords(regressor=regressors, regressor_2=regressors)
    for kind in ("process_noise_sd", "measurement_noise_sd"):
        deviations = [getattr(fit, kind) for fit in fits]
        if any(sd is not None for sd in deviations):
            unknown = np.full(len(units), np.nan)
            dataset[kind] = (("seed", "target"), np.stack([unknown if sd is None else sd for sd in deviations]))
    states = [fit.states for fit in fits if fit.states is not None]
    if len(states) == len(fits):
        for label, part in (("inferred_rates", "rates"), ("drawn_rates", "drawn")):
            values = np.stack([getattr(one, part) for one in states]).astype(np.float32)
            dataset[label] = (("seed", "trial", "time", "target"), values)
        dataset["rate_covariance"] = (("seed", "target", "source"), np.stack([one.covariance for one in states]))
    if hidden:
        dataset["hidden"] = (("seed", "trial", "time", "hidden_input"), np.stack([one.values for one in hidden]))
        dataset["hidden_scale_s"] = (("seed", "hidden_input"), np.stack([one.scale_s for one in hidden]))
        dataset = dataset.assign_coords(
            time=recording["time"].values, hidden_input=names, hidden_region=("hidden_input", regions[hidden[0].region])
        )
    factors = [fit.factors for fit in fits if fit.factors is not None]
    if len(factors) == len(fits):
        rank = max(m.shape[1] for m, _ in factors)
        for place, (letter, side) in enumerate((("m", "target"), ("n", "source"))):
            padded = [np.pad(pair[place], ((0, 0), (0, rank - pair[place].shape[1]))) for pair in factors]
            dataset[letter] = (("seed", side, "rank"), np.stack(padded))
        dataset = dataset.assign_coords(rank=np.arange(1, rank + 1))
    return dataset


def member(dataset: xr.Dataset, number: int) -> Network:
    """The network of one fit, by its place among the seeds."""
    one = dataset.isel(seed=number)
    return Network(
        one["J"].values,
        one["B"].values,
        one["b"].values,
        float(one["tau_s"]),
        float(dataset.attrs["dt_s"]),
        int(dataset.attrs["substeps"]),
    )


def posterior(dataset: xr.Dataset, number: int) -> Posterior | None:
    """The posterior of one fit, or None where its estimator has none."""
    if "gram" not in dataset:
        return None
    one = dataset.isel(seed=number)
    return Posterior(one["noise_variance"].values, one["gram"].values, one["ridge"].values)


def posterior_draws(dataset: xr.Dataset, number: int, draws: int, seed: int) -> list[Network]:
    """Networks drawn from the posterior of one fit; none where its estimator has none."""
    known, fitted = posterior(dataset, number), member(dataset, number)
    if known is None or not draws:
        return []
    rng = np.random.default_rng(seed)
    n, k = fitted.B.shape
    W = weights(fitted)
    ridges, group = np.unique(known.ridge, axis=0, return_inverse=True)
    away = rng.standard_normal((draws, *W.shape)) * np.sqrt(known.noise_variance)[:, None]
    for place, ridge in enumerate(ridges):
        rows = group.ravel() == place
        # (gram + ridge) = L L', so L'^-1 z has the inverse of it as covariance.
        factor = np.linalg.cholesky(known.gram + np.diag(ridge))
        flat = away[:, rows].reshape(-1, W.shape[1])
        away[:, rows] = solve_triangular(factor, flat.T, lower=True, trans="T").T.reshape(draws, -1, W.shape[1])
    drawn = W + away
    return [fitted._replace(J=one[:, :n], B=one[:, n : n + k], b=one[:, n + k]) for one in drawn]


def rate_covariance(dataset: xr.Dataset, number: int) -> Array | None:
    """(unit, unit) posterior covariance of the rates that one fit inferred, None where rates are taken as observed."""
    return dataset["rate_covariance"].values[number] if "rate_covariance" in dataset else None


def summed_covariance(known: Posterior, rows: Array) -> Array:
    """(regressor, regressor) sum of the posterior covariances of some rows; rows are independent of each other."""
    ridges, group = np.unique(known.ridge[rows], axis=0, return_inverse=True)
    noise = known.noise_variance[rows]
    total = np.zeros_like(known.gram)
    for number, ridge in enumerate(ridges):
        total += noise[group.ravel() == number].sum() * np.linalg.inv(known.gram + np.diag(ridge))
    return total
