"""Penalties by the evidence: how probable the data are when the weights are integrated out.

A ridge penalty is the ratio of the noise variance to the prior variance of a weight. The evidence judges a recording as
it unfolds, every sample in the light of all before it; the error of held-out samples one by one, as cross-validation
takes it, prefers too much shrinkage in a network that chooses its own regressors, and a time constant that is too long
with it. Where the data have no noise of their own, the evidence runs to the smallest penalty there is and says nothing.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import tensor
from curbd.regression.moments import GRID, Moments, squared_error

Array = np.ndarray
ROUNDS = 60
"""Rounds of a fixed point, at most."""
SETTLED = 0.01
"""Relative change below which a penalty has settled."""
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
