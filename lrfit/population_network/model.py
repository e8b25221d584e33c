"""The population network: latents of regions drive one another, recorded units read those of their own region.

z[k+1] = leak z[k] + A f(z[k]) + G s[k] + q[k],  q ~ N(0, Q),  Q block-diagonal by region
x[k] = C z[k] + d,  C block-diagonal by region;  y ~ Poisson(exp(x) dt) or N(x, noise)

f averages a sigmoid over the loadings of the whole population. With erf(sqrt(pi) x / 2) for tanh(x) and Gaussian
loadings the average is z / sqrt(1 + pi/2 z' S z), S their covariance (Mastrogiuseppe & Ostojic, Neuron 2018; Williams,
Neural Computation 1998). Recorded units are a random sample of the population, so S is known up to a number, the
curvature: f(z) = z / sqrt(1 + curvature |z|^2) in the gauge where C'C / units = 1. Curvature 0 is the linear model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Population(NamedTuple):
    """Parameters of a population network.

    Attributes
    ----------
    group : (latent,) index of every latent's region; hidden common drives have the indices above the regions'.
    regions : number of regions.
    leak : (latent,) share of a latent that is left after one bin when nothing arrives.
    A : (latent, latent) weights of f(z), row the target.
    G : (latent, column) weights of the known sources.
    Q : (latent, latent) covariance of what is new in one bin.
    curvature : (latent,) that of the latent's region.
    C : (unit, latent) loadings, d : (unit,) log of the count a bin at z = 0, or the mean of a Gaussian unit.
    noise : (unit,) variance of a Gaussian unit; empty for counts.
    start_mean : (condition, latent), start_covariance : (latent, latent), of the first bin.
    """

    group: Array
    regions: int
    leak: Array
    A: Array
    G: Array
    Q: Array
    curvature: Array
    C: Array
    d: Array
    noise: Array
    start_mean: Array
    start_covariance: Array


class Curved(NamedTuple):
    """f and what its derivative needs: value f (time, trial, latent), height h (time, trial, latent), state z."""

    value: Array
    height: Array
    state: Array


def curved(model: Population, z: Array, spread: Array | float = 0.0) -> Curved:
    """Mean of f over Gaussian latents.

    Parameters
    ----------
    z : (time, trial, latent) means.
    spread : summed variance of the latents of each latent's region, broadcasts to z.
    """
    height = 1 / np.sqrt(1 + model.curvature * (within_groups(model, z * z) + spread))
    return Curved(value=z * height, height=height, state=z)


def within_groups(model: Population, values: Array) -> Array:
    """Sum over the latents of each region, at each of them: (..., latent) to (..., latent)."""
    if not model.curvature.any():
        return np.zeros_like(values)
    return values @ same_group(model).astype(float)


def same_group(model: Population) -> Array:
    """(latent, latent) True for two latents of one region."""
    return model.group[:, None] == model.group


def pull_back(model: Population, at: Curved, w: Array) -> Array:
    """J' w, J the derivative of f: (time, trial, latent) to the same."""
    if not model.curvature.any():
        return w
    inner = within_groups(model, at.state * w)
    return at.height * w - model.curvature * at.height**3 * at.state * inner


def push_forward(model: Population, at: Curved, w: Array) -> Array:
    """J w; the derivative of f is symmetric within a region."""
    return pull_back(model, at, w)


def mean_slope(model: Population, at: Curved, weight: Array) -> Array:
    """(time, latent, latent) derivative of f averaged over trials with weight (time, trial), which sums to 1."""
    latents = at.state.shape[2]
    if not model.curvature.any():
        return np.broadcast_to(np.eye(latents), (len(weight), latents, latents))
    straight = np.einsum("tn,tnl->tl", weight, at.height)
    bent = (at.state * (weight[..., None] * model.curvature * at.height**3)).transpose(0, 2, 1) @ at.state
    return straight[:, :, None] * np.eye(latents) - bent * same_group(model)


def drift(model: Population, at: Curved, sources: Array) -> Array:
    """(time, trial, latent) mean of the next bin."""
    return model.leak * at.state + at.value @ model.A.T + sources @ model.G.T


def regauge(model: Population, T: Array) -> Population:
    """The same network in latents T z, T block-diagonal by region; f keeps its form where T scales within a gauge.

    The curvature is not touched: it belongs to the gauge in which C'C / units = 1.
    """
    back = np.linalg.inv(T)
    return model._replace(
        A=T @ model.A @ back,
        G=T @ model.G,
        Q=T @ model.Q @ T.T,
        C=model.C @ back,
        start_mean=model.start_mean @ T.T,
        start_covariance=T @ model.start_covariance @ T.T,
    )


def standard_gauge(model: Population, unit_region: Array) -> Array:
    """(latent, latent) T that makes C'C / units the identity for every region."""
    T = np.eye(len(model.group))
    for region in range(model.regions):
        inside = np.ix_(model.group == region, model.group == region)
        block = model.C[unit_region == region][:, model.group == region]
        values, vectors = np.linalg.eigh(block.T @ block / len(block))
        T[inside] = (vectors * np.sqrt(np.maximum(values, 1e-8))) @ vectors.T
    return T
