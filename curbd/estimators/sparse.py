"""One-step regression with a sparse prior: in every block most weights may be exactly zero.

Regions are connected by few of all possible connections, and the activity of units of one region is similar, so that a
ridge penalty spreads a current over all units of the source region. Here every weight of block (t, s), the weights onto
target region t from source s (a region, an input or the bias), is zero with probability 1 - pi_ts and has the
distribution N(0, v_ts) otherwise. An input that reaches few units, or an absent bias, is then less easily confused with
the currents between regions. The posterior is approximated by expectation propagation (Hernandez-Lobato,
Hernandez-Lobato & Suarez, Machine Learning 2015), which keeps the full covariance of a unit's weights. pi and v are
estimated at the same time; a dense block ends with pi near 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.estimators.constrained import constrained
from curbd.network.equation import decay
from curbd.network.fit import Fit, Posterior
from curbd.network.tensors import tensor
from curbd.progress import tracked
from curbd.regression.block_ridge import inflation, regress, residual_variance
from curbd.regression.moments import Moments, squared_error_by_unit, times_scatter, weighted_moments
from curbd.regression.noise_free import NoiseFree, changes, noise_free, robust_weights
from curbd.regression.sample_weights import SampleWeights, noise_sds, sample_weights, statistics, with_one_scatter
from curbd.regression.transitions import TrainingData, as_network, regressors, source_of_regressor, targets, transitions
from curbd.settings.models import Sparse

Array = np.ndarray
SITE_STEP_SHARE = 0.7
"""Share of the difference to its new value by which a site (an approximate factor of the prior) changes in one
round."""
ROUNDS_BEFORE_LEARNING = 3
"""Rounds before the probabilities and variances of the prior are estimated."""
START_PROBABILITY = 0.5
"""Initial probability that a weight is not zero."""
START_PROBABILITY_NOISE_FREE = 0.1
"""Initial probability for data without noise: few weights explain such data exactly, and must be found among many that
explain them nearly."""
LEARNING_PACE = 1.8
"""Multiplier of the steps of expectation-maximisation on a probability (in log odds), which are small without it."""
LEAST_RESIDUAL_VARIANCE = 1e-12
"""Noise variances below this value count as this value, so that data without noise do not divide by 0."""
LEAST_RIDGE_SHARE = 1e-14
"""Smallest ridge, as a share of the trace of the scatter matrix; a smaller ridge makes Cholesky factorisation fail."""
INPUT_RIDGE_SHARE = 1e-9
"""Ridge on the scatter matrix from which noise is drawn, as a share of its diagonal."""
NOISE_PASSES = 2
"""Number of times that the noise and the rates between samples are estimated again. With more passes, the noise of
noise-free data goes to zero, and the currents get worse."""
REWEIGHTING_ROUNDS = 8
"""Number of times that the changes of noise-free data are weighted."""
ROUNDS_BETWEEN_REWEIGHTINGS = 2
"""Rounds of expectation propagation after each weighting except the first."""
LEAST_FREEDOM = 0.1
"""Lower bound on the residual degrees of freedom, as a share of the number of transitions."""
LEAST_VARIANCE_OF_WEIGHT = 1e-14
"""Posterior variances of a weight below this value count as this value."""
SITE_PRECISIONS = (1e-6, 1e12)
"""Smallest and largest precision of a site."""


class Blocks(NamedTuple):
    """Prior of the weights onto one target region.

    Attributes
    ----------
    probability : (source,) probability pi that a weight is not zero, for every region, every input and the bias.
    variance : (source,) variance v of the weights that are not zero.
    """

    probability: torch.Tensor
    variance: torch.Tensor


class Sites(NamedTuple):
    """Sites: Gaussian factors that approximate the prior of the weights onto some units (rows), one factor per weight.

    Attributes
    ----------
    precision : (row, regressor) precision of the Gaussian.
    shift : (row, regressor) precision times mean of the Gaussian.
    prior : the prior that the sites approximate.
    """

    precision: torch.Tensor
    shift: torch.Tensor
    prior: Blocks


class Rows(NamedTuple):
    """Posterior of the weights onto some units (rows).

    Attributes
    ----------
    mean : (row, regressor) posterior mean.
    ridge : (row, regressor) ridge penalties that give the same posterior.
    used : (row,) degrees of freedom that the fit used.
    sites : the sites that approximate the prior.
    """

    mean: torch.Tensor
    ridge: torch.Tensor
    used: torch.Tensor
    sites: Sites


class _Problem(NamedTuple):
    """The regression of noisy data.

    Attributes
    ----------
    z : (pair, regressor) regressors.
    y : (pair, unit) currents.
    weights : weights of the samples, or None for equal weights.
    source : (regressor,) index of the source that each regressor belongs to.
    regions : for every region, the indices of its units.
    """

    z: Array
    y: Array
    weights: SampleWeights | None
    source: Array
    regions: list[Array]

    def of_units(self, rows: Array) -> Moments:
        """Compute the second moments of the regression for some units."""
        return statistics(self.z, self.y[:, rows], None if self.weights is None else self.weights.weight[:, rows])


def sparse(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """Fit a network with a sparse prior, under which most weights may be exactly zero.

    A block of weights holds the weights from one source (a region, an input or the bias) to the units of one target
    region. The prior of a block, the probability and the variance of non-zero weights, is learned from all units of the
    target region, each weighted by 1 / noise variance. A unit with large residuals, for example because of an
    unrecorded input, therefore does not inflate the estimated weights of the other units. The noise variance of every
    unit is initialised from a ridge fit and then re-estimated from the sparse fit. Data without noise are recognised
    and fitted differently (`curbd.regression.noise_free`). If rates are noisy, samples that carry more measurement
    noise get smaller weights (`curbd.regression.sample_weights`).

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    options : cross-validation folds, penalties of the ridge regression, rounds, and how the noise is treated.
    rng : random generator for simulated weights and noise, with which the width of the credible intervals is
        calibrated.

    Returns
    -------
    The network (posterior means), the ridge penalties of the initial ridge fit, the posterior, and, if samples are
    weighted, the standard deviations of process noise and measurement noise.
    """
    if data.circuit is not None:
        return constrained(data, data.circuit, options, rng)
    power = np.nanmean(data.u**2, axis=(0, 1))
    rms = np.sqrt(np.where(power > 0, power, 1))
    return _in_units(_fitted(data._replace(u=data.u / rms), options, rng), rms)


def _in_units(fit: Fit, rms: Array) -> Fit:
    """Convert a fit to inputs of root mean square 1 into a fit to inputs of the root mean square ``rms`` (input,)."""
    size, posterior = np.concatenate([np.ones(len(fit.network.J)), rms, [1.0]]), fit.posterior
    network = fit.network._replace(B=fit.network.B / rms)
    if posterior is None:
        return fit._replace(network=network)
    in_units = posterior._replace(gram=size[:, None] * posterior.gram * size, ridge=posterior.ridge * size**2)
    return fit._replace(network=network, posterior=in_units)


def _fitted(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """Fit the network to inputs that were scaled to root mean square 1."""
    pairs = transitions(data, options.folds)
    first = regress(data, pairs, options.penalties)
    exact = noise_free(data) if options.noise == "auto" else None
    if exact is not None:
        return _fitted_to_changes(data, exact)._replace(penalty=first.between_regions, penalty_by=first.penalty_by)
    network = first.network
    problem = _Problem(
        z=regressors(pairs, network),
        y=targets(pairs, network.decay),
        weights=sample_weights(data, pairs, network, first.penalty),
        source=first.source,
        regions=[np.flatnonzero(data.region == region) for region in range(data.n_regions)],
    )
    persistence = inflation(network, pairs)
    noise = np.maximum(residual_variance(first, data) * persistence, LEAST_RESIDUAL_VARIANCE)
    sites = [_start(data, len(own)) for own in problem.regions]
    W, ridge = np.empty((2, len(noise), len(problem.source)))
    for _ in range(NOISE_PASSES):
        # The rates between samples are those of the latest network.
        problem = problem._replace(z=regressors(pairs, network))
        for target, own in enumerate(problem.regions):
            m = problem.of_units(own)
            rows = _propagated(sites[target], m, problem.source, noise[own], options.rounds)
            sites[target], W[own], ridge[own] = rows.sites, rows.mean.cpu().numpy(), rows.ridge.cpu().numpy()
            residual = squared_error_by_unit(m, rows.mean) / (m.n - rows.used).clamp_min(LEAST_FREEDOM * len(problem.z))
            noise[own] = np.maximum(residual.cpu().numpy() * persistence[own], LEAST_RESIDUAL_VARIANCE)
        network = as_network(W, data, network.time_constant_s)
    wider = inflation(network, pairs) / persistence
    priors = [of_region.prior for of_region in sites]
    posterior = _posterior(data, problem, priors, noise, wider, ridge, options.rounds, rng)
    fit = Fit(network, penalty=first.between_regions, posterior=posterior, penalty_by=first.penalty_by)
    if problem.weights is None:
        return fit
    process, measurement = noise_sds(noise / persistence, problem.weights.ratio, network)
    return fit._replace(process_noise_sd=process, measurement_noise_sd=measurement)


def _posterior(
    data: TrainingData,
    problem: _Problem,
    priors: Sequence[Blocks],
    noise: Array,
    wider: Array,
    ridge: Array,
    rounds: int,
    rng: np.random.Generator,
) -> Posterior:
    """Compute the posterior of all weights, with the noise variance calibrated on simulated weights (`_calibration`).

    Parameters
    ----------
    data : the training trials.
    problem : the regression.
    priors : the prior of every target region.
    noise : (unit,) noise variances.
    wider : (unit,) multiplier of the noise variances for residuals that are correlated in time.
    ridge : (unit, regressor) ridge penalties of the posterior.
    rounds : rounds of expectation propagation.
    rng : random generator of the simulated weights and noise.
    """
    wider, gram, trace = wider.copy(), np.zeros((len(problem.source),) * 2), np.empty(len(noise))
    for target, own in enumerate(problem.regions):
        start, m, variances = _start(data, len(own)), problem.of_units(own), noise[own] * wider[own]
        wider[own] *= _calibration(priors[target], start, m, problem.source, problem.regions, variances, rounds, rng)
        scatter = m.ZZ.expand(len(own), -1, -1)
        gram += scatter.sum(0).cpu().numpy() / len(noise)
        trace[own] = scatter.diagonal(dim1=1, dim2=2).sum(1).cpu().numpy()
    return with_one_scatter(noise * wider, gram, trace, ridge)


def _fitted_to_changes(data: TrainingData, exact: NoiseFree) -> Fit:
    """Fit the changes of the current, with states phi^-1(observed rates times ``exact.largest``).

    The posterior treats all current that the network does not explain as noise, with the variance and the
    autocorrelation of this unexplained current. The width of the intervals therefore does not rely on an unrecorded
    drive that stands still.
    """
    largest, tau_s = exact.largest[data.region], exact.tau_s
    pairs = transitions(data._replace(r=data.r * largest))
    z, y = regressors(pairs), targets(pairs, decay(data.dt_s, tau_s, data.substeps))
    source = source_of_regressor(data.region, data.u.shape[2])
    W, ridge = np.empty((len(largest), z.shape[1])), np.empty((len(largest), z.shape[1]))
    for target, order in enumerate(exact.order):
        own = np.flatnonzero(data.region == target)
        dz, dy = tensor(changes(z, pairs, order)), tensor(changes(y[:, own], pairs, order).T)
        noise, trust = (dy**2).mean(1), torch.ones_like(dy)
        sites = _start(data, len(own), START_PROBABILITY_NOISE_FREE)
        for reweighting in range(REWEIGHTING_ROUNDS):
            first_rounds = (2 * ROUNDS_BEFORE_LEARNING, ROUNDS_BEFORE_LEARNING)
            rounds, fixed = (ROUNDS_BETWEEN_REWEIGHTINGS, 0) if reweighting else first_rounds
            total = weighted_moments(dz, dy, trust)
            rows = _propagated(sites, total, source, noise.cpu().numpy(), rounds, fixed)
            trust, noise = robust_weights(dy - rows.mean @ dz.T, rows.used, noise)
            sites = rows.sites
        W[own] = rows.mean.cpu().numpy()
        ridge[own] = (1 / (sites.prior.probability * sites.prior.variance))[source].cpu().numpy()
    # Changes of the current carry no information about the bias.
    W[:, -1] = (y - z[:, :-1] @ W[:, :-1].T).mean(0)
    left = (y - z @ W.T).var(0) * inflation(as_network(W, data, tau_s), pairs)
    left = np.maximum(left, LEAST_RESIDUAL_VARIANCE)
    # J acts on the rates as they were observed.
    W[:, : len(largest)] *= largest
    z[:, : len(largest)] /= largest
    ridge[:, : len(largest)] /= largest**2
    posterior = Posterior(noise_variance=left, gram=z.T @ z, ridge=left[:, None] * ridge)
    return Fit(as_network(W, data, tau_s), posterior=posterior)


def _start(data: TrainingData, rows: int, probability: float = START_PROBABILITY) -> Sites:
    """Construct the sites of a Gaussian prior with weights of the order of 1 / sqrt(units).

    The weights of inputs, and the bias, are of the order of 1.
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
    fixed_rounds: int = ROUNDS_BEFORE_LEARNING,
) -> Rows:
    """Approximate the posterior of the weights onto all units of a target region by expectation propagation.

    Parameters
    ----------
    sites : sites to start from.
    total : second moments of the regression of the units of the region.
    source : (regressor,) index of the source that each regressor belongs to.
    variances : (row,) noise variances.
    rounds : number of rounds.
    fixed_rounds : number of first rounds in which the prior is not learned.
    """
    precision, shift, prior = sites
    member = tensor(np.eye(source.max() + 1)[source])
    YZ, ZZ, noise = total.YZ, total.ZZ, tensor(variances)
    weight = noise.reciprocal() / noise.reciprocal().sum()
    least = LEAST_RIDGE_SHARE * ZZ.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    mean, ridge, factor = YZ, YZ, ZZ
    for round_index in tracked(range(rounds), "rounds of expectation propagation"):
        ridge = (precision * noise[:, None]).maximum(least)
        factor = torch.linalg.cholesky(ZZ + torch.diag_embed(ridge))
        variance = noise[:, None] * torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2)
        mean = torch.cholesky_solve((YZ + shift * noise[:, None])[..., None], factor)[..., 0]
        chance, slab, new_precision, new_shift, proper = _tilted(mean, variance, precision, shift, prior, source)
        if round_index >= fixed_rounds:
            prior = _learned(prior, weight @ (chance @ member), weight @ ((chance * slab) @ member), member.sum(0))
        precision = torch.where(proper, precision + SITE_STEP_SHARE * (new_precision - precision), precision)
        shift = torch.where(proper, shift + SITE_STEP_SHARE * (new_shift - shift), shift)
    used = ZZ.shape[-1] - (torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2) * ridge).sum(1)
    return Rows(mean, ridge, used, Sites(precision, shift, prior))


def _learned(prior: Blocks, present: torch.Tensor, power: torch.Tensor, units: torch.Tensor) -> Blocks:
    """Update the prior by one step of learning.

    Parameters
    ----------
    prior : the prior so far.
    present : (source,) expected number of non-zero weights onto a unit.
    power : (source,) expected sum of squares of the non-zero weights onto a unit.
    units : (source,) number of weights onto a unit.
    """
    least = 0.5 / float(units.sum())
    share, before = (present / units).clamp(least, 1 - least), prior.probability.logit()
    further = torch.sigmoid(before + LEARNING_PACE * (share.logit() - before))
    return Blocks(further.clamp(least, 1 - least), power / present.clamp_min(1e-9))


def _calibration(
    prior: Blocks,
    start: Sites,
    total: Moments,
    source: Array,
    regions: Sequence[Array],
    variances: Array,
    rounds: int,
    rng: np.random.Generator,
) -> float:
    """Return the ratio of squared errors of currents to their posterior variance, for weights drawn from the prior.

    Parameters
    ----------
    prior : the prior of the target region.
    start : sites from which the propagation starts.
    total : second moments of the regression of the units of the target region.
    source : (regressor,) index of the source that each regressor belongs to.
    regions : for every region, the indices of its units.
    variances : (row,) noise variances.
    rounds : rounds of expectation propagation.
    rng : random generator of the weights and the noise.

    Returns
    -------
    Mean squared error over its expectation, mean over the units of the target region and over source regions; at least
    1.
    """
    noise, size = tensor(variances), tuple(total.YZ.shape)
    present = tensor(rng.random(size)) < prior.probability[source]
    W = torch.where(present, tensor(rng.standard_normal(size)) * prior.variance.sqrt()[source], 0.0)
    power = total.ZZ.diagonal(dim1=-2, dim2=-1)
    # The matrix is singular where an input is always 0.
    regular = INPUT_RIDGE_SHARE * power + LEAST_RIDGE_SHARE * power.sum(-1, keepdim=True)
    scatter = torch.linalg.cholesky(total.ZZ + torch.diag_embed(regular))
    error = noise.sqrt()[:, None] * times_scatter(tensor(rng.standard_normal(size)), scatter.mT)
    simulated = total._replace(YZ=times_scatter(W, total.ZZ) + error)
    rows = _propagated(start, simulated, source, variances, rounds)
    covariance = noise[:, None, None] * torch.linalg.inv(total.ZZ + torch.diag_embed(rows.ridge))
    ratios = []
    for own in regions:
        gram = total.ZZ[..., own, :][..., own]
        error = (rows.mean - W)[:, own]
        expected = (covariance[:, own][:, :, own] * gram).sum((1, 2))
        ratios.append((times_scatter(error, gram) * error).sum(1) / expected.clamp_min(LEAST_RESIDUAL_VARIANCE**2))
    return max(float(torch.stack(ratios).mean()), 1.0)


def _tilted(
    mean: torch.Tensor,
    variance: torch.Tensor,
    precision: torch.Tensor,
    shift: torch.Tensor,
    prior: Blocks,
    source: Array,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute new values of all sites.

    The cavity N(m, c) is the posterior of a weight without its site. The product of the cavity and the spike-and-slab
    prior has a mean and a variance; the new site gives the posterior this mean and this variance.

    Parameters
    ----------
    mean, variance : (row, regressor) posterior of every weight.
    precision, shift : (row, regressor) the sites.
    prior : the prior of the target region.
    source : (regressor,) index of the source that each regressor belongs to.

    Returns
    -------
    Probability of the slab (a non-zero weight), second moment inside the slab, new precision and shift of the site, and
    whether the cavity is proper, all (row, regressor).
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
    spread = (second - first**2).clamp_min(LEAST_VARIANCE_OF_WEIGHT)
    new_precision = (1 / spread - 1 / c).clamp(*SITE_PRECISIONS)
    return chance, slab, new_precision, first * (new_precision + 1 / c) - m / c, proper
