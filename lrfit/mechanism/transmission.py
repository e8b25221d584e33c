"""Currents that a region or a population sends in one context and not in another, through the same weights.

A context that moves units along their response function changes their gain, and with it the current that the same
weights carry: the effective coupling is J diag(phi'(x)). Publications: Barbosa et al., Nat. Commun. 2023 (gating of
populations by their operating point); Dubreuil et al., Nat. Neurosci. 2022 (gain that depends on context).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.network.equation import Network

Array = np.ndarray


class Transmission(NamedTuple):
    """Current, coupling and gain of every pathway in each condition, as arrays (target, source, condition).

    Attributes
    ----------
    transmitted : standard deviation of the current about its mean over trials and time, root mean square over the units
        of the target, in the (dimensionless) units of the state x.
    coupling : Frobenius norm of J diag(gain), where the gain phi'(x) is averaged over trials and time.
    gain : mean of phi'(x) = 1 - r^2 over the units of the source, trials and time; does not depend on the target.
    """

    transmitted: xr.DataArray
    coupling: xr.DataArray
    gain: xr.DataArray


def transmission(
    network: Network, rates: Array, condition: Array, sources: Mapping[str, Array], targets: Mapping[str, Array]
) -> Transmission:
    """Compute the current, coupling and gain from every source to every target in every condition.

    Parameters
    ----------
    network : network whose recurrent weights J carry the current.
    rates : (trial, time, unit) simulated or recorded rates, NaN where missing.
    condition : (trial,) condition labels.
    sources, targets : name -> (unit,) bool, True for the units of the source or target.

    Returns
    -------
    The three quantities, each (target, source, condition).
    """
    names = np.unique(condition.astype(str))
    observed = np.isfinite(rates).all(2)
    shape = (len(targets), len(sources), len(names))
    transmitted, coupling, gain = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for c, name in enumerate(names):
        r = rates[observed & (condition.astype(str) == name)[:, None]]
        slope = network.nonlinearity.slope(r).mean(0)
        for s, source in enumerate(sources.values()):
            covariance = np.atleast_2d(np.cov(r[:, source], rowvar=False))
            for t, target in enumerate(targets.values()):
                J = network.J[np.ix_(target, source)]
                variance = np.einsum("ij,jk,ik->i", J, covariance, J)
                transmitted[t, s, c] = np.sqrt(max(variance.mean(), 0))
                coupling[t, s, c] = np.linalg.norm(J * slope[source])
                gain[t, s, c] = slope[source].mean()
    coords = {"target": list(targets), "source": list(sources), "condition": names}
    dims = ("target", "source", "condition")
    return Transmission(*(xr.DataArray(values, coords, dims) for values in (transmitted, coupling, gain)))


def gating_index(transmitted: xr.DataArray) -> xr.DataArray:
    """Return the relative deviation of the transmitted current in a condition from its mean over conditions.

    The index is -1 in a condition in which no current passes, 0 if there is only one condition, and NaN if no current
    passes in any condition.
    """
    mean = transmitted.mean("condition")
    return ((transmitted - mean) / mean).where(mean > 0)


def context_ratio(transmitted: xr.DataArray) -> xr.DataArray:
    """Divide the transmitted current by the transmitted current of the condition in which it is smallest.

    The ratio is 1 or more, and NaN if no current passes in that condition.
    """
    least = transmitted.min("condition")
    return (transmitted / least).where(least > 0)
