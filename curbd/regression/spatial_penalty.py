"""Penalties that grow with the distance and the communicability of two units.

Reference: Achterberg, Akarca, Strouse, Duncan & Astle, Nature Machine Intelligence 2023 (spatially embedded recurrent
networks).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

Array = np.ndarray


def communicability(W: Array) -> Array:
    """Compute the communicability of all pairs of units, expm(s^-1/2 |W| s^-1/2) with the row sums s of |W|.

    Parameters
    ----------
    W : (source, target) weights. For recurrent weights J (target, source), W is the transpose of J.

    Returns
    -------
    C : (source, target) communicability, 0 on the diagonal. A unit without outgoing weights has a row of 0.
    """
    strength = np.abs(W).sum(1)
    scale = np.divide(1.0, np.sqrt(strength), out=np.zeros(len(W)), where=strength > 0)
    C = expm(scale[:, None] * np.abs(W) * scale)
    np.fill_diagonal(C, 0.0)
    return C


def spatial_penalty(W: Array, distance: Array, *, with_communicability: bool = True) -> float:
    """Return the spatial penalty of a network: the sum of |W| times distance, and times communicability if wanted.

    Parameters
    ----------
    W : (source, target) weights.
    distance : (unit, unit) distances.
    with_communicability : whether each weight is also multiplied by the communicability of the two units.

    Returns
    -------
    The penalty, in the unit of the distances.
    """
    costs = np.abs(W) * distance
    return float((costs * communicability(W)).sum() if with_communicability else costs.sum())
