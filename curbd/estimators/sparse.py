"""One-step regression with a sparse prior: in every block most weights may be exactly zero.

Regions are joined by few of all possible connections, and regressors of one region resemble each other: a ridge
penalty smears a current over all of them. Here every weight of block (t, s) is zero with probability 1 - pi_ts and
N(0, v_ts) otherwise, where s is a region, an input or the bias: an input that reaches few units, or no bias at all,
leaves less to be confused with the currents. The posterior is approximated by expectation propagation (Hernandez-
Lobato, Hernandez-Lobato & Suarez, Machine Learning 2015), which keeps the full covariance of a unit's weights; pi and
v are re-estimated on the way, so that a dense block simply ends with pi near 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import tensor
from curbd.network.fit import Fit, Posterior
from curbd.regression.block_ridge import inflation, regress, residual_variance
from curbd.regression.moments import Moments, of_each, squared_error_of_each, weighted_moments
from curbd.regression.noise_free import Exact, changes, exact, judged
from curbd.regression.sample_weights import both_noises, sample_weights, statistics, with_one_scatter
from curbd.regression.transitions import TrainingData, as_network, regressors, source_of_regressor, targets, transitions
from curbd.settings.models import Sparse

Array = np.ndarray
DAMPING = 0.7
"""Share of the way that a site goes to its new value."""
SETTLE = 3
"""Rounds before the probabilities and scales are re-estimated."""
START = 0.5
"""Probability that a weight is not zero, to begin with."""
START_EXACT = 0.1
"""The same for data without noise: few weights explain them exactly, and must be found among many that nearly do."""
PACE = 1.8
"""How much further than its expectation the probability goes (in log odds): expectation maximisation is slow there."""
LEAST_NOISE = 1e-12
"""Smallest noise variance: data without any noise must not divide by it."""
LEAST_RIDGE = 1e-14
"""Smallest ridge, as a share of the trace of the Gram matrix: below it the Cholesky factor fails."""
PASSES = 2
"""Times that the noise, and the rates between samples, are estimated anew. With more, the noise of data that have none
of their own goes to zero, and the currents get worse."""
JUDGEMENTS = 8
"""Times that the changes of data without noise are judged anew."""
BETWEEN = 2
"""Rounds between them."""
FREE = 0.1
"""Smallest share of the transitions that are taken as free in the estimate of the noise."""


class Blocks(NamedTuple):
    """Prior of one target region's rows: pi and v (source,), of every region, every input and the bias."""

    probability: torch.Tensor
    variance: torch.Tensor


class Sites(NamedTuple):
    """What stands for the prior in some rows: precision and shift (row, regressor), and the prior itself."""

    precision: torch.Tensor
    shift: torch.Tensor
    prior: Blocks


class Rows(NamedTuple):
    """Posterior of some rows: mean and ridge (row, regressor), degrees of freedom used (row,), and the sites."""

    mean: torch.Tensor
    ridge: torch.Tensor
    used: torch.Tensor
    sites: Sites


def sparse(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """Fit with the sparse prior, from the ridge fit; ``rng`` draws the networks that the intervals are measured on.

    The noise variance of every unit is first that of the ridge fit, then that of the sparse one. The prior of a block
    is learned from all units of the target region, each in proportion to what its data can tell, 1 / noise variance: a
    unit that also receives an input from outside has large residuals, and must not teach the others large weights.
    Data without noise are recognised and fitted in their own way (`curbd.regression.noise_free`); where rates are noisy
    samples are weighted, as in `one_step`.

    Returns
    -------
    The network (posterior means), the ridge penalties it started from, its posterior, and both noises where there are
    weights.
    """
    power = np.nanmean(data.u**2, axis=(0, 1))
    rms = np.sqrt(np.where(power > 0, power, 1))
    return _in_units(_fitted(data._replace(u=data.u / rms), options, rng), rms)


def _in_units(fit: Fit, rms: Array) -> Fit:
    """A fit to inputs of rms 1 as one to inputs of the rms given (input,)."""
    size, known = np.concatenate([np.ones(len(fit.network.J)), rms, [1.0]]), fit.posterior
    network = fit.network._replace(B=fit.network.B / rms)
    if known is None:
        return fit._replace(network=network)
    in_units = known._replace(gram=size[:, None] * known.gram * size, ridge=known.ridge * size**2)
    return fit._replace(network=network, posterior=in_units)


def _fitted(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """The fit to inputs of rms 1."""
    pairs = transitions(data, options.folds)
    first = regress(data, pairs, options.penalties)
    noise_free = exact(data) if options.noise == "auto" else None
    if noise_free is not None:
        return _noise_free(data, noise_free)._replace(penalty=first.between_regions, penalty_by=first.penalty_by)
    network, y = first.network, targets(pairs, data.dt_s, first.network.tau_s, data.substeps)
    noisy = sample_weights(data, pairs, network, first.penalty)
    persistence = inflation(network, pairs)
    noise = np.maximum(residual_variance(first, data) * persistence, LEAST_NOISE)
    rows = [np.flatnonzero(data.region == region) for region in range(data.n_regions)]
    source, state = first.source, [_start(data, len(own)) for own in rows]
    W, ridge = np.empty((2, len(noise), len(source)))
    z = regressors(pairs, network)

    def seen(own: Array) -> Moments:
        return statistics(z, y[:, own], None if noisy is None else noisy.weight[:, own])

    for _ in range(PASSES):
        # The rates between samples, too, are those of the latest network.
        z = regressors(pairs, network)
        for target, own in enumerate(rows):
            m = seen(own)
            part = _propagated(state[target], m, source, noise[own], options.rounds)
            state[target], W[own], ridge[own] = part.sites, part.mean.cpu().numpy(), part.ridge.cpu().numpy()
            residual = squared_error_of_each(m, part.mean) / (m.n - part.used).clamp_min(FREE * len(z))
            noise[own] = np.maximum(residual.cpu().numpy() * persistence[own], LEAST_NOISE)
        network = as_network(W, data, network.tau_s)
    wider, gram, trace = inflation(network, pairs) / persistence, np.zeros((len(source),) * 2), np.empty(len(noise))
    for target, own in enumerate(rows):
        start, m = _start(data, len(own)), seen(own)
        wider[own] *= _missed(state[target].prior, start, m, source, rows, noise[own] * wider[own], options.rounds, rng)
        scatter = m.ZZ.expand(len(own), -1, -1)
        gram += scatter.sum(0).cpu().numpy() / len(noise)
        trace[own] = scatter.diagonal(dim1=1, dim2=2).sum(1).cpu().numpy()
    known = with_one_scatter(noise * wider, gram, trace, ridge)
    fit = Fit(network, first.between_regions, known, penalty_by=first.penalty_by)
    if noisy is None:
        return fit
    process, measurement = both_noises(noise / persistence, noisy.ratio, network)
    return fit._replace(process_noise_sd=process, measurement_noise_sd=measurement)


def _noise_free(data: TrainingData, noise_free: Exact) -> Fit:
    """Fit to the changes of the current of states that are phi^-1 of the observed rates times ``largest``.

    The intervals are those of noise as large, and as lasting, as all that the network leaves of the current: they do
    not count on the drive being still.
    """
    largest, tau_s = noise_free.largest[data.region], noise_free.tau_s
    pairs = transitions(data._replace(r=data.r * largest))
    z, y = regressors(pairs), targets(pairs, data.dt_s, tau_s, data.substeps)
    source = source_of_regressor(data.region, data.u.shape[2])
    W, ridge = np.empty((len(largest), z.shape[1])), np.empty((len(largest), z.shape[1]))
    for target, order in enumerate(noise_free.order):
        own = np.flatnonzero(data.region == target)
        dz, dy = tensor(changes(z, pairs, order)), tensor(changes(y[:, own], pairs, order).T)
        noise, trust, state = (dy**2).mean(1), torch.ones_like(dy), _start(data, len(own), START_EXACT)
        for number in range(JUDGEMENTS):
            rounds, settle = (BETWEEN, 0) if number else (2 * SETTLE, SETTLE)
            total = weighted_moments(dz, dy, trust)
            part = _propagated(state, total, source, noise.cpu().numpy(), rounds, settle)
            trust, noise = judged(dy - part.mean @ dz.T, part.used, noise)
            state = part.sites
        W[own] = part.mean.cpu().numpy()
        ridge[own] = (1 / (state.prior.probability * state.prior.variance))[source].cpu().numpy()
    # Changes do not tell the bias.
    W[:, -1] = (y - z[:, :-1] @ W[:, :-1].T).mean(0)
    left = (y - z @ W.T).var(0) * inflation(as_network(W, data, tau_s), pairs)
    left = np.maximum(left, LEAST_NOISE)
    # On the rates as they were observed.
    W[:, : len(largest)] *= largest
    z[:, : len(largest)] /= largest
    ridge[:, : len(largest)] /= largest**2
    return Fit(as_network(W, data, tau_s), posterior=Posterior(left, z.T @ z, left[:, None] * ridge))


def _start(data: TrainingData, rows: int, probability: float = START) -> Sites:
    """Weights of the order of 1 / sqrt(units), as networks with strong coupling have them, and their Gaussian prior.

    Those of inputs, and the bias, are of the order of 1.
    """
    within = 1 / np.bincount(data.region, minlength=data.n_regions)
    variance = tensor(np.concatenate([within, np.ones(data.u.shape[2] + 1)]))
    prior = Blocks(torch.full_like(variance, probability), variance / probability)
    precision = (1 / variance)[source_of_regressor(data.region, data.u.shape[2])].expand(rows, -1)
    return Sites(precision, torch.zeros_like(precision), prior)


def _propagated(
    sites: Sites,
    total: Moments,
    source: Array,
    variances: Array,
    rounds: int,
    settle: int = SETTLE,
) -> Rows:
    """Expectation propagation for all units of a target region, whose statistics these are, at once."""
    precision, shift, prior = sites
    member = tensor(np.eye(source.max() + 1)[source])
    YZ, ZZ, noise = total.YZ, total.ZZ, tensor(variances)
    weight = noise.reciprocal() / noise.reciprocal().sum()
    least = LEAST_RIDGE * ZZ.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    mean, ridge, factor = YZ, YZ, ZZ
    for number in range(rounds):
        ridge = (precision * noise[:, None]).maximum(least)
        factor = torch.linalg.cholesky(ZZ + torch.diag_embed(ridge))
        variance = noise[:, None] * torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2)
        mean = torch.cholesky_solve((YZ + shift * noise[:, None])[..., None], factor)[..., 0]
        chance, slab, new_precision, new_shift, proper = _tilted(mean, variance, precision, shift, prior, source)
        if number >= settle:
            prior = _learned(prior, weight @ (chance @ member), weight @ ((chance * slab) @ member), member.sum(0))
        precision = torch.where(proper, precision + DAMPING * (new_precision - precision), precision)
        shift = torch.where(proper, shift + DAMPING * (new_shift - shift), shift)
    used = ZZ.shape[-1] - (torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2) * ridge).sum(1)
    return Rows(mean, ridge, used, Sites(precision, shift, prior))


def _learned(prior: Blocks, present: torch.Tensor, power: torch.Tensor, units: torch.Tensor) -> Blocks:
    """The prior from the expected number of weights that are not zero, and their power, a row; all (source,)."""
    least = 0.5 / float(units.sum())
    share, before = (present / units).clamp(least, 1 - least), prior.probability.logit()
    further = torch.sigmoid(before + PACE * (share.logit() - before))
    return Blocks(further.clamp(least, 1 - least), power / present.clamp_min(1e-9))


def _missed(
    prior: Blocks,
    start: Sites,
    total: Moments,
    source: Array,
    regions: Sequence[Array],
    variances: Array,
    rounds: int,
    rng: np.random.Generator,
) -> float:
    """Mean squared error of the currents over the one that the posterior expects, on weights drawn from the prior.

    Mean over the units of the target region and over the source regions, given by their units; at least 1.
    """
    noise, size = tensor(variances), tuple(total.YZ.shape)
    present = tensor(rng.random(size)) < prior.probability[source]
    W = torch.where(present, tensor(rng.standard_normal(size)) * prior.variance.sqrt()[source], 0.0)
    power = total.ZZ.diagonal(dim1=-2, dim2=-1)
    # An input may be 0 all the time.
    hair = 1e-9 * power + LEAST_RIDGE * power.sum(-1, keepdim=True)
    scatter = torch.linalg.cholesky(total.ZZ + torch.diag_embed(hair))
    error = noise.sqrt()[:, None] * of_each(tensor(rng.standard_normal(size)), scatter.mT)
    again = _propagated(start, total._replace(YZ=of_each(W, total.ZZ) + error), source, variances, rounds)
    covariance = noise[:, None, None] * torch.linalg.inv(total.ZZ + torch.diag_embed(again.ridge))
    ratios = []
    for own in regions:
        gram = total.ZZ[..., own, :][..., own]
        error = (again.mean - W)[:, own]
        expected = (covariance[:, own][:, :, own] * gram).sum((1, 2))
        ratios.append((of_each(error, gram) * error).sum(1) / expected.clamp_min(LEAST_NOISE**2))
    return max(float(torch.stack(ratios).mean()), 1.0)


def _tilted(
    mean: torch.Tensor,
    variance: torch.Tensor,
    precision: torch.Tensor,
    shift: torch.Tensor,
    prior: Blocks,
    source: Array,
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
