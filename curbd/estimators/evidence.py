"""Penalties and the time constant by the evidence: how probable the data are when the weights are integrated out.

A ridge penalty is the ratio of the noise variance to the prior variance of a weight. The evidence judges a recording as
it unfolds, every sample in the light of all before it; the error of held-out samples one by one, as cross-validation
takes it, prefers too much shrinkage in a network that chooses its own regressors, and a time constant that is too long
with it. Where the data have no noise of their own, the evidence runs to the smallest penalty there is and says nothing.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.estimators.regression import GRID, Moments, moments, squared_error
from curbd.estimators.transitions import TrainingData, Transitions, regressors, sources
from curbd.network import decay, tensor

Array = np.ndarray
ROUNDS = 60
"""Rounds of a fixed point, at most."""
SETTLED = 0.01
"""Relative change below which a penalty has settled; a time constant must settle ten times better."""
LONGEST = 100
"""Longest time constant, in samples; the shortest is one sample."""
SMALLEST = 1e-14
"""Noise variances below this count as this."""


def evidence_penalties(
    total: Moments,
    source: Array,
    start: Array,
    *,
    gram: torch.Tensor | None = None,
    rounds: int = ROUNDS,
) -> Array:
    """Penalty of each block, (target region, source), by MacKay's fixed point of the evidence.

    A block's penalty is the noise variance over the variance of its weights, each weight counted by how far the data
    determine it (MacKay, Neural Computation 1992). So an input that does not reach a region, or a bias that is not
    there, is not left free to imitate the mean, or the course, of a current. Penalties stay inside the range of the
    grid of cross-validation, those of inputs in units of their mean square.

    Parameters
    ----------
    total : statistics of the regression.
    source : (regressor,) number of each regressor's source.
    start : (target region, source) penalties to start from.
    gram : (regressor, regressor) information on the weights, where it is less than ``total.ZZ``.
    rounds : rounds, at most.
    """
    known = total.ZZ if gram is None else gram
    penalty, unit = start.copy(), input_units(total.ZZ, float(total.n), source, len(start))
    for target in range(len(penalty)):
        rows = np.flatnonzero(source == target)
        for _ in range(rounds):
            before = penalty[target].copy()
            ridge = tensor(before[source])
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(known + torch.diag(ridge)))
            full = inverse if gram is None else torch.linalg.inv(total.ZZ + torch.diag(ridge))
            W = total.YZ[rows] @ full
            error, unknown = squared_error(total, W, rows), (ridge * inverse.diagonal()).expand(W.shape)
            penalty[target] = updated_penalties(W, error, unknown, float(total.n), source, unit)
            if np.abs(np.log(penalty[target] / before)).max() < SETTLED:
                break
    return penalty


def input_units(gram: torch.Tensor, n: float, source: Array, n_regions: int) -> Array:
    """(source,) unit of the penalties: 1 for regions and the bias, the mean square of an input.

    gram : (regressor, regressor) scatter of n pairs.
    """
    power = (gram.diagonal() / n).cpu().numpy()
    unit = np.ones(source.max() + 1)
    outside = source >= n_regions
    unit[source[outside]] = np.where(power[outside] > 0, power[outside], 1)
    return unit


def updated_penalties(
    W: torch.Tensor, error: torch.Tensor, unknown: torch.Tensor, n: float, source: Array, unit: Array
) -> Array:
    """(source,) penalties from the weights of a target region (row, regressor) and their squared error (row,).

    unknown : (row, regressor) share of each weight that the data do not determine. n : number of pairs.
    unit : (source,) of the penalties.
    """
    determined = (1 - unknown).cpu().numpy()
    noise = np.maximum(error.cpu().numpy(), 0) / np.maximum(n - determined.sum(1), 1.0)
    power = unit * np.bincount(source, (W.cpu().numpy() ** 2 / np.maximum(noise, SMALLEST)[:, None]).sum(0))
    return unit * np.clip(np.bincount(source, determined.sum(0)) / np.maximum(power, 1e-7), GRID[0], GRID[-1])


def is_inside(penalty: Array) -> bool:
    """Whether the evidence has its optimum, for every pair of regions, above the smallest penalty there is.

    A very large one is an absent block.
    """
    return bool((penalty[:, : len(penalty)] > GRID[0]).all())


def held_out_likelihood(folds: Moments, source: Array, penalty: Array) -> float:
    """Log likelihood of every fold given the others, the weights integrated out, mean over folds; natural units.

    Of a fold as a whole: log N(Y; Z W, s (1 + Z S Z')), so that its first samples may tell about the later ones. The
    noise variance s is that of the other folds.
    """
    likelihood = 0.0
    without = folds.without()
    for k in range(len(folds.n)):
        fold, others = (Moments(*(part[k] for part in parts)) for parts in (folds, without))
        for target, block in enumerate(penalty):
            rows = np.flatnonzero(source == target)
            ridge = tensor(block[source])
            error_of_others, factor = _penalised(others, ridge, rows)
            error_of_all, wider = _penalised(others.plus(fold), ridge, rows)
            inverse = torch.cholesky_inverse(factor)
            free = (others.n - (inverse * others.ZZ).sum()).clamp_min(1.0)
            noise = squared_error(others, others.YZ[rows] @ inverse, rows).clamp_min(SMALLEST) / free
            volume = 2 * (wider.diagonal().log() - factor.diagonal().log()).sum()
            missed = (error_of_all - error_of_others) / noise
            likelihood -= float((fold.n * torch.log(2 * np.pi * noise) + volume + missed).sum()) / 2
    return likelihood / len(folds.n)


def _penalised(m: Moments, ridge: torch.Tensor, rows: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """(row,) least penalised squared error, and the Cholesky factor of ZZ + ridge."""
    factor = torch.linalg.cholesky(m.ZZ + torch.diag(ridge))
    whitened = torch.linalg.solve_triangular(factor, m.YZ[rows].mT, upper=False)
    return m.YY[rows] - (whitened**2).sum(0), factor


def estimate_tau(data: TrainingData, pairs: Transitions) -> float:
    """Time constant of greatest evidence, s, from one sample to 100; the inputs are those of the pairs.

    In units of the state x_next = D x + Z v + noise: a penalty is the same ratio of variances for v = (1 - D) w as for
    the weights w of the current. Given the penalties, D is a regression of x_next on what the regressors, so
    penalised, leave of x, each unit weighted by its noise; penalties and D are found in turn.
    """
    n = data.r.shape[2]
    source = sources(data.region, pairs.u.shape[1])
    both = moments(regressors(pairs), np.concatenate([pairs.x, pairs.x_next], axis=1))
    across = tensor((pairs.x * pairs.x_next).sum(0))
    unit = input_units(both.ZZ, float(both.n), source, data.n_regions)
    penalty = np.tile(unit, (data.n_regions, 1))
    least, most = (decay(data.dt_s, samples * data.dt_s, data.substeps) for samples in (1, LONGEST))
    D = decay(data.dt_s, 10 * data.dt_s, data.substeps)
    for _ in range(ROUNDS):
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
            W = W_then - D * W_now
            error = both.YY[n + rows] - 2 * D * across[rows] + D**2 * both.YY[rows]
            error = error - 2 * (W * (then - D * now)).sum(1) + ((W @ both.ZZ) * W).sum(1)
            unknown = (ridge * inverse.diagonal()).expand(W.shape)
            penalty[target] = updated_penalties(W, error, unknown, float(both.n), source, unit)
        before, D = D, float(np.clip(upper / max(lower, SMALLEST), least, most))
        if abs(D - before) < SETTLED / 10 * (1 - D):
            break
    step = data.substeps * (1 - D ** (1 / data.substeps))
    return data.dt_s / step
