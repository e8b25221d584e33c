"""Estimation of the time constant by the evidence, with a correction for measurement noise.

Measurement noise makes a time constant too short: a noisy state says less about the next state than the true state
does, and that looks like a short memory. Noise of 1 % on the rates makes the time constant three times too short. Noise
that is independent between samples does not affect the previous sample, so that states and regressors can also be
replaced by their prediction from the previous sample (two-stage least squares, with the past as instruments). If the
time constant that is estimated with instruments is much longer, the longer time constant is used.

Groups of units, single units for example, can have time constants of their own. The estimate of a group then is drawn
towards the mean of all groups, the more the less its data say (random effects; DerSimonian & Laird, Controlled Clinical
Trials 1986), so that groups which do not differ get the same time constant. The rate of a unit and its state are alike
where the nonlinearity hardly bends; the penalty on the weights tells a long memory from a unit that excites itself.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import TimeConstant, decay
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


def estimate_tau(data: TrainingData, pairs: Transitions) -> TimeConstant:
    """Estimate the time constant: the one with the largest evidence, between 1 and 100 samples, or up to 1000 samples.

    The search goes beyond 100 samples only if 100 samples have the largest evidence of all shorter time constants.

    Parameters
    ----------
    data : the training trials.
    pairs : transitions of the training trials; the regression uses the inputs of the transitions.

    Returns
    -------
    The time constant, s; with groups of units (`TrainingData.tau_group`), that of every unit (unit,).
    """
    tau_s, V = most_evident_tau(state_moments(regressors(pairs), pairs.x, pairs.x_next), data)
    return corrected_tau(data, pairs, tau_s, V)


def corrected_tau(data: TrainingData, pairs: Transitions, tau_s: TimeConstant, V: Array) -> TimeConstant:
    """Replace a time constant that measurement noise made too short by the one that is estimated with instruments.

    Parameters
    ----------
    data : the training trials, or a sample of them.
    pairs : transitions of these trials.
    tau_s : the time constant with the largest evidence, s, of all units or of each unit (unit,).
    V : (unit, regressor) weights of the next states, as `most_evident_tau` returns them.

    Returns
    -------
    The time constant, s, or the time constants (unit,); those of all units are replaced if their median is too short.
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
    return longer if np.median(longer / tau_s) > LEAST_TAU_RATIO else tau_s


def _predicted(instruments: Array, values: Array) -> Array:
    """Predict the values (pair, value) from the instruments (pair, instrument) by least squares."""
    gram = instruments.T @ instruments
    ridge = INSTRUMENT_RIDGE * np.diag(np.diag(gram) + 1e-9)
    return instruments @ np.linalg.solve(gram + ridge, instruments.T @ values)


def most_evident_tau(states: StateMoments, data: TrainingData, rounds: int = MAX_ROUNDS) -> tuple[TimeConstant, Array]:
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
    The time constant, s, or the time constants (unit,), and the weights v (unit, regressor).
    """
    for longest in LONGEST_TAU_SAMPLES:
        tau_s, V = _most_evident_tau(states, data, rounds, longest)
        if np.median(tau_s) < longest * data.dt_s * (1 - NEAR_LIMIT):
            break
    return tau_s, V


def _most_evident_tau(
    states: StateMoments, data: TrainingData, rounds: int, longest: int
) -> tuple[TimeConstant, Array]:
    """Search the time constant with the largest evidence between one sample and the longest, in samples."""
    n = data.r.shape[2]
    both, across = states
    source = source_of_regressor(data.region, both.ZZ.shape[0] - n - 1)
    unit = input_units(both.ZZ, float(both.n), source, data.n_regions)
    penalty = np.tile(unit, (data.n_regions, 1))
    least, most = (decay(data.dt_s, samples * data.dt_s, data.substeps) for samples in (1, longest))
    group = np.zeros(n, dtype=int) if data.tau_group is None else data.tau_group
    D, V = np.full(n, decay(data.dt_s, START_TAU_SAMPLES * data.dt_s, data.substeps)), torch.zeros_like(both.YZ[:n])
    upper, lower = np.zeros(n), np.zeros(n)
    for _ in range(rounds):
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
            keep = tensor(D[rows])
            noise = (ahead - 2 * keep * shared + keep**2 * left).clamp_min(LEAST_NOISE_VARIANCE)
            upper[rows], lower[rows] = (shared / noise).cpu().numpy(), (left / noise).cpu().numpy()
            V[rows] = W = W_after - keep[:, None] * W_now
            error = both.YY[n + rows] - 2 * keep * across[rows] + keep**2 * both.YY[rows]
            error = error - 2 * (W * (after - keep[:, None] * now)).sum(1) + ((W @ both.ZZ) * W).sum(1)
            undetermined = (ridge * inverse.diagonal()).expand(W.shape)
            penalty[target] = updated_penalties(W, error, undetermined, float(both.n), source, unit)
        of_groups = shrunken_shares(np.bincount(group, upper), np.bincount(group, lower), float(both.n))
        before, D = D, np.clip(of_groups, least, most)[group]
        if (np.abs(D - before) < PENALTY_TOLERANCE / 10 * (1 - D)).all():
            break
    tau_s = data.dt_s / (data.substeps * (1 - D ** (1 / data.substeps)))
    return (float(tau_s[0]) if data.tau_group is None else tau_s), V.cpu().numpy()


def shrunken_shares(upper: Array, lower: Array, n: float) -> Array:
    """Estimate the share of a state that is left after one sample, for every group of units.

    Parameters
    ----------
    upper, lower : (group,) the numerator and the denominator of the estimate of a group alone, in units of the summed
        squared noise of its units.
    n : number of transitions; ``n`` times the denominator is the inverse variance of an estimate.

    Returns
    -------
    (group,) estimates, drawn towards their mean by as much as they do not differ beyond their errors.
    """
    alone = upper / np.maximum(lower, LEAST_NOISE_VARIANCE)
    if len(alone) == 1:
        return alone
    precision = n * np.maximum(lower, LEAST_NOISE_VARIANCE)
    mean = np.average(alone, weights=precision)
    excess = (precision * (alone - mean) ** 2).sum() - (len(alone) - 1)
    spread = max(0.0, excess / (precision.sum() - (precision**2).sum() / precision.sum()))
    weight = 1 / (1 / precision + spread)
    mean = np.average(alone, weights=weight)
    return (spread * precision * alone + mean) / (spread * precision + 1)
