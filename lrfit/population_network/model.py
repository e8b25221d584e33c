"""The population network: latents of regions drive one another, and recorded units read the latents of their region.

    z[k+1] = leak z[k] + A f(z[k]) + G s[k] + q[k],  q ~ N(0, Q),  Q block-diagonal by region
    x[k] = C z[k] + d,  C block-diagonal by region;  y ~ Poisson(exp(x)) or N(x, noise)

z are the latents in bin k, s are known sources, q are innovations, x is the log of the expected count per bin, and y is
the activity. In fine bins, x can also contain the own past spikes of a unit. The function f averages a sigmoid over the
loadings of the whole population of a region. With erf(sqrt(pi) x / 2) in place of tanh(x) and Gaussian loadings, the
average is z / sqrt(1 + pi/2 z' S z), where S is the covariance of the loadings (Mastrogiuseppe & Ostojic, Neuron 2018;
Williams, Neural Computation 1998). Recorded units are a random sample of the population, so that S is known up to a
factor, the curvature: f(z) = z / sqrt(1 + curvature |z|^2) in the coordinates in which C'C / units = 1. Curvature 0 is
the linear model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Population(NamedTuple):
    """Parameters of a population network.

    Attributes
    ----------
    group : (latent,) index of the region of every latent; hidden common drives have indices above those of the regions.
    regions : number of regions.
    leak : (latent,) share of a latent that remains after one bin without any current.
    A : (latent, latent) weights of the curved latents f(z); rows are targets.
    G : (latent, column) weights of the known sources.
    Q : (latent, latent) covariance of the innovations in one bin.
    curvature : (latent,) curvature of the region of the latent.
    C : (unit, latent) loadings.
    d : (unit,) log of the count per bin at z = 0, or the mean of a Gaussian unit.
    noise : (unit,) variance of a Gaussian unit; empty for counts.
    history : (unit, window) change of the log rate for every spike of the unit in each window of past bins (see
        `lrfit.population_network.history`); no windows for units without a history.
    history_lift : (unit,) log of the factor by which own spikes change the average rate, beyond suppression.
    start_mean : (condition, latent) mean of the latents in the first bin.
    start_covariance : (latent, latent) covariance of the latents in the first bin.
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
    history: Array
    history_lift: Array
    start_mean: Array
    start_covariance: Array


class Curved(NamedTuple):
    """Curved latents f(z), and what the derivative of f needs.

    Attributes
    ----------
    value : (time, trial, latent) curved latents f(z).
    height : (time, trial, latent) factor f(z) / z.
    state : (time, trial, latent) latents z.
    """

    value: Array
    height: Array
    state: Array


def curved(model: Population, z: Array, spread: Array | float = 0.0) -> Curved:
    """Compute the mean of f(z) over Gaussian latents.

    Parameters
    ----------
    model : the network.
    z : (time, trial, latent) means of the latents.
    spread : summed variance of the latents of the region of each latent; broadcasts to z.
    """
    height = 1 / np.sqrt(1 + model.curvature * (within_groups(model, z * z) + spread))
    return Curved(value=z * height, height=height, state=z)


def within_groups(model: Population, values: Array) -> Array:
    """Sum values (..., latent) over the latents of each region, and return each sum at all latents of its region."""
    if not model.curvature.any():
        return np.zeros_like(values)
    return values @ same_group(model).astype(float)


def same_group(model: Population) -> Array:
    """Return a (latent, latent) mask that is True for two latents of the same region."""
    return model.group[:, None] == model.group


def neighbours(model: Population) -> tuple[Array, Array]:
    """Return the (pair,) indices of all pairs of latents of the same region, in both orders."""
    first, second = np.nonzero(same_group(model))
    return first, second


def times_slope(model: Population, at: Curved, w: Array) -> Array:
    """Multiply vectors w by J, the derivative of f, which is symmetric, so that the product is also that with J'.

    Parameters
    ----------
    model : the network.
    at : curved latents at which the derivative is taken.
    w : (time, trial, latent) vectors.
    """
    if not model.curvature.any():
        return w
    inner = within_groups(model, at.state * w)
    return at.height * w - model.curvature * at.height**3 * at.state * inner


def mean_slope(model: Population, at: Curved, weight: Array) -> Array:
    """Sum the weighted derivative of f over trials.

    Parameters
    ----------
    model : the network.
    at : curved latents at which the derivative is taken.
    weight : (time, trial) weights of the trials; the sum is a mean over trials if they sum to 1 in a bin.

    Returns
    -------
    (time, latent, latent) weighted sum of the derivative.
    """
    latents = at.state.shape[2]
    if not model.curvature.any():
        return weight.sum(1)[:, None, None] * np.eye(latents)
    straight = np.einsum("tn,tnl->tl", weight, at.height)
    bent = (at.state * (weight[..., None] * model.curvature * at.height**3)).transpose(0, 2, 1) @ at.state
    return straight[:, :, None] * np.eye(latents) - bent * same_group(model)


def pattern_slopes(model: Population, at: Curved, pattern: Array) -> Array:
    """Average the derivative of f over the trials of each pattern of observation.

    Parameters
    ----------
    model : the network.
    at : curved latents at which the derivative is taken.
    pattern : (trial,) index of the pattern of each trial.

    Returns
    -------
    (pattern, time, latent, latent) mean derivative.
    """
    if is_single(pattern):
        return _slopes(model, at)
    slopes = []
    for index in range(pattern.max() + 1):
        chosen = pattern == index
        weight = np.full((len(at.state), int(chosen.sum())), 1 / chosen.sum())
        slopes.append(mean_slope(model, Curved(*(values[:, chosen] for values in at)), weight))
    return np.stack(slopes)


def is_single(pattern: Array) -> bool:
    """Return whether every trial has a pattern of observation of its own, in the order of the trials."""
    return np.array_equal(pattern, np.arange(len(pattern)))


def _slopes(model: Population, at: Curved) -> Array:
    """Compute the (trial, time, latent, latent) derivative of f in every trial."""
    height, state = np.moveaxis(at.height, 1, 0), np.moveaxis(at.state, 1, 0)
    bent = (state * model.curvature * height**3)[..., :, None] * np.where(same_group(model), state[..., None, :], 0.0)
    diagonal = np.arange(state.shape[2])
    slope = -bent
    slope[..., diagonal, diagonal] += height
    return slope


def drift(model: Population, at: Curved, sources: Array) -> Array:
    """Compute the (time, trial, latent) mean of the latents in the next bin.

    Parameters
    ----------
    model : the network.
    at : curved latents in the current bin.
    sources : (time, trial, column) known sources in the current bin.
    """
    return model.leak * at.state + at.value @ model.A.T + sources @ model.G.T


def regauge(model: Population, T: Array) -> Population:
    """Express the network in the latents T z.

    The parameter `curvature` of the saturation f is not transformed, because f is defined for latents that are scaled
    so that C'C / units is the identity, with C the loadings of the units.

    Parameters
    ----------
    model : the network.
    T : (latent, latent) matrix, block-diagonal by region.
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
    """Compute the (latent, latent) matrix T for which the loadings in the latents T z satisfy C'C / units = 1.

    Parameters
    ----------
    model : the network.
    unit_region : (unit,) index of the region of each unit.
    """
    T = np.eye(len(model.group))
    for region in range(model.regions):
        inside = np.ix_(model.group == region, model.group == region)
        block = model.C[unit_region == region][:, model.group == region]
        values, vectors = np.linalg.eigh(block.T @ block / len(block))
        T[inside] = (vectors * np.sqrt(np.maximum(values, 1e-8))) @ vectors.T
    return T
