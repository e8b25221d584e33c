"""Refinement that stays a regression: a network learns to run freely and keeps the currents of its start.

A one-step fit knows the dynamics only where the data went; running freely it leaves that place and never returns.
So the network is run along the data and put back where it has lost them, and the states that it visits are added to
the regression, each with the current that the data had at that moment: what led away from the data must not feed on
itself (the idea of aggregated data sets: Ross, Gordon & Bagnell, AISTATS 2011).

Most of what this asks of the weights does not show in the currents, as the rates of a region fill few of its
dimensions. So a change of the weights is charged by what it does to the current of every source on the recorded
states, in proportion to the size of that current; elsewhere it is nearly free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from curbd.estimators.one_step import one_step
from curbd.estimators.sparse import sparse
from curbd.network.equation import (
    Network,
    decay,
    phi,
    phi_inverse,
    rates_inside_step,
    simulate,
    tensor,
    total_current,
    weights,
)
from curbd.network.fit import Fit
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
from curbd.settings.models import Shooting

Array = np.ndarray
CHANGE = 0.1
"""Relative change of the current of one source that costs as much as all the noise of the start."""
LOOSE = 1e-5
"""Ridge on changes that do not show in the currents, as a share of the mean square of a rate."""
LEAST = 1e-8
"""Smallest share of a source in the currents of a region: one that sends nothing has no size to compare with."""
HAIR = 1e-12
"""Relative ridge on what shows in the currents: the rates of a region are nearly collinear."""
LOST = 0.2
"""Distance above which a run has lost the data, in standard deviations of the data."""
PATIENCE = 2.0
"""Time constants that it then has to find back: what an input from outside the recording does cannot be foreseen, but
can be recovered from."""
VISITED = 0.01
"""Weight of a visited state beside a recorded one: the data count most."""
PARTS = (8, 4, 2)
"""The first runs start anew in every eighth, quarter and half of a trial, which is quicker."""
ENOUGH = 5e-4
"""Unexplained variance of the free run that is small enough."""


STARTS: Mapping[str, Callable[[TrainingData, Any, np.random.Generator], Fit]] = {
    "one_step": one_step,
    "sparse": sparse,
}
"""Estimators whose network can be refined."""


class Windows(NamedTuple):
    """Stretches of data of one length: x (window, time, unit), u (window, time, input), NaN past the end.

    drive : (window, time, unit) external current that is known already.
    """

    x: Array
    u: Array
    drive: Array


class Run(NamedTuple):
    """A run along the data: its states x (window, time, unit), put_back (window, time) where they are the data's."""

    x: Array
    put_back: Array


def shooting(data: TrainingData, options: Shooting, rng: np.random.Generator) -> Fit:
    """Refine a one-step fit until it reproduces the training trials when it runs freely.

    Returns
    -------
    The refined network, with the penalties and the posterior of its start; the start itself where no network on the way
    runs better.
    """
    start = STARTS[options.start](data, options.start_options(), rng)
    solver = change_least(data, start.network)
    return start._replace(network=refine(data, start.network, solver, options.passes))


def change_least(data: TrainingData, start: Network) -> Callable[[Moments], Array]:
    """The regression that changes the currents of a network as little as it can.

    For every target region it minimises, over the weights W of its units,

        |y - W z|^2 + noise sum_s |(W - W_0)_s z_s|^2 / (CHANGE |W_0s z_s|)^2 + ridge |W - W_0|^2

    where W_0 are the weights of the start, s runs over the sources (regions, inputs, bias), and all squares are sums
    over units and recorded bins: W_s z_s is the current that s sends. The noise is what the start leaves unexplained
    and what is new in every bin.

    Returns
    -------
    From statistics to weights (unit, regressor).
    """
    pairs = transitions(data)
    z, y = regressors(pairs, start), targets(pairs, data.dt_s, start.tau_s, data.substeps)
    W = weights(start)
    source = source_of_regressor(data.region, data.u.shape[2])
    scatter = z.T @ z
    inside = np.where(source[:, None] == source, scatter, 0)
    ridge = LOOSE * scatter.diagonal()[: len(data.region)].mean()
    follows = (np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)
    # What lasts is no noise: an input from outside that the network has to make, or what the penalties held back.
    noise = len(y) * (np.diff(y - z @ W.T, axis=0)[follows] ** 2).mean(0) / 2
    rows, price = [], []
    for target in range(data.n_regions):
        own = np.flatnonzero(data.region == target)
        power = np.bincount(source, ((W[own].T @ W[own]) * inside).sum(1))
        power = np.maximum(power, max(LEAST * power.sum(), 1e-12))
        cost = inside * (noise[own].sum() / (CHANGE**2 * power))[source]
        rows.append(own)
        price.append(tensor(cost + np.diag(ridge + HAIR * cost.diagonal())))
    known = tensor(W)

    def solver(total: Moments) -> Array:
        changed, wanted = known.clone(), total.YZ - known @ total.ZZ
        for own, cost in zip(rows, price, strict=True):
            changed[own] += torch.cholesky_solve(wanted[own].mT, torch.linalg.cholesky(total.ZZ + cost)).mT
        return changed.cpu().numpy()

    return solver


def refine(
    data: TrainingData, start: Network, solver: Callable[[Moments], Array], passes: int, weight: float = VISITED
) -> Network:
    """The aggregated regression, for any solver from statistics to weights (unit, regressor).

    Parameters
    ----------
    passes : runs over whole trials, at most; the last is the first that leaves less than `ENOUGH` unexplained.
    weight : of a visited state beside a recorded one.

    Returns
    -------
    Of the start, the networks on the way that never lost the data, and the last, the one with the smallest free-run
    error on the training trials.
    """
    data = from_first_bin(data)
    pairs = transitions(data)
    total = moments(regressors(pairs, start), targets(pairs, data.dt_s, start.tau_s, data.substeps))
    limit = LOST * np.sqrt(pairs.x.var(0).mean())
    enough = ENOUGH * np.nanvar(data.r)
    error, network, longest = free_run_error(data, start), start, data.r.shape[1] - 1
    if error < enough:
        return start
    seen = [(error, start)]
    for part in (*PARTS, *[1] * passes):
        stretch = windows(data, -(-longest // part))
        run = follow(network, stretch, limit)
        if part == 1 and not run.put_back[:, 1:].any():
            error = float(np.nanmean((phi(run.x) - phi(stretch.x)) ** 2))
            if error < enough:
                return network
            seen.append((error, network))
        visited = _visited(network, stretch, run)
        total = total.plus(Moments(*(weight * statistic for statistic in visited)))
        network = as_network(solver(total), data, start.tau_s)
    seen.append((free_run_error(data, network), network))
    return min(seen, key=lambda pair: pair[0])[1]


def windows(data: TrainingData, length: int) -> Windows:
    """All stretches of ``length`` transitions (length + 1 samples), one after another in every trial."""
    n_samples = data.r.shape[1]
    starts = np.arange(0, n_samples - 1, length)
    time = starts[:, None] + np.arange(length + 1)
    inside = time < n_samples
    time = np.minimum(time, n_samples - 1)
    x = np.where(inside[None, ..., None], phi_inverse(data.r)[:, time], np.nan)
    drive = np.zeros(data.r.shape) if data.drive is None else data.drive
    # flatten by hand: -1 cannot be resolved when there are no inputs
    parts = (a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]) for a in (x, data.u[:, time], drive[:, time]))
    stretch = Windows(*parts)
    usable = np.isfinite(stretch.x[:, :2]).all((1, 2)) & np.isfinite(stretch.u[:, 0]).all(1)
    return Windows(*(part[usable] for part in stretch))


def follow(network: Network, stretch: Windows, limit: float) -> Run:
    """Run along the data from the first sample of every window, put back onto them where it has lost them.

    limit : distance from the data, root mean square over units, that counts as lost after `PATIENCE`.
    """
    external, J_t = _external(network, stretch), np.ascontiguousarray(network.J.T)
    step = network.dt_s / (network.substeps * network.tau_s)
    patience = round(PATIENCE * network.tau_s / network.dt_s)
    x, put_back = np.empty_like(stretch.x), np.zeros(stretch.x.shape[:2], dtype=bool)
    state, far = stretch.x[:, 0], np.zeros(len(x), dtype=int)
    for time in range(x.shape[1]):
        recorded = stretch.x[:, time]
        far = np.where(((state - recorded) ** 2).mean(1) > limit**2, far + 1, 0)
        lost = far > patience
        if lost.any():
            state, far, put_back[:, time] = np.where(lost[:, None], recorded, state), np.where(lost, 0, far), lost
        x[:, time] = state
        for _ in range(network.substeps):
            state = state + step * (phi(state) @ J_t + external[:, time] - state)
    put_back[:, 0] = True
    return Run(x, put_back)


def _visited(network: Network, stretch: Windows, run: Run) -> Moments:
    """Statistics of the visited states and of the currents that the data had meanwhile."""
    x, D = stretch.x, decay(network.dt_s, network.tau_s, network.substeps)
    y = total_current(x[:, :-1], x[:, 1:], D) - stretch.drive[:, :-1]
    visited = np.isfinite(y).all(2) & ~run.put_back[:, :-1]
    r = rates_inside_step(network, run.x[:, :-1][visited], _external(network, stretch)[:, :-1][visited])
    z = np.concatenate([r, np.nan_to_num(stretch.u)[:, :-1][visited], np.ones((len(r), 1))], axis=1)
    return moments(z, y[visited])


def _external(network: Network, stretch: Windows) -> Array:
    """(window, time, unit) external current B u + b, and what is known beside it."""
    return np.nan_to_num(stretch.u) @ network.B.T + network.b + stretch.drive


def free_run_error(data: TrainingData, network: Network) -> float:
    """Mean squared error of the rates when the network runs freely from the first sample of every trial."""
    error = simulate(network, phi_inverse(data.r[:, 0]), np.nan_to_num(data.u), drive=data.drive) - data.r
    return float(np.nanmean(error**2))
