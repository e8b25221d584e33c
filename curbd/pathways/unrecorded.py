"""Signs of what was not recorded, in what the present rates and inputs leave unexplained of a region's current.

If all that drives a region is recorded, the present is all that its next state depends on, and what remains is noise
that is new in every bin and in every unit. Two signs tell that it is not so.

Memory: the past of the recorded units tells what their present does not. Units that were not recorded carry that past,
as each integrates what it receives with the time constant of a unit; measurement noise, smoothing, an indicator and a
wrong time constant leave the same sign. The rates, filtered with the time constant, are offered to the regression as
further regressors, and the evidence says whether they are needed.

Sharing: the residuals of different units go up and down together over several bins, as under an input from outside.
Fluctuations of one unit alone, or common to units within a bin only, do not count, nor does what a flexible fit takes
from every unit's own residual.
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
PENALTIES = 10.0 ** np.arange(-2, 9, 0.25)
"""Penalties on the past that are tried, for regressors of unit power."""
ROUNDING = 1e-10
"""Share of the squared current below which a residual is rounding."""
SLOW = 0.8
"""What a fluctuation keeps from bin to bin in the sign of sharing: about five bins count."""
SEGMENT = 25
"""Bins of a segment, which keeps nearly all of these covariances."""
SIGN_DRAWS = 50
"""Draws of random signs behind the null of sharing."""
SIGN_SEED = 0
"""Seed of these draws."""


class Hints(NamedTuple):
    """Signs of what was not recorded, (target region,) each.

    memory_nats : log Bayes factor for a dependence on the past of the recorded units, at least 0.
    shared_sd : how far the shared slow fluctuations exceed the largest that independent units would show.
    """

    memory_nats: Array
    shared_sd: Array


def hints(z: Array, y: Array, region: Array, left: float) -> Hints:
    """Both signs, for a recording and a time constant; they do not depend on how the network was fitted.

    Parameters
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) total current of the same transitions.
    region : (unit,) number of each unit's region.
    left : D, what is left of a state after one bin without input.
    """
    n = len(region)
    complete = np.isfinite(z).all(2) & np.isfinite(y).all(2)
    total, source = moments(z[complete], y[complete]), source_of_regressor(region, z.shape[2] - n - 1)
    penalty = evidence_penalties(total, source, np.ones((int(region.max()) + 1, source.max() + 1)))
    W = solve_blocks(total, source, penalty)
    residual = np.where(complete[..., None], y - z @ W.T, 0.0)
    before = past(z[..., :n], left)[complete]
    memory, shared = np.empty(len(penalty)), np.empty(len(penalty))
    for target, block in enumerate(penalty):
        inside = region == target
        memory[target] = log_odds(z[complete], before, y[complete][:, inside], tensor(block[source]))
        meaningful = (residual[..., inside] ** 2).sum() > ROUNDING * (y[complete][:, inside] ** 2).sum()
        shared[target] = sharing(residual[..., inside], complete) if meaningful else 0.0
    return Hints(memory, shared)


def past(r: Array, left: float) -> Array:
    """Past of the rates (trial, time, unit): f_next = D f + (1 - D) r, from 0 at the start and after every gap."""
    out = np.zeros_like(r)
    for time in range(1, r.shape[1]):
        now = left * out[:, time - 1] + (1 - left) * r[:, time - 1]
        out[:, time] = np.where(np.isfinite(r[:, time - 1]).all(1, keepdims=True), now, 0.0)
    return out


def log_odds(z: Array, further: Array, y: Array, ridge: torch.Tensor) -> float:
    """Log Bayes factor, in nats, for a dependence of y (pair, unit) on further regressors (pair, further) beside z.

    The evidence with one penalty for all of them, the best one, over the evidence without; ridge (regressor,) is the
    penalty on z.
    """
    present, current, more = tensor(z), tensor(y), tensor(further)
    more = more / more.square().mean(0).sqrt().clamp_min(1e-12)
    factor = torch.linalg.cholesky(present.T @ present + torch.diag(ridge))
    shared = torch.linalg.solve_triangular(factor, present.T @ more, upper=False)
    known = torch.linalg.solve_triangular(factor, present.T @ current, upper=False)
    own, direction = torch.linalg.eigh(more.T @ more - shared.T @ shared)
    strength = tensor(PENALTIES)
    scale = own.clamp_min(0)[:, None] + strength
    told = direction.T @ (more.T @ current - shared.T @ known)
    squares = current.square().sum(0)
    rest = torch.maximum(squares - known.square().sum(0), ROUNDING * squares).clamp_min(1e-300)
    gain = (told.square()[..., None] / scale[:, None]).sum(0) / rest[:, None]
    fit = -len(y) * torch.log((1 - gain).clamp_min(ROUNDING)).sum(0)
    volume = y.shape[1] * torch.log(scale / strength).sum(0)
    return max(float((fit - volume).max()) / 2, 0.0)


def sharing(residual: Array, complete: Array) -> float:
    """How far the residuals (trial, time, unit) of a region fluctuate together beyond independent units.

    Covariances of different units over time lags of 1 bin and more, weighted by SLOW^lag, form a symmetric matrix. Its
    largest eigenvalue is compared with those of the same residuals after the sign of every unit was drawn anew in every
    segment, which leaves each unit as it is and makes the units independent: the excess over their mean, in standard
    deviations.

    complete : (trial, time) where the residual is known; it is 0 elsewhere.
    """
    rng = np.random.default_rng(SIGN_SEED)
    n_trials, n_bins, n = residual.shape
    pieces = -(-n_bins // SEGMENT)
    e = np.zeros((n_trials, pieces * SEGMENT, n))
    e[:, :n_bins] = residual / np.sqrt((residual**2).sum((0, 1)) / complete.sum()).clip(1e-300)
    e = e.reshape(n_trials * pieces, SEGMENT, n)
    before = lfilter([0, 1], [1, -SLOW], e, axis=1)

    def largest(sign: Array | float) -> float:
        covariance = (sign * e).reshape(-1, n).T @ (sign * before).reshape(-1, n)
        together = covariance + covariance.T
        np.fill_diagonal(together, 0.0)
        return float(np.linalg.eigvalsh(together)[-1])

    null = [largest(rng.choice([-1.0, 1.0], size=(len(e), 1, n))) for _ in range(SIGN_DRAWS)]
    spread = float(np.std(null))
    return (largest(1.0) - float(np.mean(null))) / spread if spread > 0 else 0.0
