"""Data without noise: how they are recognised, how their rates were scaled, and which changes of the current to trust.

What a regression leaves of the current of a simulation is not noise. An unseen drive is part of it; from one sample to
the next it often stands still, or moves steadily, and then the *changes* of the current, or the changes of these, are
those of J r alone. The scale is another: rates that were divided by their own maximum are phi(x) / c, and atanh bends
them near 1. And rates that were cut off at a limit are wrong for as long as they stay there. Scale, time constant and
the order of the changes are found by the evidence; changes that come from elsewhere stand out, as the rest is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from curbd.network.equation import decay, phi_inverse
from curbd.regression.transitions import TrainingData, Transitions, regressors, targets, transitions

Array = np.ndarray
NOISE = 10.0 ** np.arange(-16, 1.5, 0.5)
"""Noise variances that are tried, of changes of the current."""
NOISE_FREE = 1e-3
"""Largest standard deviation of the noise, as a share of that of the changes of the current, of data without noise."""
ENOUGH = 4000
"""Transitions, the first ones, that are looked at."""
NEARLY = 0.1
"""The same before the scale is known."""
EXACT = 25
"""Percentage of the units that must have so little: the others may hear of an unseen drive."""
SHORT = np.arange(-5, -0.99, 0.125)
"""log10 of 1 - c, scales that are tried first."""
SAMPLES = np.arange(0, 2.01, 0.05)
"""log10 of time constants that are tried first, in samples."""
LEAST_GAIN = 40.0
"""Log evidence that a scale other than 1 must gain."""
TURNS = 3
"""Times that scale and time constant are found in turn."""
ORDERS = (1, 2, 3)
"""Changes, changes of changes, and so on that are tried."""
FREE = 0.1
"""Smallest share of the changes that are taken as free in the estimate of their scale."""


class Exact(NamedTuple):
    """What is known of data without noise.

    largest : (region,) rate phi(x) behind the observed rate 1. tau_s : time constant, given or found. order : (region,)
    of the changes of the current that the weights onto a region are found from.
    """

    largest: Array
    tau_s: float
    order: Array


def changes(values: Array, pairs: Transitions, order: int) -> Array:
    """Differences between consecutive pairs (change, ...), taken ``order`` times, never across a trial or a gap."""
    apart = pairs.time[order:] - pairs.time[:-order]
    return np.diff(values, n=order, axis=0)[(pairs.trial[order:] == pairs.trial[:-order]) & (apart == order)]


def exact(data: TrainingData) -> Exact | None:
    """Scale and time constant of data without noise, or None where they have noise.

    The observed rates of region s are phi(x) / c_s. The changes of the current of unit i are N(0, v_i + Z V Z'), with
    weights of the order of 1 / sqrt(units); v_i maximises this evidence of every unit, c_s and the order of the changes
    its sum over the units of the region, the time constant that over all units, all as densities of the observed rates.
    """
    pairs = Transitions(*(values[:ENOUGH] for values in transitions(data)))
    # With several Euler steps the rates inside a sample were not recorded.
    if data.substeps > 1 or not all(len(changes(pairs.time, pairs, order)) for order in ORDERS):
        return None
    n, r_next = len(data.region), np.tanh(pairs.x_next)
    bases = {1: _basis(data, pairs, 1)}

    def evidence(c: float, tau_s: float, rows: Array, order: int = 1) -> tuple[float, Array]:
        after = c * r_next[:, rows]
        x = phi_inverse(c * pairs.r[:, rows])
        own = pairs._replace(x=x, x_next=phi_inverse(after), drive=pairs.drive[:, rows])
        y = changes(targets(own, data.dt_s, tau_s, 1), pairs, order)
        likely, noise = _evidence(y, *bases[order])
        density = np.log(c / (1 - after**2) / (1 - decay(data.dt_s, tau_s, 1))).sum()
        return float(likely.sum() + density), noise / np.maximum(y.var(0), 1e-300)

    units = [np.flatnonzero(data.region == region) for region in range(data.n_regions)]
    largest, tau_s = np.ones(data.n_regions), data.tau_s

    def of_tau(samples: float) -> float:
        return sum(evidence(c, data.dt_s * 10**samples, rows)[0] for c, rows in zip(largest, units, strict=True))

    tau_s = data.dt_s * 10 ** _best(of_tau, SAMPLES) if data.tau_s is None else data.tau_s
    noise = evidence(1.0, tau_s, np.arange(n))[1]
    if np.percentile(noise, EXACT) > NEARLY**2:
        return None
    for turn in range(TURNS if data.tau_s is None else 1):
        if turn:
            near = np.log10(tau_s / data.dt_s)
            tau_s = data.dt_s * 10 ** _best(of_tau, near + (SAMPLES[:3] - SAMPLES[1]))
        for region, rows in enumerate(units):

            def of_scale(short: float, rows: Array = rows, tau_s: float = tau_s) -> float:
                return evidence(1 - 10.0**short, tau_s, rows)[0]

            short = _best(of_scale, SHORT)
            if of_scale(short) > of_scale(-np.inf) + LEAST_GAIN:
                largest[region] = 1 - 10.0**short
            noise[rows] = evidence(largest[region], tau_s, rows)[1]
    if np.percentile(noise, EXACT) > NOISE_FREE**2:
        return None
    bases |= {order: _basis(data, pairs, order) for order in ORDERS[1:]}
    likely = [[evidence(c, tau_s, rows, order)[0] for order in ORDERS] for c, rows in zip(largest, units, strict=True)]
    return Exact(largest, tau_s, np.array(ORDERS)[np.argmax(likely, axis=1)])


def _basis(data: TrainingData, pairs: Transitions, order: int) -> tuple[Array, Array]:
    """Directions (change, component) of the changes of all regressors, and their standard deviations a priori."""
    n, z = len(data.region), changes(regressors(pairs)[:, :-1], pairs, order)
    size = np.r_[np.sqrt(np.bincount(data.region))[data.region], np.sqrt((z[:, n:] ** 2).mean(0))]
    directions, singular, _ = np.linalg.svd(z / np.where(size > 0, size, 1), full_matrices=False)
    return directions, singular


def _best(of: Callable[[float], float], grid: Array) -> float:
    """Where a function is largest: the best of an even grid, then finer beside it."""
    best, step = max(grid, key=of), grid[1] - grid[0]
    finer = minimize_scalar(
        lambda value: -of(value), bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-4}
    )
    return float(finer.x)


def _evidence(y: Array, directions: Array, singular: Array) -> tuple[Array, Array]:
    """Largest log evidence of y (change, unit), and the noise variance that has it, both (unit,)."""
    explained = (directions.T @ y) ** 2
    rest = np.maximum((y**2).sum(0) - explained.sum(0), 0)
    variance = singular**2 + NOISE[:, None]
    spread = np.log(variance).sum(1) + (len(y) - len(singular)) * np.log(NOISE)
    likely = -0.5 * ((1 / variance) @ explained + rest / NOISE[:, None] + spread[:, None])
    return likely.max(0), NOISE[likely.argmax(0)]


def judged(error: torch.Tensor, used: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far every change is trusted (unit, change), 2 / (1 + error^2 / noise), and the new noise (unit,).

    One step of expectation maximisation of a Student t distribution with one degree of freedom. Errors are larger than
    they seem where the fit has ``used`` (unit,) degrees of freedom.
    """
    n = error.shape[1]
    squared = error**2 * (n / (n - used).clamp_min(FREE * n))[:, None]
    noise = (2 / (1 + squared / noise[:, None]) * squared).mean(1).clamp_min(float(NOISE[0]))
    return 2 / (1 + squared / noise[:, None]), noise
