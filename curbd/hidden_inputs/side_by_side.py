"""The hidden inputs of all fits of a model beside each other, so that every fit has the same inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curbd.network.fit import Fit, Hidden, Posterior

Array = np.ndarray


def side_by_side(fits: Sequence[Fit]) -> list[Fit]:
    """The fits with the same hidden inputs: as many for every region as the fit that found most there.

    Those that a fit lacks have no values and no weights, and a NaN time scale.
    """
    found = [fit.hidden.region for fit in fits if fit.hidden is not None]
    if len(found) < len(fits):
        return list(fits)
    n_regions = 1 + max((int(region.max()) for region in found if len(region)), default=-1)
    most = np.max([np.bincount(region, minlength=n_regions) for region in found], axis=0).astype(int)
    slots = np.repeat(np.arange(n_regions), most)
    return [_with_slots(fit, fit.hidden, slots) for fit in fits if fit.hidden is not None]


def _with_slots(fit: Fit, hidden: Hidden, region: Array) -> Fit:
    """The fit with its hidden inputs at the first places of their region, the other places empty."""
    place = np.concatenate(
        [np.flatnonzero(region == one)[: int((hidden.region == one).sum())] for one in np.unique(hidden.region)]
        or [np.zeros(0, dtype=int)]
    )
    n_known = fit.network.B.shape[1] - len(place)
    column = np.r_[np.arange(n_known), n_known + place].astype(int)
    B = np.zeros((len(fit.network.B), n_known + len(region)))
    B[:, column] = fit.network.B
    values = np.where(np.isfinite(hidden.values).all(2, keepdims=True), 0.0, np.nan).repeat(len(region), axis=2)
    values[..., place] = hidden.values
    scale_s = np.full(len(region), np.nan)
    scale_s[place] = hidden.scale_s
    known = fit.posterior
    if known is not None:
        n = len(fit.network.J)
        size = n + n_known + len(region) + 1
        kept = np.r_[np.arange(n), n + column, size - 1]
        gram, ridge = np.zeros((size, size)), np.ones((n, size))
        gram[np.ix_(kept, kept)] = known.gram
        ridge[:, kept] = known.ridge
        known = Posterior(known.noise_variance, gram, ridge)
    return fit._replace(
        network=fit.network._replace(B=B),
        posterior=known,
        hidden=Hidden(region, scale_s, values),
    )
