"""What is read from the file network.nc: the network, the posterior, the factors and the ranks of single fits."""

from __future__ import annotations

import numpy as np
import xarray as xr

from curbd.network.adaptation import Adaptation
from curbd.network.equation import Network
from curbd.network.fit import BlockRanks, Posterior
from curbd.network.nonlinearity import nonlinearity_of

Array = np.ndarray


def network_of(networks: xr.Dataset, fit_index: int) -> Network:
    """Read the network of one fit from the content of network.nc.

    Parameters
    ----------
    networks : all fits of a model, the content of network.nc.
    fit_index : position of the fit among the seeds, from 0.

    Returns
    -------
    The network of the fit.
    """
    fit = networks.isel(seed=fit_index)
    return Network(
        J=fit["J"].values,
        B=fit["B"].values,
        b=fit["b"].values,
        tau_s=float(fit["tau_s"]),
        dt_s=float(networks.attrs["dt_s"]),
        substeps=int(networks.attrs["substeps"]),
        adaptation=_adaptation_of(fit),
        nonlinearity=nonlinearity_of(str(networks.attrs["phi"]), float(networks.attrs.get("sharpness", 1.0))),
        unit_tau_s=fit["unit_tau_s"].values if "unit_tau_s" in fit else None,
    )


def _adaptation_of(fit: xr.Dataset) -> Adaptation | None:
    if "adaptation_strength" not in fit:
        return None
    strength, start = fit["adaptation_strength"].values, fit["adaptation_start"].values
    return Adaptation(strength=strength, tau_s=float(fit["adaptation_tau_s"]), start=start)


def has_posterior(networks: xr.Dataset) -> bool:
    """Whether the estimator of a model has a posterior of the weights between recorded units."""
    return "gram" in networks


def posterior_of(networks: xr.Dataset, fit_index: int) -> Posterior | None:
    """Read the posterior of the weights of one fit; None if the estimator of the model has no posterior."""
    if not has_posterior(networks):
        return None
    fit = networks.isel(seed=fit_index)
    return Posterior(fit["noise_variance"].values, fit["gram"].values, fit["ridge"].values)


def factors_of(networks: xr.Dataset, fit_index: int) -> tuple[Array, Array] | None:
    """Read the factors m (target, rank) and n (source, rank) of one fit, J = m n'; None for a network of full rank."""
    if "m" not in networks:
        return None
    fit = networks.isel(seed=fit_index)
    return fit["m"].values, fit["n"].values


def block_ranks_of(networks: xr.Dataset, fit_index: int) -> BlockRanks | None:
    """Read the ranks of the blocks of J of one fit; None if the estimator did not choose a rank for every block."""
    if "block_rank" not in networks:
        return None
    fit = networks.isel(seed=fit_index)
    return BlockRanks(fit["block_rank"].values, fit["block_rank_low"].values, fit["block_rank_high"].values)
