"""Hints of unrecorded units and inputs, from the part of a region's current that recorded sources do not explain.

If everything that drives a region is recorded, its next state depends on the present alone, and what remains is noise
that is new in every bin and in every unit. Two hints speak against this assumption.

Memory: the past of the recorded units predicts a part of the current that their present does not predict. Unrecorded
units store the past, because each of them integrates its inputs with the time constant of a unit. Measurement noise,
smoothing, a slow indicator and a wrong time constant leave this hint, too. The rates, filtered with the time constant,
are added to the regression as additional regressors, and the evidence tells whether the past is needed.

Sharing: the residuals of different units rise and fall together over several bins, as under an input from outside the
recording. Fluctuations of single units do not count, nor do fluctuations that units share within a single bin only, nor
the parts of the residuals of single units that a flexible fit absorbs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.signal import lfilter

from curbd.network.tensors import tensor
from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import moments, solve_blocks
from curbd.regression.transitions import source_of_regressor

Array = np.ndarray
PAST_PENALTIES = 10.0 ** np.arange(-2, 9, 0.25)
"""Penalties on the past that are tried, for regressors of unit power."""
RESIDUAL_ROUNDING_SHARE = 1e-10
"""Share of the squared current below which a residual is a rounding error."""
SLOW_FLUCTUATION_DECAY = 0.8
"""Weight of a lag of one bin in the hint of sharing; a lag of k bins has the k-th power, so about five bins count."""
SEGMENT_BINS = 25
"""Number of bins in a segment, inside which a unit keeps its random sign; longer than nearly all lags that count."""
SIGN_DRAWS = 50
"""Number of draws of random signs in the null of the hint of sharing."""
SIGN_SEED = 0
"""Seed for the random signs."""


class Hints(NamedTuple):
    """Hints of unrecorded units and inputs.

    Attributes
    ----------
    memory_nats : (target region,) log Bayes factor for a dependence on the past of the recorded units, at least 0.
    shared_sd : (target region,) by how many standard deviations the shared slow fluctuations exceed those that
        independent units show.
    """

    memory_nats: Array
    shared_sd: Array


def hints(z: Array, y: Array, region_of_unit: Array, D: float) -> Hints:
    """Compute both hints of unrecorded units and inputs; they do not depend on how the network was fitted.

    Parameters
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) total current of these transitions, in the (dimensionless) units of the state x in
        tau dx/dt = -x + J r + B u + b.
    region_of_unit : (unit,) index of each unit's region.
    D : share of a state that is left after one bin without input (see `curbd.network.equation.decay`).

    Returns
    -------
    The hint of memory and the hint of sharing, for every target region.
    """
    n_units = len(region_of_unit)
    complete = np.isfinite(z).all(2) & np.isfinite(y).all(2)
    total, source = moments(z[complete], y[complete]), source_of_regressor(region_of_unit, z.shape[2] - n_units - 1)
    penalty = evidence_penalties(total, source, np.ones((int(region_of_unit.max()) + 1, source.max() + 1)))
    W = solve_blocks(total, source, penalty)
    residual = np.where(complete[..., None], y - z @ W.T, 0.0)
    past_rates = past(z[..., :n_units], D)[complete]
    memory, shared = np.empty(len(penalty)), np.empty(len(penalty))
    for target, block in enumerate(penalty):
        units = region_of_unit == target
        memory[target] = log_odds(z[complete], past_rates, y[complete][:, units], tensor(block[source]))
        rounding = RESIDUAL_ROUNDING_SHARE * (y[complete][:, units] ** 2).sum()
        meaningful = (residual[..., units] ** 2).sum() > rounding
        shared[target] = sharing(residual[..., units], complete) if meaningful else 0.0
    return Hints(memory_nats=memory, shared_sd=shared)


def past(r: Array, D: float) -> Array:
    """Filter rates (trial, time, unit) over their past: f_next = D f + (1 - D) r, from 0 after every gap."""
    filtered = np.zeros_like(r)
    for time in range(1, r.shape[1]):
        updated = D * filtered[:, time - 1] + (1 - D) * r[:, time - 1]
        filtered[:, time] = np.where(np.isfinite(r[:, time - 1]).all(1, keepdims=True), updated, 0.0)
    return filtered


def log_odds(z: Array, further: Array, y: Array, ridge: torch.Tensor) -> float:
    """Compute the log Bayes factor for a dependence of the current on additional regressors.

    The Bayes factor compares the evidence with and without the additional regressors. The additional regressors share
    one penalty, the best of `PAST_PENALTIES`.

    Parameters
    ----------
    z : (pair, regressor) regressors of the present: rates, inputs and a constant.
    further : (pair, additional regressor) additional regressors, for example the past of the rates.
    y : (pair, unit) currents.
    ridge : (regressor,) penalties on the regressors of the present.

    Returns
    -------
    The log Bayes factor in nats, at least 0.
    """
    present, current, added = tensor(z), tensor(y), tensor(further)
    added = added / added.square().mean(0).sqrt().clamp_min(1e-12)
    factor = torch.linalg.cholesky(present.T @ present + torch.diag(ridge))
    added_by_present = torch.linalg.solve_triangular(factor, present.T @ added, upper=False)
    current_by_present = torch.linalg.solve_triangular(factor, present.T @ current, upper=False)
    # The additional regressors minus what the present regressors explain of them, in their principal directions.
    power, direction = torch.linalg.eigh(added.T @ added - added_by_present.T @ added_by_present)
    product = direction.T @ (added.T @ current - added_by_present.T @ current_by_present)
    penalty = tensor(PAST_PENALTIES)
    scale = power.clamp_min(0)[:, None] + penalty
    squares = current.square().sum(0)
    unexplained = torch.maximum(squares - current_by_present.square().sum(0), RESIDUAL_ROUNDING_SHARE * squares)
    gain = (product.square()[..., None] / scale[:, None]).sum(0) / unexplained.clamp_min(1e-300)[:, None]
    fit = -len(y) * torch.log((1 - gain).clamp_min(RESIDUAL_ROUNDING_SHARE)).sum(0)
    volume = y.shape[1] * torch.log(scale / penalty).sum(0)
    return max(float((fit - volume).max()) / 2, 0.0)


def sharing(residual: Array, complete: Array) -> float:
    """Measure how far the residuals of a region fluctuate together, in standard deviations beyond independent units.

    Covariances of different units over lags of one bin and more, weighted by `SLOW_FLUCTUATION_DECAY` to the power of
    the lag, form a symmetric matrix. The largest eigenvalue of this matrix is compared with its values under random
    signs: the residual of every unit is multiplied by 1 or -1, drawn for every segment of `SEGMENT_BINS` bins. Random
    signs keep the slow fluctuations of each unit and make the units independent.

    Parameters
    ----------
    residual : (trial, time, unit) residuals of the current, 0 where missing.
    complete : (trial, time) bool, True where the residual is known.

    Returns
    -------
    The excess, in standard deviations of the null.
    """
    rng = np.random.default_rng(SIGN_SEED)
    n_trials, n_bins, n_units = residual.shape
    n_segments = -(-n_bins // SEGMENT_BINS)
    e = np.zeros((n_trials, n_segments * SEGMENT_BINS, n_units))
    e[:, :n_bins] = residual / np.sqrt((residual**2).sum((0, 1)) / complete.sum()).clip(1e-300)
    e = e.reshape(n_trials * n_segments, SEGMENT_BINS, n_units)
    earlier = lfilter([0, 1], [1, -SLOW_FLUCTUATION_DECAY], e, axis=1)

    def largest_eigenvalue(sign: Array | float) -> float:
        covariance = (sign * e).reshape(-1, n_units).T @ (sign * earlier).reshape(-1, n_units)
        symmetric = covariance + covariance.T
        np.fill_diagonal(symmetric, 0.0)
        return float(np.linalg.eigvalsh(symmetric)[-1])

    null = [largest_eigenvalue(rng.choice([-1.0, 1.0], size=(len(e), 1, n_units))) for _ in range(SIGN_DRAWS)]
    spread = float(np.std(null))
    return (largest_eigenvalue(1.0) - float(np.mean(null))) / spread if spread > 0 else 0.0
