"""One-step regression with a sparse prior: in every block most weights may be exactly zero.

Regions are joined by few of all possible connections, and regressors of one region resemble each other: a ridge
penalty smears a current over all of them. Here every weight of block (t, s) is zero with probability 1 - pi_ts and
N(0, v_ts) otherwise. The posterior is approximated by expectation propagation (Hernandez-Lobato, Hernandez-Lobato &
Suarez, Machine Learning 2015), which keeps the full covariance of a unit's weights; pi and v are re-estimated on the
way, so that a dense block simply ends with pi near 1.

Expectation propagation understates how uncertain weights are that could stand in for one another, and pi and v are not
known as well as it takes them to be. How much that is shows on networks that are known: weights are drawn from the
prior that was found, currents are made of them with the recorded rates and the estimated noise, and the same regression
is run on these. The noise variance of the posterior is multiplied by how much its intervals miss.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.config import Sparse
from curbd.ensemble import Fit, Posterior
from curbd.estimators.one_step import Regression, posterior, regress
from curbd.estimators.regression import INPUT_PENALTY, Moments, moments
from curbd.estimators.transitions import TrainingData, as_network, regressors, targets, transitions
from curbd.network import tensor

Array = np.ndarray
DAMPING = 0.7
"""Share of the way that a site goes to its new value."""
SETTLE = 3
"""Rounds before the probabilities and scales are re-estimated."""
START = 0.1
"""Probability that a weight is not zero, to begin with."""
LEAST_NOISE = 1e-12
"""Smallest noise variance: data without any noise must not divide by it."""


class Blocks(NamedTuple):
    """Prior of one target region's rows: pi and v (source region,)."""

    probability: torch.Tensor
    variance: torch.Tensor


class Rows(NamedTuple):
    """Posterior of some rows, mean and ridge (row, regressor), and the prior that was found for them."""

    mean: torch.Tensor
    ridge: torch.Tensor
    prior: Blocks


def sparse(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """Fit with the sparse prior, from the ridge fit; ``rng`` draws the networks that the intervals are measured on.

    The noise variance stays that of the ridge fit: re-estimated on the way, it shrinks with every weight that is
    given up to it wherever the data have no noise of their own, and the currents get worse.

    Returns
    -------
    The network (posterior means), the ridge penalties it started from, and its posterior.
    """
    first = regress(data, options.folds, options.penalties)
    pairs = transitions(data)
    noise = np.maximum(posterior(first, data, pairs).noise_variance, LEAST_NOISE)
    y = targets(pairs, data.dt_s, first.network.tau_s, data.substeps)
    order = np.argsort(data.region, kind="stable").argsort()
    network, total, ridge, parts = first.network, first.total, np.zeros(0), list[Rows]()
    # Two rounds settle the rates between samples, as in the ridge fit.
    for _ in range(2 if data.substeps > 1 else 1):
        total = moments(regressors(pairs, network), y)
        parts = [_rows(first, total, data, region, noise, options.rounds) for region in range(data.n_regions)]
        mean = torch.cat([part.mean for part in parts]).cpu().numpy()[order]
        ridge = torch.cat([part.ridge for part in parts]).cpu().numpy()[order]
        network = as_network(mean, data, network.tau_s)
    missed = [_missed(first, total, data, region, noise, part, options, rng) for region, part in enumerate(parts)]
    known = Posterior(noise * np.array(missed)[data.region], total.ZZ.cpu().numpy(), ridge)
    return Fit(network, first.penalty, known, penalty_by=first.penalty_by)


def _rows(first: Regression, total: Moments, data: TrainingData, target: int, variances: Array, rounds: int) -> Rows:
    """Expectation propagation for all units of a target region at once."""
    rows = np.flatnonzero(data.region == target)
    n = len(data.region)
    source = torch.as_tensor(data.region, device=total.ZZ.device)
    member = torch.nn.functional.one_hot(source, data.n_regions).to(torch.float64)
    YZ, ZZ = total.YZ[rows], total.ZZ
    others = tensor(np.concatenate([INPUT_PENALTY * first.input_power, [1e-9]]))
    noise = tensor(variances[rows])
    block = tensor(first.penalty[target])
    prior = Blocks(torch.full_like(block, START), noise.mean() / (START * block))
    # Sites start as the Gaussian prior of the ridge fit.
    precision = block[source] / noise[:, None]
    shift = torch.zeros_like(precision)
    mean, ridge = torch.zeros_like(YZ), torch.zeros_like(YZ)
    for number in range(rounds):
        ridge = torch.cat([precision * noise[:, None], others.expand(len(rows), -1)], 1)
        factor = torch.linalg.cholesky(ZZ + torch.diag_embed(ridge))
        variance = noise[:, None] * (torch.linalg.inv_ex(factor)[0] ** 2).sum(1)
        right = YZ.clone()
        right[:, :n] += shift * noise[:, None]
        mean = torch.cholesky_solve(right[..., None], factor)[..., 0]
        chance, slab, new_precision, new_shift, proper = _tilted(
            mean[:, :n], variance[:, :n], precision, shift, prior, source
        )
        if number >= SETTLE:
            expected = (chance @ member).sum(0)
            share = (expected / (member.sum(0) * len(rows))).clamp(0.5 / n, 1 - 0.5 / n)
            prior = Blocks(share, ((chance * slab) @ member).sum(0) / expected.clamp_min(1e-9))
        precision = torch.where(proper, precision + DAMPING * (new_precision - precision), precision)
        shift = torch.where(proper, shift + DAMPING * (new_shift - shift), shift)
    return Rows(mean, ridge, prior)


def _missed(
    first: Regression,
    total: Moments,
    data: TrainingData,
    target: int,
    variances: Array,
    found: Rows,
    options: Sparse,
    rng: np.random.Generator,
) -> float:
    """Mean squared error of the currents over the one that the posterior expects, on weights drawn from the prior.

    Mean over the units of the target region and over the sources, at least 1.
    """
    rows, n = np.flatnonzero(data.region == target), len(data.region)
    noise = tensor(variances[rows])
    probability, size = (part.cpu().numpy()[data.region] for part in found.prior)
    W = found.mean.clone()
    present = rng.random((len(rows), n)) < probability
    W[:, :n] = tensor(present * np.sqrt(size) * rng.standard_normal((len(rows), n)))
    scatter = torch.linalg.cholesky(total.ZZ + torch.diag(1e-9 * total.ZZ.diagonal()))
    YZ = total.YZ.clone()
    YZ[rows] = W @ total.ZZ + noise.sqrt()[:, None] * (tensor(rng.standard_normal(W.shape)) @ scatter.T)
    again = _rows(first, total._replace(YZ=YZ), data, target, variances, options.rounds)
    covariance = noise[:, None, None] * torch.linalg.inv(total.ZZ + torch.diag_embed(again.ridge))
    ratios = []
    for source in range(data.n_regions):
        own = np.flatnonzero(data.region == source)
        gram = total.ZZ[np.ix_(own, own)]
        error = (again.mean - W)[:, own]
        ratios.append(((error @ gram) * error).sum(1) / (covariance[:, own][:, :, own] * gram).sum((1, 2)))
    return max(float(torch.stack(ratios).mean()), 1.0)


def _tilted(
    mean: torch.Tensor,
    variance: torch.Tensor,
    precision: torch.Tensor,
    shift: torch.Tensor,
    prior: Blocks,
    source: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """One round of sites (row, unit).

    The cavity N(m, c) leaves the site out; with the spike and slab prior it has the moments that the new site must
    bring back.

    Returns
    -------
    Probability of the slab, second moment inside it, new site precision and shift, and where the cavity is proper.
    """
    cavity = 1 / variance - precision
    proper = cavity > 1e-9 / variance
    c = 1 / torch.where(proper, cavity, 1 / variance)
    m = (mean / variance - shift) * c
    pi, v = prior.probability[source], prior.variance[source]
    odds = torch.log(pi / (1 - pi)) + 0.5 * torch.log(c / (c + v)) + 0.5 * m**2 * (1 / c - 1 / (c + v))
    chance = torch.sigmoid(odds)
    inside = 1 / (1 / c + 1 / v)
    centre = inside * m / c
    slab = inside + centre**2
    first, second = chance * centre, chance * slab
    spread = (second - first**2).clamp_min(1e-14)
    new_precision = (1 / spread - 1 / c).clamp(1e-6, 1e12)
    return chance, slab, new_precision, first * (new_precision + 1 / c) - m / c, proper
