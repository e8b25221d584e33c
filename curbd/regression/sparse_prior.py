"""The sparse prior: in every block most weights may be exactly zero, solved by expectation propagation.

Every weight of block (t, s), the weights onto target region t from source s (a region, an input or the bias), is zero
with probability 1 - pi_ts and has the distribution N(0, v_ts) otherwise. Expectation propagation (Hernandez-Lobato,
Hernandez-Lobato & Suarez, Machine Learning 2015) approximates the posterior of the weights and keeps the full
covariance of a unit's weights. pi and v are estimated at the same time; a dense block ends with pi near 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.fit import Fit, Posterior
from curbd.network.tensors import tensor
from curbd.progress import tracked
from curbd.regression.moments import Moments, cholesky, inverse_of, solutions, times_scatter
from curbd.regression.sample_weights import with_one_scatter
from curbd.regression.transitions import TrainingData, source_of_regressor

Array = np.ndarray
SITE_STEP_SHARE = 0.7
"""Share of the difference to its new value by which a site (an approximate factor of the prior) changes in one
round."""
ROUNDS_BEFORE_LEARNING = 3
"""Rounds before the probabilities and variances of the prior are estimated."""
START_PROBABILITY = 0.5
"""Initial probability that a weight is not zero."""
LEARNING_PACE = 1.8
"""Multiplier of the steps of expectation-maximisation on a probability (in log odds), which are small without it."""
LEAST_RESIDUAL_VARIANCE = 1e-12
"""Noise variances below this value count as this value, so that data without noise do not divide by 0."""
LEAST_RIDGE_SHARE = 1e-14
"""Smallest ridge, as a share of the trace of the scatter matrix; a smaller ridge makes Cholesky factorisation fail."""
INPUT_RIDGE_SHARE = 1e-9
"""Ridge on the scatter matrix from which noise is drawn, as a share of its diagonal."""
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


def input_rms(data: TrainingData) -> Array:
    """Return the root mean square (input,) of every input, 1 for an input that is always 0.

    Parameters
    ----------
    data : the training trials.
    """
    power = np.nanmean(data.u**2, axis=(0, 1))
    return np.sqrt(np.where(power > 0, power, 1))


def in_units_of_inputs(fit: Fit, rms: Array) -> Fit:
    """Convert a fit to inputs of root mean square 1 into a fit to inputs of another root mean square.

    Parameters
    ----------
    fit : the fit.
    rms : (input,) root mean square of the inputs.
    """
    size, posterior = np.concatenate([np.ones(len(fit.network.J)), rms, [1.0]]), fit.posterior
    network = fit.network._replace(B=fit.network.B / rms)
    if posterior is None:
        return fit._replace(network=network)
    in_units = posterior._replace(gram=size[:, None] * posterior.gram * size, ridge=posterior.ridge * size**2)
    return fit._replace(network=network, posterior=in_units)


def start(data: TrainingData, rows: int, probability: float = START_PROBABILITY) -> Sites:
    """Construct the sites of a Gaussian prior with weights of the order of 1 / sqrt(units).

    The weights of inputs, and the bias, are of the order of 1.
    """
    within = 1 / np.bincount(data.region, minlength=data.n_regions)
    variance = tensor(np.concatenate([within, np.ones(data.u.shape[2] + 1)]))
    prior = Blocks(torch.full_like(variance, probability), variance / probability)
    precision = (1 / variance)[source_of_regressor(data.region, data.u.shape[2])].expand(rows, -1)
    return Sites(precision, torch.zeros_like(precision), prior)


def propagated(
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
    mean, ridge, inverse = YZ, YZ, YZ
    for round_index in tracked(range(rounds), "rounds of expectation propagation"):
        ridge = (precision * noise[:, None]).maximum(least)
        mean, inverse = solutions(ZZ, ridge, YZ + shift * noise[:, None])
        variance = noise[:, None] * inverse
        chance, slab, new_precision, new_shift, proper = _tilted(mean, variance, precision, shift, prior, source)
        if round_index >= fixed_rounds:
            prior = _learned(prior, weight @ (chance @ member), weight @ ((chance * slab) @ member), member.sum(0))
        precision = torch.where(proper, precision + SITE_STEP_SHARE * (new_precision - precision), precision)
        shift = torch.where(proper, shift + SITE_STEP_SHARE * (new_shift - shift), shift)
    used = ZZ.shape[-1] - (inverse * ridge).sum(1)
    return Rows(mean, ridge, used, Sites(precision, shift, prior))


def calibrated_posterior(
    data: TrainingData,
    of_units: Callable[[Array], Moments],
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
    of_units : function of the indices of units -> second moments of the regression of these units.
    priors : the prior of every target region.
    noise : (unit,) noise variances.
    wider : (unit,) multiplier of the noise variances for residuals that are correlated in time.
    ridge : (unit, regressor) ridge penalties of the posterior.
    rounds : rounds of expectation propagation.
    rng : random generator of the simulated weights and noise.
    """
    source = source_of_regressor(data.region, data.u.shape[2])
    regions = [np.flatnonzero(data.region == region) for region in range(data.n_regions)]
    wider, gram, trace = wider.copy(), np.zeros((len(source),) * 2), np.empty(len(noise))
    for target, own in enumerate(regions):
        first, m, variances = start(data, len(own)), of_units(own), noise[own] * wider[own]
        wider[own] *= _calibration(priors[target], first, m, source, regions, variances, rounds, rng)
        scatter = m.ZZ.expand(len(own), -1, -1)
        gram += scatter.sum(0).cpu().numpy() / len(noise)
        trace[own] = scatter.diagonal(dim1=1, dim2=2).sum(1).cpu().numpy()
    return with_one_scatter(noise * wider, gram, trace, ridge)


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
    first: Sites,
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
    first : sites from which the propagation starts.
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
    rows = propagated(first, simulated, source, variances, rounds)
    covariance = noise[:, None, None] * inverse_of(cholesky(total.ZZ + torch.diag_embed(rows.ridge)))
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
