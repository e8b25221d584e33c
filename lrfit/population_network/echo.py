"""Echo of a region's activity in single units: random weights within the region, beyond its latents.

Latents are all that the units of a region share. If units of a region also receive random weights from one another,
each unit reads an echo of the curved latents of its own region, with weights of its own:

    x_i[k] = C_i z[k] + E_i h[k] + d_i,  h[k+1] = leak h[k] + (1 - leak) f(z[k])

so that the region sends the current (C_i A / (1 - leak) + E_i) f(z) to unit i. Without random weights, E is 0. The
weights E_i and the loadings C_i are estimated together, given the posterior of the latents, by the regression that
gives the loadings. What the units share, a part of E in proportion to the loadings C, is part of the weights A. The
rest is shrunk to 0 with a variance that all units of the region share (random effects; DerSimonian & Laird,
Controlled Clinical Trials 1986).

If a region has more latents than act on others, superfluous latents follow the echo, and units then seem to read the
echo from these latents. Latents that hardly vary, receive little from other regions and send little to other regions
are therefore left out: units read the other latents and their echo. A latent that hardly varies can still carry most of
what its region sends to or receives from other regions, and is then read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.loadings import read_out
from lrfit.population_network.model import Population, curved, pattern_slopes, regauge
from lrfit.population_network.observation import expected, unit_information
from lrfit.population_network.paths import Paths, in_coordinates, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
REGRESSION_STEPS = 4
"""Number of Newton steps of loadings and echo."""
MIN_VARIANCE_SHARE = 0.015
"""Smallest variance of a latent that units read, relative to the summed variance of the latents of its region.

On development teachers with random weights, superfluous latents have shares up to .013, and others of .022 and more."""
MIN_SHARE_OF_OTHERS = 0.1
"""Smallest share of the variance of what a region receives from other regions, and of what the region sends to other
regions, with which a latent that hardly varies is read.

On development teachers with random weights, superfluous latents have shares up to .054."""
NOT_READ = -1
"""Index of the region of latents that no unit reads."""


class Echo(NamedTuple):
    """Loadings and echo of every unit; latents of other regions, and superfluous latents, have zeros.

    Attributes
    ----------
    loadings : (unit, latent) loadings C of the units, estimated together with the echo.
    weight : (unit, latent) weights E of the curved latents of the unit's own region, in units of the log rate.
    covariance : (unit, 2 latent, 2 latent) posterior covariance of the loadings (first) and the weights E of a unit.
    """

    loadings: Array
    weight: Array
    covariance: Array


def estimate_echo(model: Population, data: Recording, paths: Paths) -> Echo:
    """Estimate the loadings and the echo of every unit, given the posterior of the latents.

    Loadings of superfluous latents are 0, along the principal axes of the latents of each region.

    Parameters
    ----------
    model : the network.
    data : the trials of the fit.
    paths : posterior of the latents.
    """
    T = _principal_axes(model, data, paths)
    model, paths = regauge(model, T), in_coordinates(paths, T)
    superfluous = _superfluous(model, data, paths)
    wider, both = _with_filtered_latents(model, data, paths)
    wider = _not_reading(wider, np.tile(superfluous, 2))
    for _ in range(REGRESSION_STEPS):
        wider = read_out(wider, data, both)
    if superfluous.any():
        model = _not_reading(model, superfluous)
        for _ in range(REGRESSION_STEPS):
            model = read_out(model, data, paths)
    latents = len(model.group)
    loadings, weight = model.C.copy(), np.zeros_like(model.C)
    covariance = np.zeros((len(data.region), 2 * latents, 2 * latents))
    for region in range(model.regions):
        units, own = np.flatnonzero(data.region == region), np.flatnonzero(model.group == region)
        columns = np.concatenate([own, latents + own])
        separate = np.linalg.inv(_information(wider, data, both, units, columns))
        raw = wider.C[np.ix_(units, latents + own)]
        parts = _shrunk(raw, model.C[np.ix_(units, own)], separate)
        weight[np.ix_(units, own)] = parts.weight
        loadings[np.ix_(units, own)] += parts.loadings
        covariance[np.ix_(units, columns, columns)] = parts.covariance
    both_T = np.kron(np.eye(2), T)
    return Echo(loadings=loadings @ T, weight=weight @ T, covariance=both_T.T @ covariance @ both_T)


def source_weights(model: Population, echo: Echo | None = None) -> Array:
    """Compute the weights of the curved latents and of the known sources into the log rate of every unit.

    Parameters
    ----------
    model : the network.
    echo : echo of the units; None for units without an echo.

    Returns
    -------
    (unit, latent + column) weights.
    """
    loadings = model.C if echo is None else echo.loadings
    whole = (loadings / (1 - model.leak)) @ np.concatenate([model.A, model.G], 1)
    if echo is not None:
        whole[:, : len(model.group)] += echo.weight
    return whole


def _principal_axes(model: Population, data: Recording, paths: Paths) -> Array:
    """Return the (latent, latent) rotation to the principal axes of the latents of each region."""
    T = np.eye(len(model.group))
    for region in range(model.regions):
        own = np.flatnonzero(model.group == region)
        _, vectors = np.linalg.eigh(np.atleast_2d(np.cov(paths.mean[data.inside][:, own].T)))
        T[np.ix_(own, own)] = vectors.T
    return T


def _superfluous(model: Population, data: Recording, paths: Paths) -> Array:
    """Return which (latent,) latents hardly vary, receive little from other regions and send little to them."""
    z = paths.mean[data.inside]
    f = curved(model, paths.mean, spreads(model, data, paths)).value[data.inside]
    superfluous = np.zeros(len(model.group), dtype=bool)
    for region in range(model.regions):
        own, outside = np.flatnonzero(model.group == region), np.flatnonzero(model.group != region)
        received = (f[:, outside] @ model.A[np.ix_(own, outside)].T).var(0)
        sent = f[:, own].var(0) * (model.A[np.ix_(outside, own)] ** 2).sum(0)
        superfluous[own] = (
            _within_share(z[:, own].var(0), MIN_VARIANCE_SHARE)
            & _within_share(received, MIN_SHARE_OF_OTHERS)
            & _within_share(sent, MIN_SHARE_OF_OTHERS)
        )
    return superfluous


def _within_share(variance: Array, share: float) -> Array:
    """Return which variances are at most a share of the sum of all."""
    return np.asarray(variance <= share * variance.sum())


def _not_reading(model: Population, latents: Array) -> Population:
    """Return the model whose units do not read some latents, with a mask of (latent,) these latents."""
    return model._replace(group=np.where(latents, NOT_READ, model.group), C=np.where(latents, 0.0, model.C))


def _with_filtered_latents(model: Population, data: Recording, paths: Paths) -> tuple[Population, Paths]:
    """Append the filtered curved latents h to the latents, with the posterior covariance of both."""
    at = curved(model, paths.mean, spreads(model, data, paths))
    slope, leak = pattern_slopes(model, at, data.pattern), model.leak
    h = np.zeros_like(paths.mean)
    crossed, own = np.zeros_like(paths.covariance), np.zeros_like(paths.covariance)
    arriving = (1 - leak)[:, None] * slope
    for k in range(len(h) - 1):
        h[k + 1] = leak * h[k] + (1 - leak) * at.value[k]
        # The latents are Markov under the posterior, so that one bin carries all of h that the next bin knows.
        ahead = np.linalg.solve(paths.covariance[:, k], paths.lagged[:, k])
        crossed[:, k + 1] = (leak[:, None] * crossed[:, k] + arriving[:, k] @ paths.covariance[:, k]) @ ahead
        mixed = leak[:, None] * crossed[:, k] @ arriving[:, k].swapaxes(1, 2)
        fresh = arriving[:, k] @ paths.covariance[:, k] @ arriving[:, k].swapaxes(1, 2)
        own[:, k + 1] = leak[:, None] * own[:, k] * leak + mixed + mixed.swapaxes(1, 2) + fresh
    covariance = np.block([[paths.covariance, crossed.swapaxes(2, 3)], [crossed, own]])
    wider = model._replace(
        group=np.tile(model.group, 2),
        C=np.concatenate([model.C, np.zeros_like(model.C)], 1),
        curvature=np.tile(model.curvature, 2),
    )
    return wider, paths._replace(mean=np.concatenate([paths.mean, h], 2), covariance=covariance)


def _information(model: Population, data: Recording, paths: Paths, units: Array, columns: Array) -> Array:
    """Compute the (unit, column, column) information about loadings, without what an unknown offset explains."""
    rate = expected(model, data, paths.mean, paths.covariance)
    amount = unit_information(model, data, rate)[..., units].astype(float)
    V = paths.covariance[..., columns[:, None], columns]
    moved = np.einsum("ptlm,um->ptul", V, model.C[np.ix_(units, columns)])
    whole = np.zeros((len(units), len(columns), len(columns)))
    first = np.zeros((len(units), len(columns)))
    for pattern in range(len(V)):
        chosen = data.pattern == pattern
        z, weight = paths.mean[:, chosen][..., columns], amount[:, chosen]
        total = weight.sum(1)
        flow = np.einsum("tnu,tnl->tul", weight, z)
        mixed = np.einsum("tul,tum->ulm", flow, moved[pattern])
        whole += np.einsum("tnu,tnl,tnm->ulm", weight, z, z, optimize=True) + mixed + mixed.swapaxes(1, 2)
        whole += np.einsum("tu,tul,tum->ulm", total, moved[pattern], moved[pattern])
        whole += np.einsum("tu,tlm->ulm", total, V[pattern])
        first += flow.sum(0) + np.einsum("tu,tul->ul", total, moved[pattern])
    number = np.maximum(amount.sum((0, 1)), 1e-9)
    return whole - first[:, :, None] * first[:, None, :] / number[:, None, None] + np.eye(len(columns))


def _shrunk(raw: Array, C: Array, separate: Array) -> Echo:
    """Shrink the echo of the units of one region; the loadings returned are the change of the loadings.

    Parameters
    ----------
    raw : (unit, latent) weights E of single regressions.
    C : (unit, latent) loadings without an echo.
    separate : (unit, 2 latent, 2 latent) covariance of loadings and weights of single regressions.
    """
    units, latents = raw.shape
    of_both, of_weights = separate[:, :latents, latents:], separate[:, latents:, latents:]
    precision = np.linalg.inv(of_weights)
    # What all units share is a change of the weights A, not an echo.
    rest = raw - C @ np.linalg.lstsq(C, raw, rcond=None)[0]
    free = (units - latents) * latents
    excess = np.einsum("ul,ulm,um->", rest, precision, rest) - free
    variance = max(excess, 0.0) / np.trace(precision, axis1=1, axis2=2).sum() if free > 0 else 0.0
    kept = variance * np.linalg.inv(variance * np.eye(latents) + of_weights)
    weight = np.einsum("ulm,um->ul", kept, rest)
    uncertain = variance * (np.eye(latents) - kept)
    change = of_both @ precision
    covariance = np.empty_like(separate)
    covariance[:, latents:, latents:] = uncertain
    covariance[:, :latents, latents:] = change @ uncertain
    covariance[:, latents:, :latents] = covariance[:, :latents, latents:].swapaxes(1, 2)
    known = separate[:, :latents, :latents] - change @ of_both.swapaxes(1, 2)
    covariance[:, :latents, :latents] = known + change @ uncertain @ change.swapaxes(1, 2)
    return Echo(loadings=np.einsum("ulm,um->ul", change, weight), weight=weight, covariance=covariance)
