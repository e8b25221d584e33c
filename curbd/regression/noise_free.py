"""Data without noise: how they are recognised, how their rates were scaled, and which changes of the current are used.

In a simulation without noise, the residuals of the regression of the current have three causes. The first is an input
that was not recorded ("drive"). From one sample to the next a drive often stands still, or moves steadily; then the
*changes* of the current, or the changes of these changes, are the changes of J r alone. The second cause is the scale
of the rates: rates that were divided by their maximum are tanh(x) / c, and atanh distorts them near 1. The third cause
are rates that were clipped at a limit, which are wrong for as long as they stay there. The scale c, the time constant
and the order of the changes are estimated by the evidence. Changes with other causes stand out and get a small weight,
because all other changes are exact.

The states x in tau dx/dt = -x + J r + B u + b + drive are dimensionless, and currents are in the units of x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from curbd.network.equation import decay
from curbd.network.nonlinearity import TANH
from curbd.regression.transitions import TrainingData, Transitions, regressors, targets, transitions

Array = np.ndarray
NOISE_VARIANCES = 10.0 ** np.arange(-16, 1.5, 0.5)
"""Noise variances that are tried for the changes of the current, in squared units of x."""
NOISE_SHARE = 1e-3
"""Standard deviation of the noise, as a share of the standard deviation of the changes of the current, below which data
count as noise-free."""
NOISE_SHARE_BEFORE_SCALING = 0.1
"""Value of `NOISE_SHARE` before the scale of the rates is fitted, because a wrong scale looks like noise."""
QUIET_UNITS_PERCENT = 25
"""Percentage of units whose noise must be below `NOISE_SHARE`; the other units may receive an unrecorded input."""
MAX_TRANSITIONS = 4000
"""Largest number of transitions, the first ones, that are used to recognise data without noise."""
SCALE_GRID = np.arange(-5, -0.99, 0.125)
"""log10 of 1 - c for the scales c that are tried first."""
TAU_GRID = np.arange(0, 2.01, 0.05)
"""log10 of the time constants that are tried first, in samples."""
LEAST_EVIDENCE_GAIN = 40.0
"""Log evidence, in nats, that a scale other than 1 must gain."""
SCALE_AND_TAU_ROUNDS = 3
"""Number of times that scale and time constant are found in turn."""
ORDERS_OF_CHANGES = (1, 2, 3)
"""Orders of the changes that are tried: changes, changes of changes, and so on."""
LEAST_FREEDOM = 0.1
"""Lower bound on the residual degrees of freedom, as a share of the number of changes."""
LEAST_CHANGE_VARIANCE = 1e-300
"""Variances of changes below this value count as this value, so that nothing is divided by 0."""


class NoiseFree(NamedTuple):
    """Scale of the rates, time constant and order of the changes for data without noise.

    Attributes
    ----------
    largest : (region,) true rate tanh(x) of a unit whose observed rate is 1, the scale c of the rates.
    tau_s : time constant, given or estimated, s.
    order : (region,) order of the changes of the current from which the weights onto a region are found.
    """

    largest: Array
    tau_s: float
    order: Array


def changes(values: Array, pairs: Transitions, order: int) -> Array:
    """Take differences between consecutive transitions; differences never span a trial boundary or a gap.

    Parameters
    ----------
    values : (pair, ...) one row per transition.
    pairs : the transitions.
    order : number of times that differences are taken.

    Returns
    -------
    (change, ...) one row per difference.
    """
    apart = pairs.time[order:] - pairs.time[:-order]
    return np.diff(values, n=order, axis=0)[(pairs.trial[order:] == pairs.trial[:-order]) & (apart == order)]


def noise_free(data: TrainingData) -> NoiseFree | None:
    """Recognise data without noise, and estimate the scale of the rates and the time constant of such data.

    The observed rates of region s are tanh(x) / c_s with an unknown scale c_s. The changes of the current of unit i
    have the distribution N(0, v_i + Z V Z'), where Z are the changes of the regressors (rates and inputs), V is the
    prior variance of the weights, for rates 1 / number of units of the source region, and v_i is the variance of the
    noise on the changes. The variance v_i maximises the evidence of unit i; the scale c_s and the order of the changes
    maximise the sum of the evidence over the units of region s; the time constant maximises the sum over all units. All
    densities are densities of the observed rates, so that scales can be compared.

    Parameters
    ----------
    data : the training trials. A time constant that is given is kept.

    Returns
    -------
    The scale, the time constant and the order of the changes. None if the data have noise, if there are several Euler
    steps in a sample (the rates inside a sample were not recorded), if units have time constants of their own, or if no
    sequence of samples is long enough for all orders of changes.
    """
    pairs = Transitions(*(values[:MAX_TRANSITIONS] for values in transitions(data)))
    if data.tau_group is not None or isinstance(data.tau_s, np.ndarray):
        return None
    if data.substeps > 1 or not all(len(changes(pairs.time, pairs, order)) for order in ORDERS_OF_CHANGES):
        return None
    n, r_next = len(data.region), np.tanh(pairs.x_next)
    bases = {1: _basis(data, pairs, 1)}

    def evidence(c: float, tau_s: float, rows: Array, order: int = 1) -> tuple[float, Array]:
        after = c * r_next[:, rows]
        x = TANH.inverse(c * pairs.r[:, rows])
        scaled = pairs._replace(x=x, x_next=TANH.inverse(after), drive=pairs.drive[:, rows])
        y = changes(targets(scaled, decay(data.dt_s, tau_s, 1)), pairs, order)
        likely, noise = _evidence(y, *bases[order])
        density = np.log(c / (1 - after**2) / (1 - decay(data.dt_s, tau_s, 1))).sum()
        return float(likely.sum() + density), noise / np.maximum(y.var(0), LEAST_CHANGE_VARIANCE)

    units = [np.flatnonzero(data.region == region) for region in range(data.n_regions)]
    largest, tau_s = np.ones(data.n_regions), data.tau_s

    def evidence_of_tau(log_samples: float) -> float:
        tau = data.dt_s * 10**log_samples
        return sum(evidence(c, tau, rows)[0] for c, rows in zip(largest, units, strict=True))

    tau_s = data.dt_s * 10 ** _maximum(evidence_of_tau, TAU_GRID) if data.tau_s is None else data.tau_s
    noise = evidence(1.0, tau_s, np.arange(n))[1]
    if np.percentile(noise, QUIET_UNITS_PERCENT) > NOISE_SHARE_BEFORE_SCALING**2:
        return None
    for alternation in range(SCALE_AND_TAU_ROUNDS if data.tau_s is None else 1):
        if alternation:
            near = np.log10(tau_s / data.dt_s)
            tau_s = data.dt_s * 10 ** _maximum(evidence_of_tau, near + (TAU_GRID[:3] - TAU_GRID[1]))
        for region, rows in enumerate(units):

            def evidence_of_scale(log_missing: float, rows: Array = rows, tau_s: float = tau_s) -> float:
                return evidence(1 - 10.0**log_missing, tau_s, rows)[0]

            log_missing = _maximum(evidence_of_scale, SCALE_GRID)
            if evidence_of_scale(log_missing) > evidence_of_scale(-np.inf) + LEAST_EVIDENCE_GAIN:
                largest[region] = 1 - 10.0**log_missing
            noise[rows] = evidence(largest[region], tau_s, rows)[1]
    if np.percentile(noise, QUIET_UNITS_PERCENT) > NOISE_SHARE**2:
        return None
    bases |= {order: _basis(data, pairs, order) for order in ORDERS_OF_CHANGES[1:]}
    likely = [
        [evidence(c, tau_s, rows, order)[0] for order in ORDERS_OF_CHANGES]
        for c, rows in zip(largest, units, strict=True)
    ]
    return NoiseFree(largest, tau_s, np.array(ORDERS_OF_CHANGES)[np.argmax(likely, axis=1)])


def _basis(data: TrainingData, pairs: Transitions, order: int) -> tuple[Array, Array]:
    """Compute directions (change, component) of the changes of all regressors, and their prior standard deviations."""
    n, z = len(data.region), changes(regressors(pairs)[:, :-1], pairs, order)
    size = np.r_[np.sqrt(np.bincount(data.region))[data.region], np.sqrt((z[:, n:] ** 2).mean(0))]
    directions, singular, _ = np.linalg.svd(z / np.where(size > 0, size, 1), full_matrices=False)
    return directions, singular


def _maximum(function: Callable[[float], float], grid: Array) -> float:
    """Find the argument at which a function is largest: the best of an even grid, refined within one grid step."""
    best, step = max(grid, key=function), grid[1] - grid[0]
    refined = minimize_scalar(
        lambda value: -function(value), bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-4}
    )
    return float(refined.x)


def _evidence(y: Array, directions: Array, singular: Array) -> tuple[Array, Array]:
    """Return the largest log evidence (unit,) of y (change, unit), and the noise variance (unit,) that has it."""
    explained = (directions.T @ y) ** 2
    rest = np.maximum((y**2).sum(0) - explained.sum(0), 0)
    variance = singular**2 + NOISE_VARIANCES[:, None]
    spread = np.log(variance).sum(1) + (len(y) - len(singular)) * np.log(NOISE_VARIANCES)
    likely = -0.5 * ((1 / variance) @ explained + rest / NOISE_VARIANCES[:, None] + spread[:, None])
    return likely.max(0), NOISE_VARIANCES[likely.argmax(0)]


def robust_weights(error: torch.Tensor, used: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight the changes by one step of expectation-maximisation under Student t errors with one degree of freedom.

    Parameters
    ----------
    error : (unit, change) changes of the current minus the changes that the fitted weights predict.
    used : (unit,) degrees of freedom that the fit used; errors are corrected for them, because the errors of a fit are
        smaller than the errors on new data.
    noise : (unit,) squared scale of the errors.

    Returns
    -------
    (unit, change) weight of every change, 2 / (1 + error^2 / noise), and (unit,) updated squared scale of the errors.
    """
    n = error.shape[1]
    squared = error**2 * (n / (n - used).clamp_min(LEAST_FREEDOM * n))[:, None]
    noise = (2 / (1 + squared / noise[:, None]) * squared).mean(1).clamp_min(float(NOISE_VARIANCES[0]))
    return 2 / (1 + squared / noise[:, None]), noise
