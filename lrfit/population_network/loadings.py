"""Loadings of the recorded units: how strongly each unit reads each latent of its region."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.observation import counts_spikes, expected, unsaturated
from lrfit.population_network.paths import Paths
from lrfit.population_network.recording import Recording

Array = np.ndarray
MAX_NEWTON_STEP = 1.0
"""Largest Newton step of a loading or a log rate."""


def read_out(model: Population, data: Recording, paths: Paths) -> Population:
    """Update the loadings C and offsets d of every unit, given the latents.

    Counts take one Newton step of a Poisson regression, and Gaussian units are solved exactly. The prior of a loading
    is N(0, 1), in the coordinates in which C'C / units = 1.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    """
    C, d, noise = model.C.copy(), model.d.copy(), model.noise.copy()
    rate = expected(model, data, paths.mean, paths.covariance)
    grows = unsaturated(model, data, rate)
    for region in range(model.regions):
        latents, units = np.flatnonzero(model.group == region), np.flatnonzero(data.region == region)
        if not len(units) or not len(latents):
            continue
        z = paths.mean[..., latents]
        V = paths.covariance[..., latents[:, None], latents]
        if counts_spikes(model):
            parts = _poisson(data, z, V, rate, grows, model.C[np.ix_(units, latents)], units)
            C[np.ix_(units, latents)] += parts[:, :-1]
            d[units] += parts[:, -1]
        else:
            whole, off = _gaussian(data, z, V, units, model.noise[units])
            C[np.ix_(units, latents)], d[units], noise[units] = whole[:, :-1], whole[:, -1], off
    return model._replace(C=C, d=d, noise=noise)


def _poisson(data: Recording, z: Array, V: Array, rate: Array, grows: Array, C: Array, units: Array) -> Array:
    """Compute the (unit, latent + 1) Newton steps of loadings and offset."""
    latents = z.shape[2]
    z = z.astype(data.activity.dtype)
    amount = grows[..., units] * rate[..., units]
    off = data.activity[..., units] * grows[..., units] - amount
    constant = np.ones((*z.shape[:2], 1), z.dtype)
    X = np.concatenate([z, constant], 2).reshape(-1, latents + 1)
    by_pattern = np.stack([amount[:, data.pattern == p].sum(1) for p in range(len(V))]).astype(float)
    gradient = (off.reshape(-1, len(units)).T @ X).astype(float)
    # Under the posterior the regressor is m + V c with covariance V.
    tilt = np.einsum("ptlm,um->ptul", V, C)
    gradient[:, :-1] -= np.einsum("ptu,ptul->ul", by_pattern, tilt)
    gradient[:, :-1] -= C
    outer = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    amount = amount * grows[..., units]
    hessian = (amount.reshape(-1, len(units)).T @ outer).astype(float).reshape(len(units), latents + 1, latents + 1)
    flow = np.stack([amount[:, data.pattern == p].transpose(0, 2, 1) @ z[:, data.pattern == p] for p in range(len(V))])
    mixed = np.einsum("ptul,ptum->ulm", tilt, flow)
    hessian[:, :-1, :-1] += mixed + mixed.transpose(0, 2, 1)
    hessian[:, :-1, :-1] += np.einsum("ptu,ptul,ptum->ulm", by_pattern, tilt, tilt)
    hessian[:, :-1, :-1] += np.einsum("ptu,ptlm->ulm", by_pattern, V)
    last = np.einsum("ptu,ptul->ul", by_pattern, tilt)
    hessian[:, :-1, -1] += last
    hessian[:, -1, :-1] += last
    hessian[:, :-1, :-1] += np.eye(latents)
    hessian += 1e-3 * np.eye(latents + 1)
    step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.clip(step, -MAX_NEWTON_STEP, MAX_NEWTON_STEP)


def _gaussian(data: Recording, z: Array, V: Array, units: Array, noise: Array) -> tuple[Array, Array]:
    """Compute the (unit, latent + 1) loadings and offset, and the (unit,) variance of the noise."""
    latents = z.shape[2]
    constant = np.ones((*z.shape[:2], 1))
    X = np.concatenate([z, constant], 2).reshape(-1, latents + 1)
    seen, y = data.seen[..., units], data.activity[..., units]
    outer = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    square = (seen.reshape(-1, len(units)).T @ outer).reshape(len(units), latents + 1, latents + 1)
    by_pattern = np.stack([seen[:, data.pattern == p].sum(1) for p in range(len(V))])
    square[:, :-1, :-1] += np.einsum("ptu,ptlm->ulm", by_pattern, V)
    crossed = (y * seen).reshape(-1, len(units)).T @ X
    ridge = np.diag([1.0] * latents + [1e-6])
    whole = np.linalg.solve(square + noise[:, None, None] * ridge, crossed[..., None])[..., 0]
    total = np.maximum(seen.sum((0, 1)), 1)
    left = (y * y * seen).sum((0, 1)) - 2 * np.sum(whole * crossed, 1) + np.einsum("ul,ulm,um->u", whole, square, whole)
    return whole, np.maximum(left / total, 1e-6)
