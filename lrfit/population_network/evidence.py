"""Evidence for each pathway: log likelihood lost without the pathway, size of the current, accuracy of the current."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.sources import SELF_HISTORY
from lrfit.population_network.currents import currents, latent_variance, weight_variance
from lrfit.population_network.fit import Fit
from lrfit.population_network.information import mean_information, weight_information, working_range
from lrfit.population_network.observation import counts_spikes
from lrfit.population_network.pathway_test import PathwayTests, pathway_tests
from lrfit.population_network.prior_error import prior_error
from lrfit.population_network.ranks import pathway_rank
from lrfit.population_network.recording import Recording
from lrfit.population_network.spike_coupling import spike_coupling
from lrfit.population_network.weights import ABSENT_PENALTY

Array = np.ndarray


class Evidence(NamedTuple):
    """Evidence for pathways between regions. Arrays are (target, source), with NaN on the diagonal except for ranks.

    Attributes
    ----------
    nats : loss of log likelihood without the pathway, in nats, from the curvature of Whittle's likelihood at the fit.
    share : root mean square of the fluctuations of the current, relative to the sum of all currents into the target.
    expected_r2 : expected squared correlation of the current with the true current: 1 - posterior variance / variance.
    penalty : precision of the prior of the pathway's weights, chosen by the evidence.
    spike_coupling : fast coupling of recorded spikes, in standard deviations above that of re-paired trials; NaN in
        bins longer than 5 ms.
    rank, rank_low, rank_high : rank of the weights, and the lowest and the highest rank that the data allow; the
        diagonal is about the weights within regions.
    tests : test of every pathway against weights of zero, with shuffled trials.
    """

    nats: Array
    share: Array
    expected_r2: Array
    penalty: Array
    spike_coupling: Array
    rank: Array
    rank_low: Array
    rank_high: Array
    tests: PathwayTests


def weight_precision(fit: Fit, data: Recording) -> tuple[Array, Array]:
    """Compute the information about the weights A and the precision of their prior.

    Parameters
    ----------
    fit : the fitted network.
    data : the trials of the fit.

    Returns
    -------
    (row, latent, row, latent) information of the activity, without assuming that the latents are known, and the
    precision of the prior in the same form; rows are the latents of regions.
    """
    model = fit.model
    at = working_range(model, data, fit.paths)
    rows = np.flatnonzero(at.read)
    latents = len(model.group)
    whole = weight_information(model, at) + mean_information(model, at, fit.prior.penalty)
    whole = whole.reshape(len(rows), latents, len(rows), latents)
    precision, prior = np.linalg.inv(model.Q[np.ix_(rows, rows)]), np.zeros_like(whole)
    for j in range(latents):
        weight = np.sqrt(np.minimum(fit.prior.penalty[model.group[rows], j], ABSENT_PENALTY))
        prior[:, j, :, j] = precision * weight[:, None] * weight
    return whole, prior


def largest_share(of_pathways: Evidence, target: int, source: int) -> float:
    """Return the share that the current of a pathway can have at most, by its posterior.

    Parameters
    ----------
    of_pathways : the evidence on all pathways.
    target, source : indices of the regions.
    """
    expected_r2 = max(float(of_pathways.expected_r2[target, source]), 1e-12)
    return float(of_pathways.share[target, source] / np.sqrt(expected_r2))


def posterior_covariance(fit: Fit, data: Recording) -> Array:
    """Compute the covariance of the error of the weights A, without assuming that the latents or the prior are known.

    Parameters
    ----------
    fit : the fitted network.
    data : the trials of the fit.

    Returns
    -------
    (row, latent, row, latent) covariance of the entries of A; rows are the latents of regions.
    """
    return _inverse(*weight_precision(fit, data)) + prior_error(fit, data)


def _inverse(information: Array, prior: Array) -> Array:
    whole = information + prior
    flat = whole.reshape(whole.shape[0] * whole.shape[1], -1)
    return np.linalg.inv(0.5 * (flat + flat.T)).reshape(whole.shape)


def evidence(fit: Fit, data: Recording) -> Evidence:
    """Compute the evidence for every pathway from one fit, without refitting.

    Parameters
    ----------
    fit : the fitted network.
    data : the trials of the fit.
    """
    model, regions = fit.model, fit.model.regions
    information, prior = weight_precision(fit, data)
    covariance = _inverse(information, prior)
    parts = currents(model, data, fit.paths)
    inside = data.inside.T[..., None]
    # The own history of a unit is no current into the population.
    total = parts.current[[source != SELF_HISTORY for source in parts.source]].sum(0)
    fluctuating = [_about_mean(part, inside) for part in (*parts.current[:regions], total)]
    nats, share, expected_r2, penalty = (np.full((regions, regions), np.nan) for _ in range(4))
    ranks = np.zeros((3, regions, regions), int)
    for s in range(regions):
        own = np.flatnonzero(model.group == s)
        spread = weight_variance(model, data, fit.paths, covariance, s) + latent_variance(model, data, fit.paths, s)
        for t in range(regions):
            rows, units = np.flatnonzero(model.group == t), data.region == t
            block = covariance[np.ix_(rows, own, rows, own)].reshape(len(rows) * len(own), -1)
            weight, precision = model.A[np.ix_(rows, own)], np.linalg.inv(block)
            ranks[:, t, s] = pathway_rank(weight, precision)
            if t == s:
                continue
            nats[t, s] = 0.5 * weight.ravel() @ precision @ weight.ravel()
            power = np.mean(fluctuating[s][..., units] ** 2)
            share[t, s] = np.sqrt(power / np.mean(fluctuating[-1][..., units] ** 2))
            uncertain = np.sum(spread[..., units] * inside) / (inside.sum() * units.sum())
            expected_r2[t, s] = power / (power + uncertain) if power > 0 else 0.0
            penalty[t, s] = fit.prior.penalty[t, own[0]]
    coupling = spike_coupling(data) if counts_spikes(model) else np.full_like(nats, np.nan)
    return Evidence(
        nats=nats,
        share=share,
        expected_r2=expected_r2,
        penalty=penalty,
        spike_coupling=coupling,
        rank=ranks[0],
        rank_low=ranks[1],
        rank_high=ranks[2],
        tests=pathway_tests(model, data, fit.paths, information, prior),
    )


def without(fit: Fit, target: int, source: int) -> Fit:
    """Remove a pathway from a fit: the weights are 0 and remain 0 when the fit is improved.

    Parameters
    ----------
    fit : the fitted network.
    target, source : indices of the regions of the pathway.
    """
    rows, own = fit.model.group == target, fit.model.group == source
    A, penalty = fit.model.A.copy(), fit.prior.penalty.copy()
    A[np.ix_(rows, own)] = 0
    penalty[target, fit.prior.block == source] = ABSENT_PENALTY
    return fit._replace(model=fit.model._replace(A=A), prior=fit.prior._replace(penalty=penalty))


def _about_mean(current: Array, inside: Array) -> Array:
    """(trial, time, unit) about each unit's mean, 0 past the end of a trial."""
    mean = np.sum(current * inside, (0, 1)) / inside.sum((0, 1))
    return (current - mean) * inside
