"""Weights of gated units from their rates, by Gauss-Newton steps on the error of one sample.

The gates of a network tau dh/dt = s(g) (-h + J z), tau dg/dt = -g + G z are not recorded. Yet g = G f, where f are the
regressors z after the filter of the gates, so that the change of the state of a unit depends on its weights J_i and G_i
alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from curbd.network.gated import GatedNetwork

Array = np.ndarray
MOST_GAUSS_NEWTON_STEPS = 40
FIRST_DAMPING = 1.0
"""Damping of the first step, as a share of the diagonal of the Gauss-Newton matrix (Levenberg & Marquardt)."""
DAMPING_FACTOR = 4.0
MOST_DAMPING = 1e8
SMALL_RIDGE_SHARE = 1e-5
"""Ridge of the closed-form start, and on weights of inputs and the constant, as a share of the number of pairs."""
LEAST_WEIGHT_VARIANCE = 1e-6
LEAST_DECREASE = 1e-6
"""Relative decrease of the penalised error below which a unit is finished."""
OPENINGS = (0.02, 0.98)
"""Range of the constant opening of a gate at which the fit of moving gates starts."""


def filtered(z: Array, step: float, start: Array | None = None) -> Array:
    """Filter regressors as gates do, df = step (z - f) in each sample.

    Parameters
    ----------
    z : (trial, time, regressor) regressors; where a value is missing (NaN), f stays as it is.
    step : time between samples, in units of the time constant.
    start : (regressor,) f in the first sample; None for 0.

    Returns
    -------
    (trial, time, regressor) filtered regressors.
    """
    f = np.zeros_like(z)
    if start is not None:
        f[:, 0] = start
    for t in range(z.shape[1] - 1):
        change = z[:, t] - f[:, t]
        f[:, t + 1] = f[:, t] + step * np.where(np.isfinite(change), change, 0.0)
    return f


class GatedPairs(NamedTuple):
    """Changes of states from sample to sample, and what they depend on.

    Attributes
    ----------
    change : (pair, unit) change of the state, per time constant.
    h : (pair, unit) state before the change.
    z : (pair, regressor) rates before the change, then inputs and the constant where there are any.
    f : (pair, regressor) regressors after the filter of the gates, from which the gates g = G f follow that act on the
        change.
    trial, sample : (pair,) index of the trial, and of the sample before the change.
    f_of_trials : (trial, time, regressor) filtered regressors of all samples but the first, from which f is taken.
    """

    change: Array
    h: Array
    z: Array
    f: Array
    trial: Array
    sample: Array
    f_of_trials: Array

    @classmethod
    def of(
        cls, h: Array, step: float, outside: Array | None = None, start: Array | None = None, n_before: int = 0
    ) -> GatedPairs:
        """Collect all complete pairs of states.

        Parameters
        ----------
        h : (trial, time, unit) states, NaN where missing.
        step : time between samples, in units of the time constant.
        outside : (trial, time, regressor) inputs, then a constant of 1; None for units that only units drive.
        start : (regressor,) regressors whose drive the gates have followed before the first sample; None for gates that
            are half open in the first sample.
        n_before : number of complete samples of every trial before the first pair, in which gates begin to follow.
        """
        z = np.tanh(h) if outside is None else np.concatenate([np.tanh(h), outside], axis=2)
        change, before = np.diff(h, axis=1) / step, z[:, :-1]
        complete = np.isfinite(change).all(2) & np.isfinite(before).all(2)
        complete &= np.cumsum(complete, axis=1) > n_before
        trial, sample = np.nonzero(complete)
        f_of_trials = filtered(z, step, start)[:, 1:]
        return cls(
            change=change[complete],
            h=h[:, :-1][complete],
            z=before[complete],
            f=f_of_trials[complete],
            trial=trial,
            sample=sample,
            f_of_trials=f_of_trials,
        )

    def predicted(self, network: GatedNetwork) -> Array:
        """Return the change (pair, unit) that a network predicts, per time constant."""
        return expit(self.f @ network.G.T) * (self.z @ network.J.T - self.h)

    def exchanged(self, columns: Array, trials: Array) -> Array:
        """Return some filtered regressors (pair, column), taken from other trials.

        Parameters
        ----------
        columns : (column,) index of the regressors.
        trials : (trial,) index of the trial from which every trial takes these regressors.
        """
        return self.f_of_trials[trials[self.trial][:, None], self.sample[:, None], columns]


class Linearised(NamedTuple):
    """What is left of the changes of one unit, and how small changes of the weights alter the prediction.

    Attributes
    ----------
    error : (pair,) change of the state minus the prediction, per time constant.
    of_state : (pair, regressor) derivatives of the prediction by the weights on the state.
    of_drive : (pair,) derivative of the prediction by the gate variable.
    """

    error: Array
    of_state: Array
    of_drive: Array

    @classmethod
    def of(cls, pairs: GatedPairs, unit: int, J: Array, G: Array, f: Array) -> Linearised:
        """Linearise the prediction about the weights J (regressor,) and G (driving regressor,) of a unit.

        Parameters
        ----------
        pairs : changes of states.
        unit : index of the unit.
        J, G : weights of the unit on its state and on its gate.
        f : (pair, driving regressor) filtered regressors that drive the gate.
        """
        opening, total = expit(f @ G), pairs.z @ J - pairs.h[:, unit]
        return cls(
            error=pairs.change[:, unit] - opening * total,
            of_state=opening[:, None] * pairs.z,
            of_drive=opening * (1 - opening) * total,
        )


def fit_gated(h: Array, tau_s: float, dt_s: float, *, gates: bool = True) -> GatedNetwork:
    """Fit a network of gated units to exact states of units without inputs.

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
    pairs = GatedPairs.of(h, dt_s / tau_s)
    J = _ridge_solution(pairs.z, 2 * pairs.change + pairs.h).T
    network = GatedNetwork(J=J, G=np.zeros(J.shape), tau_s=tau_s, dt_s=dt_s)
    return with_moving_gates(pairs, network) if gates else network


def fit_constant_gates(pairs: GatedPairs, tau_s: float, dt_s: float) -> GatedNetwork:
    """Fit units whose gates never move: every unit has a time constant of its own.

    Parameters
    ----------
    pairs : changes of states; the last regressor is a constant.
    tau_s : time constant of a unit whose gate is open, s.
    dt_s : time between samples, s.

    Returns
    -------
    The network, in which the constant alone drives the gates.
    """
    n, n_regressors = pairs.h.shape[1], pairs.z.shape[1]
    J, G = (np.zeros((n, n_regressors)) for _ in range(2))
    for unit in range(n):
        own = np.concatenate([pairs.z, -pairs.h[:, [unit]]], axis=1)
        opening = float(np.clip(_ridge_solution(own, pairs.change[:, unit])[-1], *OPENINGS))
        J[unit] = _ridge_solution(pairs.z, pairs.change[:, unit] / opening + pairs.h[:, unit])
        G[unit, -1] = logit(opening)
    return GatedNetwork(J=J, G=G, tau_s=tau_s, dt_s=dt_s)


def with_moving_gates(pairs: GatedPairs, network: GatedNetwork, driving: Array | None = None) -> GatedNetwork:
    """Fit both kinds of weights of every unit, from those of a network.

    Parameters
    ----------
    pairs : changes of states.
    network : the network from which the fit starts.
    driving : (regressor,) bool, True for the regressors that may drive gates; None for all.

    Returns
    -------
    The network.
    """
    n_units, n_regressors = network.J.shape
    chosen = np.ones(n_regressors, dtype=bool) if driving is None else driving
    J, G = (np.zeros((n_units, n_regressors)) for _ in range(2))
    for unit in range(n_units):
        J[unit], G[unit, chosen] = _unit(pairs, unit, chosen, network.J[unit], network.G[unit, chosen])
    return network._replace(J=J, G=G)


def _ridge_solution(regressors: Array, values: Array) -> Array:
    ridge = SMALL_RIDGE_SHARE * len(regressors) * np.eye(regressors.shape[1])
    return np.linalg.solve(regressors.T @ regressors + ridge, regressors.T @ values)


def _unit(pairs: GatedPairs, unit: int, driving: Array, J: Array, G: Array) -> tuple[Array, Array]:
    """Fit the weights (regressor,) of one unit onto its state and (driving regressor,) onto its gate, from a start."""
    n, n_weights = pairs.h.shape[1], len(J)
    of_units = [np.arange(n), n_weights + np.arange(int(driving[:n].sum()))]
    f, weights, damping = pairs.f[:, driving], np.concatenate([J, G]), FIRST_DAMPING
    error, design = _linearised(weights, pairs, f, unit)
    # Weights of units have Gaussian priors, whose widths follow the weights and their errors (Tipping, JMLR 2001).
    variances = [max(float((J[:n] ** 2).mean()), LEAST_WEIGHT_VARIANCE)] * 2
    for _ in range(MOST_GAUSS_NEWTON_STEPS):
        noise = (error**2).mean()
        ridge = np.full(len(weights), SMALL_RIDGE_SHARE * len(error))
        for columns, variance in zip(of_units, variances, strict=True):
            ridge[columns] = noise / variance
        before = (error**2).sum() + (ridge * weights**2).sum()
        gram, gradient = design.T @ design + np.diag(ridge), design.T @ error - ridge * weights
        while damping < MOST_DAMPING:
            tried = weights + np.linalg.solve(gram + damping * np.diag(np.diag(gram)), gradient)
            tried_error, tried_design = _linearised(tried, pairs, f, unit)
            after = (tried_error**2).sum() + (ridge * tried**2).sum()
            if after < before:
                break
            damping *= DAMPING_FACTOR
        else:
            break
        widths = noise * np.linalg.inv(gram).diagonal()
        weights, error, design, damping = tried, tried_error, tried_design, damping / DAMPING_FACTOR
        squares = weights**2 + widths
        variances = [
            max(float(squares[columns].mean()), LEAST_WEIGHT_VARIANCE) if len(columns) else LEAST_WEIGHT_VARIANCE
            for columns in of_units
        ]
        if before - after < LEAST_DECREASE * before:
            break
    return weights[:n_weights], weights[n_weights:]


def _linearised(weights: Array, pairs: GatedPairs, f: Array, unit: int) -> tuple[Array, Array]:
    """Return the error (pair,) of the change of one unit, and the derivatives (pair, weight) of the prediction."""
    n = pairs.z.shape[1]
    about = Linearised.of(pairs, unit, weights[:n], weights[n:], f)
    return about.error, np.concatenate([about.of_state, about.of_drive[:, None] * f], axis=1)
