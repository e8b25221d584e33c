"""Estimation of the time constant by the evidence, with a correction for measurement noise.

Measurement noise makes a time constant too short: a noisy state says less about the next state than the true state
does, and that looks like a short memory. Noise of 1 % on the rates makes the time constant three times too short. Noise
that is independent between samples does not affect the previous sample, so that states and regressors can also be
replaced by their prediction from the previous sample (two-stage least squares, with the past as instruments). If the
time constant that is estimated with instruments is much longer, the longer time constant is used.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import decay
from curbd.network.tensors import tensor
from curbd.regression.evidence import (
    LEAST_NOISE_VARIANCE,
    MAX_ROUNDS,
    PENALTY_TOLERANCE,
    input_units,
    updated_penalties,
)
from curbd.regression.state_moments import StateMoments, state_moments
from curbd.regression.time_constant_limits import MAX_TAU_SAMPLES, NEAR_LIMIT
from curbd.regression.transitions import TrainingData, Transitions, lag_one, regressors, source_of_regressor

Array = np.ndarray
LONGEST_TAU_SAMPLES = (MAX_TAU_SAMPLES, 1000)
"""Longest time constants of successive searches, in samples; a search follows if the one before ended at its limit."""
START_TAU_SAMPLES = 10
"""Time constant from which the iteration starts, in samples."""
MAX_INSTRUMENT_AUTOCORRELATION = 0.1
"""Lag-1 autocorrelation of the residuals, median over units, above which the past cannot serve as an instrument,
because the rates were smoothed or an input was not recorded."""
LEAST_TAU_RATIO = 1.3
"""The time constant that is estimated with instruments is used if it is longer by this factor than the time constant
that is estimated without. The estimate with instruments is less accurate in data without measurement noise."""
INSTRUMENT_TRANSITIONS = 20_000
"""Largest number of transitions that are used with instruments, evenly spread."""
INSTRUMENT_RIDGE = 1e-6
"""Ridge on the instruments, as a share of their sums of squares."""


def estimate_tau(data: TrainingData, pairs: Transitions) -> float:
    """Estimate the time constant: the one with the largest evidence, between 1 and 100 samples, or up to 1000 samples.

    The search goes beyond 100 samples only if 100 samples have the largest evidence of all shorter time constants.

    Parameters
    ----------
    data : the training trials.
    pairs : transitions of the training trials; the regression uses the inputs of the transitions.

    Returns
    -------
    The time constant, s.
    """
    tau_s, V = most_evident_tau(state_moments(regressors(pairs), pairs.x, pairs.x_next), data)
    return corrected_tau(data, pairs, tau_s, V)


def corrected_tau(data: TrainingData, pairs: Transitions, tau_s: float, V: Array) -> float:
    """Replace a time constant that measurement noise made too short by the one that is estimated with instruments.

    Parameters
    ----------
    data : the training trials, or a sample of them.
    pairs : transitions of these trials.
    tau_s : the time constant with the largest evidence, s.
    V : (unit, regressor) weights of the next states, as `most_evident_tau` returns them.

    Returns
    -------
    The time constant, s.
    """
    z, D = regressors(pairs), decay(data.dt_s, tau_s, data.substeps)
    error = pairs.x_next - D * pairs.x - z @ V.T
    follows = np.flatnonzero((np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)) + 1
    if not len(follows) or np.median(lag_one(error, pairs)) > MAX_INSTRUMENT_AUTOCORRELATION:
        return tau_s
    follows = follows[:: -(-len(follows) // INSTRUMENT_TRANSITIONS)]
    past = np.concatenate([pairs.x[follows - 1], z[follows - 1], pairs.u[follows]], axis=1)
    predicted = _predicted(past, np.concatenate([z[follows], pairs.x[follows]], axis=1))
    z_predicted, x_predicted = predicted[:, : z.shape[1]], predicted[:, z.shape[1] :]
    # Penalties stay at 1: the evidence shrinks too much if the regressors are predictions from the past.
    longer, _ = most_evident_tau(state_moments(z_predicted, x_predicted, pairs.x_next[follows]), data, rounds=1)
    return longer if longer > LEAST_TAU_RATIO * tau_s else tau_s


def _predicted(instruments: Array, values: Array) -> Array:
    """Predict the values (pair, value) from the instruments (pair, instrument) by least squares."""
    gram = instruments.T @ instruments
    ridge = INSTRUMENT_RIDGE * np.diag(np.diag(gram) + 1e-9)
    return instruments @ np.linalg.solve(gram + ridge, instruments.T @ values)


def most_evident_tau(states: StateMoments, data: TrainingData, rounds: int = MAX_ROUNDS) -> tuple[float, Array]:
    """Estimate the time constant with the largest evidence, and the weights of the next states.

    The regression predicts states: x_next = D x + Z v + noise, where D is the share of a state that is left after one
    sample, Z are the regressors, and v = (1 - D) w with the weights w of the current. A penalty is one ratio of
    variances for v and for w. Given the penalties, D is the coefficient of a regression of x_next on the part of x that
    the penalised regressors do not explain, with each unit weighted by 1 / noise variance. Penalties (1 at first) and D
    are estimated in turn.

    Parameters
    ----------
    states : second moments of the states and the regressors.
    data : training trials, for their regions and their sample step.
    rounds : largest number of rounds.

    Returns
    -------
    The time constant, s, and the weights v (unit, regressor).
    """
    for longest in LONGEST_TAU_SAMPLES:
        tau_s, V = _most_evident_tau(states, data, rounds, longest)
        if tau_s < longest * data.dt_s * (1 - NEAR_LIMIT):
            break
    return tau_s, V


def _most_evident_tau(states: StateMoments, data: TrainingData, rounds: int, longest: int) -> tuple[float, Array]:
    """Search the time constant with the largest evidence between one sample and the longest, in samples."""
    n = data.r.shape[2]
    both, across = states
    source = source_of_regressor(data.region, both.ZZ.shape[0] - n - 1)
    unit = input_units(both.ZZ, float(both.n), source, data.n_regions)
    penalty = np.tile(unit, (data.n_regions, 1))
    least, most = (decay(data.dt_s, samples * data.dt_s, data.substeps) for samples in (1, longest))
    D, V = decay(data.dt_s, START_TAU_SAMPLES * data.dt_s, data.substeps), torch.zeros_like(both.YZ[:n])
    for _ in range(rounds):
        upper = lower = 0.0
        for target in range(data.n_regions):
            rows = np.flatnonzero(data.region == target)
            ridge = tensor(penalty[target][source])
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(both.ZZ + torch.diag(ridge)))
            now, after = both.YZ[rows], both.YZ[n + rows]
            W_now, W_after = now @ inverse, after @ inverse
            # Penalised sums of squares of x and x_next, and of products of both, that the regressors leave over.
            left = both.YY[rows] - (W_now * now).sum(1)
            shared = across[rows] - (W_now * after).sum(1)
            ahead = both.YY[n + rows] - (W_after * after).sum(1)
            noise = (ahead - 2 * D * shared + D**2 * left).clamp_min(LEAST_NOISE_VARIANCE)
            upper += float((shared / noise).sum())
            lower += float((left / noise).sum())
            V[rows] = W = W_after - D * W_now
            error = both.YY[n + rows] - 2 * D * across[rows] + D**2 * both.YY[rows]
            error = error - 2 * (W * (after - D * now)).sum(1) + ((W @ both.ZZ) * W).sum(1)
            undetermined = (ridge * inverse.diagonal()).expand(W.shape)
            penalty[target] = updated_penalties(W, error, undetermined, float(both.n), source, unit)
        before, D = D, float(np.clip(upper / max(lower, LEAST_NOISE_VARIANCE), least, most))
        if abs(D - before) < PENALTY_TOLERANCE / 10 * (1 - D):
            break
    step = data.substeps * (1 - D ** (1 / data.substeps))
    return data.dt_s / step, V.cpu().numpy()
