"""Multi-step refinement that stays a regression: learn from the states that the network itself visits.

A one-step fit knows the dynamics only where the data went; running freely it leaves that place and never returns.
So the network is run from the data in windows of growing length, and the states it visits are added to the
regression, with the data's own velocity and a part of the way back to the data as their targets (the idea of
aggregated data sets: Ross, Gordon & Bagnell, AISTATS 2011).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from curbd.config import Force, OneStep, Shooting
from curbd.ensemble import Fit
from curbd.estimators.force import force, random_network
from curbd.estimators.one_step import regress
from curbd.estimators.regression import Moments, moments, solve_blocks
from curbd.estimators.transitions import (
    TrainingData,
    as_network,
    from_first_bin,
    regressors,
    targets,
    transitions,
)
from curbd.network import Network, decay, phi_inverse, simulate

Array = np.ndarray
WIDTH = 0.3
"""A visited state counts by exp(-(distance / width)^2), distance in standard deviations of the data: where the
network has lost the data altogether, the data cannot teach it."""


class Windows(NamedTuple):
    """Stretches of data of one length: x (window, time, unit), u (window, time, input), NaN past the end."""

    x: Array
    u: Array


def shooting(data: TrainingData, options: Shooting, rng: np.random.Generator) -> Fit:
    """Refine a one-step, FORCE or random start until it reproduces the training trials when it runs freely.

    The penalties are those of the one-step regression. Of all networks on the way, the one with the smallest
    free-run error on the training trials is returned.
    """
    first = regress(data, OneStep().folds)
    data = data._replace(tau_s=first.network.tau_s)
    network = first.network
    if options.start == "force":
        network = force(data, Force(), rng).network
    elif options.start == "random":
        network = random_network(data, Force().gain, first.network.tau_s, rng)

    def solver(total: Moments) -> Array:
        return solve_blocks(total, data.region, first.penalty, first.input_power)

    return Fit(refine(data, network, solver, options.pull, options.passes), first.penalty)


def refine(data: TrainingData, start: Network, solver: Callable[[Moments], Array], pull: float, passes: int) -> Network:
    """The aggregated regression, for any solver from statistics to weights (unit, regressor)."""
    data = from_first_bin(data)
    pairs = transitions(data)
    y = targets(pairs, data.dt_s, start.tau_s, data.substeps)
    total = moments(regressors(pairs, start), y)
    spread = np.sqrt(pairs.x.var(0).mean())
    longest = data.r.shape[1] - 1
    lengths = [length for length in 2 * 2 ** np.arange(12) if length < longest] + [longest] * passes
    best, network = (free_run_error(data, start), start), start
    for length in lengths:
        visited = _visited(network, windows(data, int(length)), spread, pull)
        total = total.plus(visited)
        network = as_network(solver(total), data, start.tau_s)
        error = free_run_error(data, network)
        if error < best[0]:
            best = (error, network)
    return best[1]


def windows(data: TrainingData, length: int) -> Windows:
    """All stretches of ``length`` transitions (length + 1 samples), one after another in every trial."""
    n_samples = data.r.shape[1]
    starts = np.arange(0, n_samples - 1, length)
    time = starts[:, None] + np.arange(length + 1)
    inside = time < n_samples
    time = np.minimum(time, n_samples - 1)
    x = np.where(inside[None, ..., None], phi_inverse(data.r)[:, time], np.nan)
    u = data.u[:, time]
    # flatten by hand: -1 cannot be resolved when there are no inputs
    x, u = (a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]) for a in (x, u))
    usable = np.isfinite(x[:, :2]).all((1, 2)) & np.isfinite(u[:, 0]).all(1)
    return Windows(x[usable], u[usable])


def _visited(network: Network, stretch: Windows, spread: float, pull: float) -> Moments:
    """Statistics of the visited states z and of the currents that would bring them along and back to the data."""
    x, u = stretch
    u = np.nan_to_num(u)
    r = simulate(network, x[:, 0], u)[:, 1:-1]
    # A diverged run saturates at +-1, where the state is infinite: such states weigh nothing anyway.
    h = phi_inverse(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    away = x[:, 1:-1] - h
    f = 1 / (1 - decay(network.dt_s, network.tau_s, network.substeps))
    y = h + f * (x[:, 2:] - x[:, 1:-1] + pull * away)
    weight = np.exp(-((away**2).mean(2)) / (WIDTH * spread) ** 2)
    keep = np.isfinite(y).all(2) & (weight > 1e-6)
    root = np.sqrt(weight[keep])[:, None]
    z = np.concatenate([r, u[:, 1:-1], np.ones((*r.shape[:2], 1))], axis=2)[keep]
    return moments(root * z, root * y[keep])


def free_run_error(data: TrainingData, network: Network) -> float:
    """Mean squared error of the rates when the network runs freely from the first sample of every trial."""
    error = simulate(network, phi_inverse(data.r[:, 0]), np.nan_to_num(data.u)) - data.r
    return float(np.nanmean(error**2))
