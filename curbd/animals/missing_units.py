"""Units that were not recorded in an animal: what is expected of them, given the units that were.

All animals share one covariance of the standardised activity. Every animal shows a part of this covariance, and the
whole is estimated by expectation maximisation (Dempster, Laird & Rubin, J. R. Stat. Soc. B 1977). Only second moments
are needed, so that the cost does not grow with the length of the recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
MAX_COVARIANCE_ROUNDS = 200
"""Largest number of rounds of expectation maximisation."""
COVARIANCE_TOLERANCE = 1e-4
"""Change of a correlation in a round below which the covariance has converged."""
PRIOR_BINS = 1000.0
"""Number of bins of uncorrelated activity that the covariance counts beside the recorded bins; it keeps the covariance
regular, and pairs that no animal shows uncorrelated but for their common partners."""


class Expected(NamedTuple):
    """What is expected of all units of the union, given the recorded units of an animal.

    Attributes
    ----------
    of_recorded : (recorded, unit) weights: the expected activity of all units is activity of recorded units times this.
    uncertainty : (unit, unit) covariance of the activity around what is expected; 0 for recorded units.
    """

    of_recorded: Array
    uncertainty: Array


def expected_units(covariance: Array, recorded: Array) -> Expected:
    """Compute what is expected of all units, given the recorded units of an animal in the same bin.

    Parameters
    ----------
    covariance : (unit, unit) covariance of all units.
    recorded : (unit,) bool, which units were recorded in the animal.
    """
    missing = ~recorded
    of_recorded = np.zeros((int(recorded.sum()), len(recorded)))
    of_recorded[:, recorded] = np.eye(len(of_recorded))
    uncertainty = np.zeros_like(covariance)
    if missing.any():
        across = covariance[np.ix_(recorded, missing)]
        slope = np.linalg.solve(covariance[np.ix_(recorded, recorded)], across)
        of_recorded[:, missing] = slope
        uncertainty[np.ix_(missing, missing)] = covariance[np.ix_(missing, missing)] - across.T @ slope
    return Expected(of_recorded, uncertainty)


def shared_covariance(scatters: Sequence[Array], counts: Sequence[float], recorded: Array) -> Array:
    """Estimate the covariance (unit, unit) of all units from animals of which each shows a part.

    Parameters
    ----------
    scatters : for every animal, the second moments (recorded, recorded) of its activity, summed over bins.
    counts : (animal,) numbers of bins.
    recorded : (animal, unit) bool, which units were recorded in an animal.
    """
    covariance = np.eye(recorded.shape[1])
    for _ in range(MAX_COVARIANCE_ROUNDS):
        total = PRIOR_BINS * np.eye(len(covariance))
        for scatter, count, of_animal in zip(scatters, counts, recorded, strict=True):
            expected = expected_units(covariance, of_animal)
            total += expected.of_recorded.T @ scatter @ expected.of_recorded + count * expected.uncertainty
        new = total / (sum(counts) + PRIOR_BINS)
        change = np.abs(new - covariance).max()
        covariance = new
        if change < COVARIANCE_TOLERANCE:
            break
    return covariance
