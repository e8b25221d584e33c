"""Weights of gated units from their rates, by Gauss-Newton steps on the error of one sample.

The gates of a network tau dh/dt = s(z) (-h + J r), tau dz/dt = -z + G r are not recorded. Yet z = G f, where f are the
rates after the filter of the gates, so that the change of the state of a unit depends on its weights J_i and G_i alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from curbd.network.gated import GatedNetwork

Array = np.ndarray
MOST_GAUSS_NEWTON_STEPS = 40
FIRST_DAMPING = 1.0
"""Damping of the first step, as a share of the diagonal of the Gauss-Newton matrix (Levenberg & Marquardt)."""
DAMPING_FACTOR = 4.0
MOST_DAMPING = 1e8
HALF_OPEN_RIDGE_SHARE = 1e-5
"""Ridge of the closed-form start, as a share of the number of pairs."""
LEAST_WEIGHT_VARIANCE = 1e-6
LEAST_DECREASE = 1e-6
"""Relative decrease of the penalised error below which a unit is finished."""


def filtered_rates(r: Array, step: float) -> Array:
    """Filter rates r (trial, time, unit) as gates do, df = step (r - f) in each sample, from 0 in the first."""
    f = np.zeros_like(r)
    for t in range(r.shape[1] - 1):
        f[:, t + 1] = f[:, t] + step * (r[:, t] - f[:, t])
    return f


class GatedPairs(NamedTuple):
    """Changes of states from sample to sample, and what they depend on.

    Attributes
    ----------
    change : (pair, unit) change of the state, per time constant.
    h, r : (pair, unit) state and rate before the change.
    f : (pair, unit) rates after the filter of the gates, from which the gates z = G f follow that act on the change.
    """

    change: Array
    h: Array
    r: Array
    f: Array

    @classmethod
    def of(cls, h: Array, step: float) -> GatedPairs:
        """Collect all pairs of states h (trial, time, unit); the step is in units of the time constant."""
        r = np.tanh(h)
        parts = np.diff(h, axis=1) / step, h[:, :-1], r[:, :-1], filtered_rates(r, step)[:, 1:]
        return cls(*(part.reshape(-1, h.shape[2]) for part in parts))


def change_and_prediction(network: GatedNetwork, h: Array) -> tuple[Array, Array]:
    """Return the changes of states (pair, unit) and what a network predicts of them, per time constant.

    Parameters
    ----------
    network : the network.
    h : (trial, time, unit) states; gates are half open in the first sample of every trial.
    """
    pairs = GatedPairs.of(h, network.dt_s / network.tau_s)
    return pairs.change, expit(pairs.f @ network.G.T) * (pairs.r @ network.J.T - pairs.h)


def fit_gated(h: Array, tau_s: float, dt_s: float, *, gates: bool = True) -> GatedNetwork:
    """Fit a network of gated units to states.

    Parameters
    ----------
    h : (trial, time, unit) states atanh(r); gates are half open in the first sample of every trial.
    tau_s : time constant, s.
    dt_s : time between samples, s.
    gates : whether gates move; with false the closed-form solution for gates that are half open at all times, which is
        the start of the fit.

    Returns
    -------
    The network.
    """
    n = h.shape[2]
    pairs = GatedPairs.of(h, dt_s / tau_s)
    ridge = HALF_OPEN_RIDGE_SHARE * len(pairs.r) * np.eye(n)
    J = np.linalg.solve(pairs.r.T @ pairs.r + ridge, pairs.r.T @ (2 * pairs.change + pairs.h)).T
    G = np.zeros((n, n))
    for unit in range(n if gates else 0):
        J[unit], G[unit] = _unit(pairs, unit, J[unit])
    return GatedNetwork(J=J, G=G, tau_s=tau_s, dt_s=dt_s)


def _unit(pairs: GatedPairs, unit: int, start: Array) -> tuple[Array, Array]:
    """Fit the weights (unit,) of one unit onto its state, from a start, and onto its gate, from 0."""
    n = len(start)
    weights, damping = np.concatenate([start, np.zeros(n)]), FIRST_DAMPING
    error, design = _linearised(weights, pairs, unit)
    variance = max(float((start**2).mean()), LEAST_WEIGHT_VARIANCE)
    for _ in range(MOST_GAUSS_NEWTON_STEPS):
        # Weights have a Gaussian prior as wide as the weights themselves.
        noise = (error**2).mean()
        sizes = np.repeat([max((weights[:n] ** 2).mean(), variance / 10), max((weights[n:] ** 2).mean(), variance)], n)
        ridge = noise / sizes
        before = (error**2).sum() + (ridge * weights**2).sum()
        gram, gradient = design.T @ design + np.diag(ridge), design.T @ error - ridge * weights
        while damping < MOST_DAMPING:
            tried = weights + np.linalg.solve(gram + damping * np.diag(np.diag(gram)), gradient)
            tried_error, tried_design = _linearised(tried, pairs, unit)
            after = (tried_error**2).sum() + (ridge * tried**2).sum()
            if after < before:
                break
            damping *= DAMPING_FACTOR
        else:
            break
        weights, error, design, damping = tried, tried_error, tried_design, damping / DAMPING_FACTOR
        if before - after < LEAST_DECREASE * before:
            break
    return weights[:n], weights[n:]


def _linearised(weights: Array, pairs: GatedPairs, unit: int) -> tuple[Array, Array]:
    """Return the error (pair,) of the change of one unit, and the derivatives (pair, weight) of the prediction."""
    n = pairs.r.shape[1]
    opening, total = expit(pairs.f @ weights[n:]), pairs.r @ weights[:n] - pairs.h[:, unit]
    of_gate = (opening * (1 - opening) * total)[:, None] * pairs.f
    return pairs.change[:, unit] - opening * total, np.concatenate([opening[:, None] * pairs.r, of_gate], axis=1)
