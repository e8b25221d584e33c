"""Refinement by regression: a fitted network learns to run freely, and its currents are changed as little as possible.

A one-step fit knows the dynamics only near the recorded states; when its network runs freely, it leaves these states
and never returns. Here the network is simulated along the recorded trials, and reset to the recorded state when it has
moved too far away. The states that the network visits are added as samples of the regression, each with the current of
the data at the same moment. The network thus learns to return to the data (aggregated data sets: Ross, Gordon &
Bagnell, AISTATS 2011).

Most of the change that the weights need for this does not affect the recorded currents, because the rates of a region
span few dimensions. A change of the weights is therefore penalised by the change that it makes to the current of every
source on the recorded states, relative to the size of that current. All other changes are nearly free.

The states x in tau dx/dt = -x + J r + B u + b are dimensionless, and currents are in the units of x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from curbd.estimators.one_step import one_step
from curbd.estimators.sparse import sparse
from curbd.network.equation import Network, decay, rates_inside_step, simulate, total_current, weights
from curbd.network.fit import Fit
from curbd.network.nonlinearity import TANH
from curbd.network.tensors import tensor
from curbd.progress import tracked
from curbd.regression.moments import Moments, moments
from curbd.regression.transitions import (
    TrainingData,
    as_network,
    from_first_bin,
    regressors,
    source_of_regressor,
    targets,
    transitions,
)
from curbd.settings.estimators import Shooting

Array = np.ndarray
CHANGE_SHARE = 0.1
"""Relative change of the current of one source that costs as much as all the noise of the initial fit."""
SILENT_CHANGE_RIDGE = 1e-5
"""Ridge on changes that do not affect the recorded currents, as a share of the mean square of a rate."""
LEAST_SOURCE_SHARE = 1e-8
"""Smallest share of a source in the power of the currents onto a region: the change of a current is measured relative
to its size, which is 0 for a source that sends nothing."""
LEAST_POWER = 1e-12
"""Powers of the current of a source below this value count as this value."""
COLLINEAR_RIDGE = 1e-12
"""Relative ridge on changes that affect the recorded currents, as the rates of a region are nearly collinear."""
LOST_DISTANCE_SD = 0.2
"""Distance from the data beyond which a simulation counts as lost, in standard deviations of the data."""
PATIENCE_TAU = 2.0
"""Time, in time constants, for which a simulation may be lost before it is reset to the recorded state: a network
cannot foresee the effect of an unrecorded input, but can recover from it."""
VISITED_WEIGHT = 0.01
"""Weight of a visited state, relative to the weight of a recorded state: the data count most."""
TRIAL_DIVISORS = (8, 4, 2)
"""The first simulations cover an eighth, a quarter and half of a trial, which is quicker than whole trials."""
ENOUGH_UNEXPLAINED = 5e-4
"""Share of the variance of the rates that a free run leaves unexplained, below which the refinement ends."""

STARTS: Mapping[str, Callable[[TrainingData, Any, np.random.Generator], Fit]] = {
    "one_step": one_step,
    "sparse": sparse,
}
"""Name -> estimator of the initial fit, whose network is refined."""


class Stretches(NamedTuple):
    """Segments of trials, all of one length, along which a network is simulated.

    Attributes
    ----------
    x : (segment, time, unit) recorded states, NaN past the end of a trial.
    u : (segment, time, input) inputs.
    drive : (segment, time, unit) external current that is already known.
    """

    x: Array
    u: Array
    drive: Array


class Run(NamedTuple):
    """A simulation of a network along recorded segments of trials.

    Attributes
    ----------
    x : (segment, time, unit) simulated states.
    put_back : (segment, time) bool, True where the simulation was reset to the recorded states.
    """

    x: Array
    put_back: Array


def shooting(data: TrainingData, options: Shooting, rng: np.random.Generator) -> Fit:
    """Refine a fitted network until it reproduces the training trials when it runs freely.

    Parameters
    ----------
    data : the training trials.
    options : the estimator of the initial fit with its options, and the largest number of simulations of whole trials.
    rng : random generator for the initial fit; the refinement is deterministic.

    Returns
    -------
    The refined network, with the penalties and the posterior of the initial fit. If no refined network reproduces the
    trials better than the initial network, the initial network.
    """
    start = STARTS[options.start](data, options.start_options(), rng)
    solver = change_least(data, start.network)
    return start._replace(network=refine(data, start.network, solver, options.passes))


def change_least(data: TrainingData, start: Network) -> Callable[[Moments], Array]:
    """Construct the regression that changes the currents of a network as little as possible.

    For every target region, the weights W of its units minimise

        |y - W z|^2 + noise sum_s |(W - W_0)_s z_s|^2 / (CHANGE_SHARE |W_0s z_s|)^2 + ridge |W - W_0|^2

    where y are the currents, z = [r, u, 1] the regressors (rates, inputs and a constant), and W_0 the initial weights.
    The index s stands for a source (a region, an input or the bias), and W_s z_s is the current that s sends. All
    squares are sums over units and recorded bins. The noise is the part of the residual of the initial network that is
    independent between bins.

    Parameters
    ----------
    data : the training trials.
    start : the network whose currents are kept.

    Returns
    -------
    A function from the second moments of a regression to weights (unit, regressor).
    """
    pairs = transitions(data)
    z, y = regressors(pairs, start), targets(pairs, start.decay)
    W = weights(start)
    source = source_of_regressor(data.region, data.u.shape[2])
    scatter = z.T @ z
    inside = np.where(source[:, None] == source, scatter, 0)
    ridge = SILENT_CHANGE_RIDGE * scatter.diagonal()[: len(data.region)].mean()
    follows = (np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)
    # Slow residuals are not noise: they are an unrecorded input that the network has to produce, or shrinkage.
    noise = len(y) * (np.diff(y - z @ W.T, axis=0)[follows] ** 2).mean(0) / 2
    units, costs = [], []
    for target in range(data.n_regions):
        own = np.flatnonzero(data.region == target)
        power = np.bincount(source, ((W[own].T @ W[own]) * inside).sum(1))
        power = np.maximum(power, max(LEAST_SOURCE_SHARE * power.sum(), LEAST_POWER))
        cost = inside * (noise[own].sum() / (CHANGE_SHARE**2 * power))[source]
        units.append(own)
        costs.append(tensor(cost + np.diag(ridge + COLLINEAR_RIDGE * cost.diagonal())))
    W_start = tensor(W)

    def solver(total: Moments) -> Array:
        changed, missing = W_start.clone(), total.YZ - W_start @ total.ZZ
        for own, cost in zip(units, costs, strict=True):
            changed[own] += torch.cholesky_solve(missing[own].mT, torch.linalg.cholesky(total.ZZ + cost)).mT
        return changed.cpu().numpy()

    return solver


def refine(
    data: TrainingData, start: Network, solver: Callable[[Moments], Array], passes: int, weight: float = VISITED_WEIGHT
) -> Network:
    """Refine a network: simulate it along the data, add the visited states as samples of the regression, solve, repeat.

    Parameters
    ----------
    data : the training trials.
    start : the initial network, which is refined.
    solver : function that solves the regression, from second moments to weights (unit, regressor).
    passes : largest number of simulations of whole trials. The refinement ends earlier once a free run leaves less than
        `ENOUGH_UNEXPLAINED` of the variance of the rates unexplained.
    weight : weight of a visited state, relative to the weight of a recorded state.

    Returns
    -------
    The network with the smallest free-run error on the training trials. The candidates are the initial network, the
    last network, and all intermediate networks whose simulation never had to be reset to the recorded states.
    """
    data = from_first_bin(data)
    pairs = transitions(data)
    total = moments(regressors(pairs, start), targets(pairs, start.decay))
    limit = LOST_DISTANCE_SD * np.sqrt(pairs.x.var(0).mean())
    enough = ENOUGH_UNEXPLAINED * np.nanvar(data.r)
    error, network, longest = free_run_error(data, start), start, data.r.shape[1] - 1
    if error < enough:
        return start
    candidates = [(error, start)]
    for divisor in tracked((*TRIAL_DIVISORS, *[1] * passes), "simulations of the trials"):
        recorded = stretches(data, -(-longest // divisor))
        run = follow(network, recorded, limit)
        if divisor == 1 and not run.put_back[:, 1:].any():
            error = float(np.nanmean((TANH.phi(run.x) - TANH.phi(recorded.x)) ** 2))
            if error < enough:
                return network
            candidates.append((error, network))
        visited = _visited(network, recorded, run)
        total = total.plus(Moments(*(weight * statistic for statistic in visited)))
        network = as_network(solver(total), data, start.time_constant_s)
    candidates.append((free_run_error(data, network), network))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def stretches(data: TrainingData, length: int) -> Stretches:
    """Cut every trial into segments of ``length`` transitions (``length`` + 1 samples).

    Parameters
    ----------
    data : the trials.
    length : number of transitions in a segment.

    Returns
    -------
    The segments of all trials; states past the end of a trial are NaN.
    """
    n_samples = data.r.shape[1]
    starts = np.arange(0, n_samples - 1, length)
    time = starts[:, None] + np.arange(length + 1)
    inside = time < n_samples
    time = np.minimum(time, n_samples - 1)
    x = np.where(inside[None, ..., None], TANH.inverse(data.r)[:, time], np.nan)
    drive = np.zeros(data.r.shape) if data.drive is None else data.drive
    # reshape cannot resolve -1 where there are no inputs
    flat = (a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]) for a in (x, data.u[:, time], drive[:, time]))
    every = Stretches(*flat)
    usable = np.isfinite(every.x[:, :2]).all((1, 2)) & np.isfinite(every.u[:, 0]).all(1)
    return Stretches(*(values[usable] for values in every))


def follow(network: Network, recorded: Stretches, limit: float) -> Run:
    """Simulate a network along the data, from the first sample of every segment.

    A simulation that has been farther from the recorded states than the limit for `PATIENCE_TAU` time constants is
    reset to the recorded state.

    Parameters
    ----------
    network : the network that is simulated.
    recorded : recorded segments of trials.
    limit : distance from the recorded states, root mean square over units, in the (dimensionless) units of the state x.

    Returns
    -------
    The simulated states, and when they were reset.
    """
    external, J_t = _external(network, recorded), np.ascontiguousarray(network.J.T)
    step = network.dt_s / (network.substeps * network.tau_s)
    patience = round(PATIENCE_TAU * network.tau_s / network.dt_s)
    x, put_back = np.empty_like(recorded.x), np.zeros(recorded.x.shape[:2], dtype=bool)
    state, samples_away = recorded.x[:, 0], np.zeros(len(x), dtype=int)
    for time in range(x.shape[1]):
        target = recorded.x[:, time]
        samples_away = np.where(((state - target) ** 2).mean(1) > limit**2, samples_away + 1, 0)
        lost = samples_away > patience
        if lost.any():
            state, samples_away = np.where(lost[:, None], target, state), np.where(lost, 0, samples_away)
            put_back[:, time] = lost
        x[:, time] = state
        for _ in range(network.substeps):
            state = state + step * (TANH.phi(state) @ J_t + external[:, time] - state)
    put_back[:, 0] = True
    return Run(x, put_back)


def _visited(network: Network, recorded: Stretches, run: Run) -> Moments:
    """Compute the second moments of the visited states, each with the current of the data at the same moment."""
    x, D = recorded.x, decay(network.dt_s, network.tau_s, network.substeps)
    y = total_current(x[:, :-1], x[:, 1:], D) - recorded.drive[:, :-1]
    visited = np.isfinite(y).all(2) & ~run.put_back[:, :-1]
    r = rates_inside_step(network, run.x[:, :-1][visited], _external(network, recorded)[:, :-1][visited])
    z = np.concatenate([r, np.nan_to_num(recorded.u)[:, :-1][visited], np.ones((len(r), 1))], axis=1)
    return moments(z, y[visited])


def _external(network: Network, recorded: Stretches) -> Array:
    """Return the external current (segment, time, unit) of inputs, bias and drive, in the units of the state x."""
    return np.nan_to_num(recorded.u) @ network.B.T + network.b + recorded.drive


def free_run_error(data: TrainingData, network: Network) -> float:
    """Return the error of a network that runs freely from the first sample of every trial.

    Parameters
    ----------
    data : the trials.
    network : the network that is simulated.

    Returns
    -------
    Mean squared error of the scaled rates.
    """
    error = simulate(network, TANH.inverse(data.r[:, 0]), np.nan_to_num(data.u), drive=data.drive) - data.r
    return float(np.nanmean(error**2))
