"""The test of a difference over time by clusters of neighbouring bins (Maris & Oostenveld, J. Neurosci. Meth. 2007)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Cluster(NamedTuple):
    """A run of neighbouring bins in which a statistic exceeds its threshold with the same sign.

    Attributes
    ----------
    first, last : indices of the first and the last bin.
    p_value : probability under the null of a cluster, at any time, whose mass is at least as large.
    """

    first: int
    last: int
    p_value: float


def cluster_test(statistic: Array, threshold: Array | float) -> tuple[float, list[Cluster]]:
    """Test whether a statistic differs from its null at any time, corrected for the number of bins.

    The mass of a cluster is the sum of the absolute statistic over its bins. The largest mass is compared with the
    largest masses under the null.

    Parameters
    ----------
    statistic : (1 + permutation, time) statistic; the first row is that of the data, all others are those of the null.
        NaN where the statistic is not known, which ends a cluster.
    threshold : (time,) or number, value that the absolute statistic of a bin in a cluster exceeds.

    Returns
    -------
    The p-value of the largest cluster, 1 if there is no cluster; and all clusters of the data, with p-values that are
    corrected for time.
    """
    largest = np.zeros(len(statistic))
    clusters: list[tuple[int, int, float]] = []
    for sign in (1, -1):
        signed = sign * statistic
        excess = np.where(np.isfinite(signed) & (signed > threshold), signed, 0.0)
        running = np.zeros(len(statistic))
        start = 0
        for time in range(excess.shape[1]):
            if excess[0, time] > 0 and running[0] == 0:
                start = time
            ends = excess[0, time] == 0 and running[0] > 0
            if ends:
                clusters.append((start, time - 1, running[0]))
            running = np.where(excess[:, time] > 0, running + excess[:, time], 0.0)
            largest = np.maximum(largest, running)
        if running[0] > 0:
            clusters.append((start, excess.shape[1] - 1, running[0]))
    null = largest[1:]
    tested = [Cluster(first, last, p_value(mass, null)) for first, last, mass in clusters]
    return p_value(largest[0], null), sorted(tested, key=lambda cluster: cluster.p_value)


def p_value(statistic: float, null: Array) -> float:
    """Return the probability under the null of a value at least as large; the data count as one draw of the null."""
    tolerance = 1e-9 * max(abs(statistic), 1e-300)
    return float((1 + (null >= statistic - tolerance).sum()) / (1 + len(null)))
