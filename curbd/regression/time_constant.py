"""The time constant by the evidence, and what measurement noise does to it.

A noisy state tells less of the next one than the state itself, and what it does not tell looks like a short memory:
noise of 1 % on the rates makes the time constant three times too short. Noise that is new in every sample is not in the
states of the sample before. So states and regressors are also replaced by what the sample before tells of them
(two-stage least squares, with the past as instruments), and where that makes the time constant much longer it is taken.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import decay, tensor
from curbd.regression.evidence import ROUNDS, SETTLED, SMALLEST, input_units, updated_penalties
from curbd.regression.moments import moments
from curbd.regression.transitions import TrainingData, Transitions, lag_one, regressors, source_of_regressor

Array = np.ndarray
LONGEST = 100
"""Longest time constant, in samples; the shortest is one sample."""
LASTING = 0.1
"""Lag-1 autocorrelation of the residuals, median over units, above which the past is no instrument: smoothing, or an
input that was not recorded."""
LONGER = 1.3
"""How many times longer it must be with instruments, which tell less where there is no measurement noise."""
ENOUGH = 20_000
"""Transitions, evenly spread, that are looked at with instruments."""
HAIR = 1e-6
"""Ridge on the instruments, as a share of their mean square."""


def estimate_tau(data: TrainingData, pairs: Transitions) -> float:
    """Time constant of greatest evidence, s, from one sample to 100; the inputs are those of the pairs."""
    z = regressors(pairs)
    tau_s, error = _most_evident(data, z, pairs.x, pairs.x_next)
    follows = np.flatnonzero((np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)) + 1
    if not len(follows) or np.median(lag_one(error, pairs)) > LASTING:
        return tau_s
    follows = follows[:: -(-len(follows) // ENOUGH)]
    # Penalties stay at 1: those of the evidence shrink too much where regressors are told by the past alone.
    past = np.concatenate([pairs.x[follows - 1], z[follows - 1], pairs.u[follows]], axis=1)
    told = _told(past, np.concatenate([z[follows], pairs.x[follows]], axis=1))
    longer, _ = _most_evident(data, told[:, : z.shape[1]], told[:, z.shape[1] :], pairs.x_next[follows], rounds=1)
    return longer if longer > LONGER * tau_s else tau_s


def _told(instruments: Array, values: Array) -> Array:
    """What the instruments (pair, instrument) tell of the values (pair, value)."""
    gram = instruments.T @ instruments
    return instruments @ np.linalg.solve(gram + HAIR * np.diag(np.diag(gram) + 1e-9), instruments.T @ values)


def _most_evident(data: TrainingData, z: Array, x: Array, x_next: Array, rounds: int = ROUNDS) -> tuple[float, Array]:
    """Time constant of greatest evidence, s, and what it leaves unexplained of the next states (pair, unit).

    In units of the state x_next = D x + Z v + noise: a penalty is the same ratio of variances for v = (1 - D) w as for
    the weights w of the current. Given the penalties, D is a regression of x_next on what the regressors, so
    penalised, leave of x, each unit weighted by its noise; penalties, 1 at first, and D are found in turn.
    """
    n = data.r.shape[2]
    source = source_of_regressor(data.region, z.shape[1] - n - 1)
    both = moments(z, np.concatenate([x, x_next], axis=1))
    across = tensor((x * x_next).sum(0))
    unit = input_units(both.ZZ, float(both.n), source, data.n_regions)
    penalty = np.tile(unit, (data.n_regions, 1))
    least, most = (decay(data.dt_s, samples * data.dt_s, data.substeps) for samples in (1, LONGEST))
    D, V = decay(data.dt_s, 10 * data.dt_s, data.substeps), torch.zeros_like(both.YZ[:n])
    for _ in range(rounds):
        upper = lower = 0.0
        for target in range(data.n_regions):
            rows = np.flatnonzero(data.region == target)
            ridge = tensor(penalty[target][source])
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(both.ZZ + torch.diag(ridge)))
            now, then = both.YZ[rows], both.YZ[n + rows]
            W_now, W_then = now @ inverse, then @ inverse
            left = both.YY[rows] - (W_now * now).sum(1)
            shared = across[rows] - (W_now * then).sum(1)
            ahead = both.YY[n + rows] - (W_then * then).sum(1)
            noise = (ahead - 2 * D * shared + D**2 * left).clamp_min(SMALLEST)
            upper += float((shared / noise).sum())
            lower += float((left / noise).sum())
            V[rows] = W = W_then - D * W_now
            error = both.YY[n + rows] - 2 * D * across[rows] + D**2 * both.YY[rows]
            error = error - 2 * (W * (then - D * now)).sum(1) + ((W @ both.ZZ) * W).sum(1)
            unknown = (ridge * inverse.diagonal()).expand(W.shape)
            penalty[target] = updated_penalties(W, error, unknown, float(both.n), source, unit)
        before, D = D, float(np.clip(upper / max(lower, SMALLEST), least, most))
        if abs(D - before) < SETTLED / 10 * (1 - D):
            break
    step = data.substeps * (1 - D ** (1 / data.substeps))
    return data.dt_s / step, x_next - D * x - z @ V.cpu().numpy().T
