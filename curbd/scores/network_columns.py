"""Columns of the table ``fits`` with what an estimator found besides the weights: noise, indicator, adaptation, phi."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from curbd.recording.scaling import observed_rates

Array = np.ndarray


def columns_of_network(networks: xr.Dataset, fit_index: int, recording: xr.Dataset, trials: Array) -> dict[str, Any]:
    """Collect what the estimator found besides the weights, as columns of the table ``fits``.

    Parameters
    ----------
    networks : the fits of a model.
    fit_index : position of the fit among the seeds.
    recording : the recording that was fitted, for the variance of its rates.
    trials : (trial,) bool, the trials that are scored.

    Returns
    -------
    Name -> value of the columns. Columns about the noise and the penalties are always there; columns about the
    indicator, the nonlinearity, the adaptation and own time constants are there if the estimator looked for these.
    """
    penalty_by = str(networks["penalty_by"].values[fit_index]) if "penalty_by" in networks else None
    return (
        _noise(networks, fit_index, recording, trials)
        | _indicator(networks, fit_index)
        | _nonlinearity(networks)
        | _adaptation(networks, fit_index)
        | _time_constant(networks, fit_index)
        | {"penalty_by": penalty_by}
    )


def _indicator(networks: xr.Dataset, fit_index: int) -> dict[str, float]:
    """Return the column of the table ``fits`` about the calcium indicator; none for fits without an indicator."""
    return {"indicator_s": float(networks["indicator_s"].values[fit_index])} if "indicator_s" in networks else {}


def _nonlinearity(networks: xr.Dataset) -> dict[str, Any]:
    """Return the columns of the table ``fits`` about the nonlinearity; none for tanh that was not chosen."""
    name, nats = str(networks.attrs["phi"]), networks.attrs.get("nonlinearity_nats")
    if name == "tanh" and nats is None:
        return {}
    return {"nonlinearity": name, "nonlinearity_nats": np.nan if nats is None else float(nats)}


def _adaptation(networks: xr.Dataset, fit_index: int) -> dict[str, float]:
    """Return the columns of the table ``fits`` about the adaptation of the units; none if adaptation was not tried."""
    names = [name for name in ("adaptation_tau_s", "adaptation_nats") if "adaptation_nats" in networks]
    return {name: float(networks[name].values[fit_index]) if name in networks else np.nan for name in names}


def _time_constant(networks: xr.Dataset, fit_index: int) -> dict[str, float]:
    """Return the columns of the table ``fits`` about time constants that differ; none if all units share one."""
    if "unit_tau_s" not in networks:
        return {}
    of_units = networks["unit_tau_s"].values[fit_index]
    return {
        "shortest_tau_s": float(of_units.min()),
        "longest_tau_s": float(of_units.max()),
        "tau_nats": float(networks["tau_nats"].values[fit_index]),
    }


def _noise(networks: xr.Dataset, fit_index: int, recording: xr.Dataset, trials: Array) -> dict[str, float]:
    """Compute the columns of the table ``fits`` about the process noise and the measurement noise of one fit.

    ``process_noise_sd`` is the standard deviation of the process noise, in the (dimensionless) units of the state x;
    ``measurement_noise_sd`` the standard deviation of the measurement noise on scaled rates (both rms over units);
    ``measurement_noise_share`` the share of the variance of the rates that is measurement noise. All are NaN if the
    estimator does not separate the two kinds of noise.
    """
    if "measurement_noise_sd" not in networks:
        return dict.fromkeys(("process_noise_sd", "measurement_noise_sd", "measurement_noise_share"), float("nan"))
    process, measurement = (networks[f"{kind}_noise_sd"].values[fit_index] for kind in ("process", "measurement"))
    total = float(np.nanvar(observed_rates(recording, networks.attrs["phi"]).values[trials], axis=(0, 1)).sum())
    return {
        "process_noise_sd": float(np.sqrt((process**2).mean())),
        "measurement_noise_sd": float(np.sqrt((measurement**2).mean())),
        "measurement_noise_share": min(float((measurement**2).sum()) / total, 1.0) if total > 0 else float("nan"),
    }
