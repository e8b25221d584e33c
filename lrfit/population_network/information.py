"""Fisher information of the activity about the weights A, without assuming that the latents are known.

Linearised about its working range, the network is a stationary Gaussian process observed with noise. Its spectrum at
frequency w is S(w) = X Q X* + N with X = (exp(iw) - F)^-1, where F are the linearised dynamics, Q is the covariance of
the innovations, and N is the inverse of the information in one bin of activity about the latents. Whittle's likelihood
(Arkiv för Matematik 1953) then has the information 1/2 sum over frequencies of tr(S^-1 dS S^-1 dS) about weights and
innovations. Average responses m add the information about their mean: the sum over trials and frequencies of dm* S^-1
dm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population, curved, mean_slope, same_group
from lrfit.population_network.observation import expected, pattern_information
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
N_FREQUENCIES = 64
MAX_SPECTRAL_RADIUS = 0.995
"""Largest spectral radius of the linearised network; beyond 1 there is no stationary spectrum."""


class Working(NamedTuple):
    """The network linearised about its working range.

    Attributes
    ----------
    slope : (latent, latent) mean derivative of the curved latents f(z), block-diagonal by region.
    noise : (read, read) inverse of the information in one bin about the latents that units read.
    read : (latent,) True if units read the latent.
    bins : number of observed bins, summed over trials.
    averages : (frequency, latent + column, latent + column) cross-spectra of the average responses of f(z) and of the
        known sources, summed over trials.
    """

    slope: Array
    noise: Array
    read: Array
    bins: float
    averages: Array


def working_range(model: Population, data: Recording, paths: Paths) -> Working:
    """Linearise the network: average slope and information over all observed bins.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    """
    inside = data.inside.astype(float)
    at = curved(model, paths.mean, spreads(model, data, paths))
    slope = mean_slope(model, at, inside / inside.sum()).sum(0)
    rate = expected(model, data, paths.mean, paths.covariance)
    by_pattern = pattern_information(model, data, rate).sum(1)
    single_bin = np.einsum("p,plm->lm", np.bincount(data.pattern), by_pattern) / inside.sum()
    read = model.group < model.regions
    known = single_bin[np.ix_(read, read)]
    small = 1e-6 * np.trace(known) / len(known)
    return Working(
        slope=slope * same_group(model),
        noise=np.linalg.inv(known + small * np.eye(len(known))),
        read=read,
        bins=float(inside.sum()),
        averages=_averages(data, at.value),
    )


def _averages(data: Recording, f: Array) -> Array:
    """Compute the cross-spectra of the average responses of each condition, summed over trials."""
    columns = np.concatenate([f, data.sources], 2) * data.inside[..., None]
    total = 0.0
    for c in range(data.condition.max() + 1):
        chosen = data.condition == c
        spectrum = np.fft.fft(columns[:, chosen].mean(1), axis=0)
        total = total + chosen.sum() * np.einsum("wi,wj->wij", spectrum.conj(), spectrum) / len(columns)
    return np.asarray(total)


def mean_information(model: Population, at: Working, penalty: Array) -> Array:
    """Compute the Fisher information that average responses carry about the weights A.

    The weights of the known sources are estimated from the same responses, and their uncertainty is included.

    Parameters
    ----------
    model : the network.
    at : the linearised network.
    penalty : (group, latent + column) precision of the prior of the weights into each group of latents.

    Returns
    -------
    (row x latent, row x latent) information about the rows of A that belong to regions.
    """
    latents, rows = len(model.group), np.flatnonzero(at.read)
    columns = at.averages.shape[1]
    F = stable(np.diag(model.leak) + model.A @ at.slope)
    angle = 2 * np.pi * np.arange(len(at.averages)) / len(at.averages)
    X = np.linalg.inv(np.exp(1j * angle)[:, None, None] * np.eye(latents) - F)
    spectrum = (X @ model.Q @ X.conj().transpose(0, 2, 1))[:, rows][:, :, rows] + at.noise
    arriving = X[:, rows][:, :, rows]
    heard = arriving.conj().transpose(0, 2, 1) @ np.linalg.solve(spectrum, arriving)
    whole = np.einsum("wij,wkl->ikjl", heard, at.averages, optimize=True).real
    precision = np.linalg.inv(model.Q[np.ix_(rows, rows)])
    for j in range(latents, columns):
        weight = np.sqrt(penalty[model.group[rows], j])
        whole[:, j, :, j] += precision * weight[:, None] * weight
    own = whole[:, :latents, :, :latents].reshape(len(rows) * latents, -1)
    nuisance = whole[:, latents:, :, latents:].reshape(len(rows) * (columns - latents), -1)
    crossed = whole[:, :latents, :, latents:].reshape(len(own), -1)
    return own - crossed @ np.linalg.solve(nuisance, crossed.T)


def weight_information(model: Population, at: Working) -> Array:
    """Compute the information of fluctuations about the weights A.

    The covariance of the innovations counts as unknown, too.

    Parameters
    ----------
    model : the network.
    at : the linearised network.

    Returns
    -------
    (row x latent, row x latent) information about the rows of A that belong to regions, row by row.
    """
    latents, rows = len(model.group), np.flatnonzero(at.read)
    F = stable(np.diag(model.leak) + model.A @ at.slope)
    pairs = [(a, b) for a in rows for b in rows if a <= b and model.group[a] == model.group[b]]
    weights = len(rows) * latents
    whole = np.zeros((weights + len(pairs), weights + len(pairs)))
    for w in np.pi * (np.arange(N_FREQUENCIES) + 0.5) / N_FREQUENCIES:
        X = np.linalg.inv(np.exp(1j * w) * np.eye(latents) - F)
        spectrum = X @ model.Q @ X.conj().T
        whiten = np.linalg.inv(np.linalg.cholesky(spectrum[np.ix_(rows, rows)] + at.noise))
        X_white, f_white = whiten @ X[rows], whiten @ spectrum[rows] @ at.slope.T
        # A change of A[i, j] changes S by u v* + v u*, u what arrives at i, v the spectrum of f_j.
        u = np.concatenate([np.repeat(X_white[:, rows], latents, 1), X_white[:, [a for a, _ in pairs]]], 1)
        half = np.array([0.5 if a == b else 1.0 for a, b in pairs])
        v = np.concatenate([np.tile(f_white, (1, len(rows))), X_white[:, [b for _, b in pairs]] * half], 1)
        vu, vv, uu = v.conj().T @ u, v.conj().T @ v, u.conj().T @ u
        whole += (vu * vu.T + vv * uu.T).real
    whole *= at.bins / N_FREQUENCIES
    own, nuisance = whole[:weights, :weights], whole[weights:, weights:]
    crossed = whole[:weights, weights:]
    return own - crossed @ np.linalg.solve(nuisance, crossed.T)


def stable(F: Array) -> Array:
    """Shrink dynamics F whose spectral radius exceeds ``MAX_SPECTRAL_RADIUS``."""
    radius = np.abs(np.linalg.eigvals(F)).max()
    return F * min(1.0, MAX_SPECTRAL_RADIUS / radius)
