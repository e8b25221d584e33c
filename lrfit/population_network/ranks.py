"""Rank of a pathway: the number of patterns of latents in the source that act on the target.

The posterior of the weights of a pathway is Gaussian about the fit. Weights of a lower rank are therefore less likely
by half of their squared distance from the fit, in units of the posterior precision. If the true rank is k, twice the
loss of the best weights of rank k has a chi-squared distribution with (rows - k) (columns - k) degrees of freedom
(Cragg & Donald, Journal of Econometrics 1997). Neither loss nor rank depends on the coordinates of the latents, and no
network is fitted again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc as chi_square_tail

Array = np.ndarray
COMMON_LEVEL = 0.05
"""A rank is too low if fewer than this share of losses by chance exceed the loss of the rank."""
STRICT_LEVEL = 0.01
"""Level of the test that gives the lowest rank that the data allow."""
GENEROUS_LEVEL = 0.5
"""Level of the test that gives the highest rank that the data suggest."""
MAX_FACTOR_TURNS = 200
MIN_GAIN_NATS = 1e-3
"""The search for the best weights of a rank ends when both factors together gain less than this."""


class Rank(NamedTuple):
    """Rank of a pathway.

    Attributes
    ----------
    rank : smallest rank whose loss is compatible with chance at ``COMMON_LEVEL``.
    low : the same at ``STRICT_LEVEL``.
    high : the same at ``GENEROUS_LEVEL``.
    """

    rank: int
    low: int
    high: int


def pathway_rank(weights: Array, precision: Array) -> Rank:
    """Choose the rank of a pathway from the posterior of the weights.

    Parameters
    ----------
    weights : (row, column) weights at the fit.
    precision : (row x column, row x column) posterior precision of the weights, row by row.
    """
    rows, columns = weights.shape
    number = min(rows, columns)
    freedom = [(rows - rank) * (columns - rank) for rank in range(number)]
    by_chance = np.append(chi_square_tail(freedom, 2 * rank_losses(weights, precision)[:-1].clip(0)), 1.0)
    rank, low, high = (int(np.argmax(by_chance >= level)) for level in (COMMON_LEVEL, STRICT_LEVEL, GENEROUS_LEVEL))
    return Rank(rank=rank, low=low, high=high)


def rank_losses(weights: Array, precision: Array) -> Array:
    """Compute the log likelihood that the best weights of each rank lose against the weights of the fit.

    Parameters
    ----------
    weights : (row, column) weights at the fit.
    precision : (row x column, row x column) posterior precision of the weights, row by row.

    Returns
    -------
    (rank + 1,) loss of the ranks 0, 1, ..., in nats; 0 for the full rank.
    """
    full = min(weights.shape)
    lost = [0.5 * weights.ravel() @ precision @ weights.ravel()]
    return np.array([*lost, *(_lost(weights, precision, rank) for rank in range(1, full)), 0.0])


def _lost(weights: Array, precision: Array, rank: int) -> float:
    """Compute the loss of the best weights of a rank from 1 on, whose two factors are improved in turn."""
    rows, columns = weights.shape
    left, sizes, right = np.linalg.svd(weights)
    into, out = left[:, :rank] * sizes[:rank], right[:rank]
    before = np.inf
    for _ in range(MAX_FACTOR_TURNS):
        into = _best_factor(np.kron(np.eye(rows), out.T), weights, precision).reshape(rows, rank)
        out = _best_factor(np.kron(into, np.eye(columns)), weights, precision).reshape(rank, columns)
        off = (weights - into @ out).ravel()
        after = float(0.5 * off @ precision @ off)
        if before - after < MIN_GAIN_NATS:
            return after
        before = after
    return before


def _best_factor(design: Array, weights: Array, precision: Array) -> Array:
    """Return the factor x whose weights, design x, are nearest to the weights of the fit."""
    return np.linalg.lstsq(design.T @ precision @ design, design.T @ precision @ weights.ravel())[0]
