"""First and second moments of the presynaptic activity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
ACTIVITY_VALUES = 1 << 23
"""Number of values of the activity that are scaled or centred at the same time."""


class ActivityMoments(NamedTuple):
    """First and second moments of the presynaptic activity [r, u, 1].

    Attributes
    ----------
    n : number of bins.
    mean : (regressor,) mean over bins.
    scatter : (regressor, regressor) products about the mean, summed over bins.
    """

    n: int
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, z: Array) -> ActivityMoments:
        """Compute the moments of activity (trial, time, regressor) over its complete bins."""
        complete = np.isfinite(z).all(2)
        n = int(complete.sum())
        total, scatter = np.zeros(z.shape[2]), np.zeros((z.shape[2],) * 2)
        for trial, bins in zip(z, complete, strict=True):
            total += trial[bins].sum(0)
        mean = total / max(n, 1)
        # Products about the mean, some trials at a time: the mean may be far larger than what varies.
        for trials in np.array_split(np.arange(len(z)), max(1, z.size // ACTIVITY_VALUES)):
            centred = z[trials][complete[trials]] - mean
            scatter += centred.T @ centred
        return cls(n, mean, scatter)
