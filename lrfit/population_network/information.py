"""How well activity tells the weights: their Fisher information when the latents are not known.

Linearised about its working range the network is a stationary Gaussian process seen through noise, with the spectrum
S(w) = X Q X* + N, X = (exp(iw) - F)^-1, where N is the inverse of the information that one bin of activity has about
the latents. The likelihood of Whittle (1953) then has the information 1/2 sum over frequencies of
tr(S^-1 dS S^-1 dS) about all weights and innovations at once, and average responses add that about their mean,
sum over trials and frequencies of dm* S^-1 dm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population, curved, mean_slope, same_group
from lrfit.population_network.observation import expected, information
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
FREQUENCIES = 64
LARGEST_RADIUS = 0.995
"""Spectral radius of the linearised network, at most: beyond it there is no stationary spectrum."""


class Working(NamedTuple):
    """The network linearised about its working range.

    Attributes
    ----------
    slope : (latent, latent) mean derivative of f, block-diagonal by region.
    noise : (read, read) inverse of the information in one bin, of the latents that units read.
    read : (latent,) True where units read the latent.
    bins : number of observed bins, over all trials.
    averages : (frequency, latent + column, latent + column) cross-spectra of the average responses of f and of the
        sources, summed over trials.
    """

    slope: Array
    noise: Array
    read: Array
    bins: float
    averages: Array


def working_range(model: Population, data: Recording, paths: Paths) -> Working:
    """Mean slope and mean information of all observed bins."""
    inside = data.inside.astype(float)
    at = curved(model, paths.mean, spreads(model, data, paths))
    slope = mean_slope(model, at, inside / inside.sum()).sum(0)
    rate = expected(model, data, paths.mean, paths.covariance)
    everyone = np.ones(data.inside.shape[1], bool)
    single_bin = information(model, data, rate, everyone).sum(0) * data.inside.shape[1] / inside.sum()
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
    """Cross-spectra of what all trials of a condition share, summed over trials."""
    columns = np.concatenate([f, data.sources], 2) * data.inside[..., None]
    total = 0.0
    for c in range(data.condition.max() + 1):
        chosen = data.condition == c
        spectrum = np.fft.fft(columns[:, chosen].mean(1), axis=0)
        total = total + chosen.sum() * np.einsum("wi,wj->wij", spectrum.conj(), spectrum) / len(columns)
    return np.asarray(total)


def mean_information(model: Population, at: Working, penalty: Array) -> Array:
    """(row x latent, row x latent) what average responses tell about A when the sources' weights are unknown too.

    Parameters
    ----------
    penalty : (group, latent + column) of the weights, see weights.py.
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
    other = whole[:, latents:, :, latents:].reshape(len(rows) * (columns - latents), -1)
    crossed = whole[:, :latents, :, latents:].reshape(len(own), -1)
    return own - crossed @ np.linalg.solve(other, crossed.T)


def weight_information(model: Population, at: Working) -> Array:
    """(row x latent, row x latent) information about the rows of A that belong to regions, row by row.

    The innovations count as unknown: what they could explain is taken off.
    """
    latents, rows = len(model.group), np.flatnonzero(at.read)
    F = stable(np.diag(model.leak) + model.A @ at.slope)
    pairs = [(a, b) for a in rows for b in rows if a <= b and model.group[a] == model.group[b]]
    weights = len(rows) * latents
    whole = np.zeros((weights + len(pairs), weights + len(pairs)))
    for w in np.pi * (np.arange(FREQUENCIES) + 0.5) / FREQUENCIES:
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
    whole *= at.bins / FREQUENCIES
    own, other = whole[:weights, :weights], whole[weights:, weights:]
    crossed = whole[:weights, weights:]
    return own - crossed @ np.linalg.solve(other, crossed.T)


def stable(F: Array) -> Array:
    """F, shrunk where its spectral radius leaves the unit circle."""
    radius = np.abs(np.linalg.eigvals(F)).max()
    return F * min(1.0, LARGEST_RADIUS / radius)
