"""Arrangement of the hidden inputs of all fits of a model, so that every fit has the same inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curbd.network.fit import Fit, Hidden, Posterior

Array = np.ndarray


def side_by_side(fits: Sequence[Fit]) -> list[Fit]:
    """Give all fits of a model the same number of hidden inputs per region, by adding hidden inputs of value 0.

    Every region gets as many hidden inputs as it has in the fit with the most hidden inputs of this region. A hidden
    input that a fit lacks has values and weights of 0, and a NaN time scale. Fits without a search for hidden inputs
    are returned unchanged.
    """
    regions = [fit.hidden.region for fit in fits if fit.hidden is not None]
    if len(regions) < len(fits):
        return list(fits)
    n_regions = 1 + max((int(region.max()) for region in regions if len(region)), default=-1)
    most = np.max([np.bincount(region, minlength=n_regions) for region in regions], axis=0).astype(int)
    slots = np.repeat(np.arange(n_regions), most)
    return [_with_slots(fit, fit.hidden, slots) for fit in fits if fit.hidden is not None]


def _with_slots(fit: Fit, hidden: Hidden, region: Array) -> Fit:
    """Arrange the hidden inputs of a fit in slots for the regions ``region`` (slot,); empty slots have value 0."""
    counts = {region_index: int((hidden.region == region_index).sum()) for region_index in np.unique(hidden.region)}
    filled = [np.flatnonzero(region == region_index)[:count] for region_index, count in counts.items()]
    slot = np.concatenate([np.zeros(0, dtype=int), *filled])
    n_recorded = fit.network.B.shape[1] - len(slot)
    column = np.r_[np.arange(n_recorded), n_recorded + slot].astype(int)
    B = np.zeros((len(fit.network.B), n_recorded + len(region)))
    B[:, column] = fit.network.B
    values = np.where(np.isfinite(hidden.values).all(2, keepdims=True), 0.0, np.nan).repeat(len(region), axis=2)
    values[..., slot] = hidden.values
    scale_s = np.full(len(region), np.nan)
    scale_s[slot] = hidden.scale_s
    return fit._replace(
        network=fit.network._replace(B=B),
        posterior=None if fit.posterior is None else _with_inputs(fit.posterior, n_recorded + len(region), column),
        hidden=Hidden(region, scale_s, values),
    )


def _with_inputs(posterior: Posterior, n_inputs: int, column: Array) -> Posterior:
    """Add inputs to a posterior; their weights are 0 and uncorrelated with other weights.

    Parameters
    ----------
    posterior : the posterior of one fit.
    n_inputs : number of inputs after the addition.
    column : (input,) index, after the addition, of every input that the fit has.
    """
    n = len(posterior.noise_variance)
    size = n + n_inputs + 1
    kept = np.r_[np.arange(n), n + column, size - 1]
    gram, ridge = np.zeros((size, size)), np.ones((n, size))
    gram[np.ix_(kept, kept)] = posterior.gram
    ridge[:, kept] = posterior.ridge
    return Posterior(posterior.noise_variance, gram, ridge)
