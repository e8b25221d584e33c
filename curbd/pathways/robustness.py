"""Whether a current keeps its sign and size when the weights are less exact: rounded to few bits, or noisy."""

from __future__ import annotations

import numpy as np

from curbd.network.altered_weights import SAME_SIZE_SHARE, altered, fewest_bits, most_noise
from curbd.network.current_view import CurrentView
from curbd.network.sources import Source

Array = np.ndarray


def current_robustness(fit: CurrentView, source: Source) -> tuple[Array, Array]:
    """Find how inexact the weights of a source may be before its current into a region is another current.

    A current holds if the regression of the altered on the fitted current has a slope between 0.8 and 1.2, and the root
    mean square changes by no more than 20 %. Both follow from the second moments of the activity, without a simulation.

    Parameters
    ----------
    fit : the fitted network with its recording.
    source : the source of the current.

    Returns
    -------
    bits : (target region,) smallest number of bits (4 to 8) with which the current holds; NaN if 8 are not enough.
    noise : (target region,) largest noise on every weight, as a share of its size, with which the current holds; 0 if
        it does not hold at 0.01. Both are NaN where there is no current.
    """
    activity, columns = fit.activity_moments, source.columns
    mean = activity.mean[columns]
    products = activity.scatter[np.ix_(columns, columns)] + activity.n * np.outer(mean, mean)
    W = fit.W[:, columns]
    every = np.arange(len(columns))
    units_of = [np.flatnonzero(fit.region == region) for region in fit.regions]
    power = _summed((W @ products) * W, units_of)
    exists = power > 0
    divisor = np.where(exists, power, 1.0)
    holds: dict[str, dict[float, Array]] = {"bits": {}, "noise": {}}
    for kind, size, copy in altered(W, [(units, every) for units in units_of]):
        sent = copy @ products
        slope = _summed(sent * W, units_of) / divisor
        ratio = np.sqrt(np.maximum(_summed(sent * copy, units_of), 0) / divisor)
        holds[kind][size] = (np.abs(slope - 1) <= SAME_SIZE_SHARE) & (np.abs(ratio - 1) <= SAME_SIZE_SHARE)
    bits, noise = fewest_bits(holds["bits"]), most_noise(holds["noise"])
    return np.where(exists, bits, np.nan), np.where(exists, noise, np.nan)


def _summed(values: Array, units_of: list[Array]) -> Array:
    """Sums of values (unit, column) over the units of every region."""
    return np.array([values[units].sum() for units in units_of])
