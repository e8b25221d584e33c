"""Variational expectation maximisation of a population network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.likelihood import HELD_OUT_STEPS, bound
from lrfit.population_network.loadings import read_out
from lrfit.population_network.model import Population, regauge, standard_gauge
from lrfit.population_network.paths import Paths, first_paths, infer
from lrfit.population_network.recording import Recording
from lrfit.population_network.start import first_model
from lrfit.population_network.weights import Shrinkage, learn, shrinkage

Array = np.ndarray
FIRST_STEPS = 5
LOADINGS_EVERY = 2
"""In later rounds: loadings settle sooner than the dynamics and take as long as all else."""
BLOCK, MOST_BLOCKS = 10, 8
LEAST_GAIN_NATS = 4.0
"""Rounds go on while ten of them gain more than this."""


class Fit(NamedTuple):
    """A fitted network, the posterior of the latents of its trials, and its penalties."""

    model: Population
    paths: Paths
    prior: Shrinkage


def start(
    data: Recording, dimensions: Sequence[int], tau_s: float | None = None, curved: bool = True, gaussian: bool = False
) -> Fit:
    """What the rounds begin with."""
    leak = 0.0 if tau_s is None else float(np.exp(-data.bin_s / tau_s))
    model = first_model(data, dimensions, leak, curved, gaussian)
    paths = infer(model, data, first_paths(model, data), FIRST_STEPS)
    return Fit(model=model, paths=paths, prior=shrinkage(model, data.source_name))


def improve(state: Fit, data: Recording, rounds: int, loadings_every: int = 1) -> Fit:
    """The fit after some rounds: latents, loadings, gauge, dynamics."""
    model, paths, prior = state
    for k in range(rounds):
        paths = infer(model, data, paths)
        if k % loadings_every == 0:
            model = read_out(model, data, paths)
            model, paths = in_standard_gauge(model, data, paths)
        model, prior = learn(model, data, paths, prior)
    return Fit(model=model, paths=paths, prior=prior)


def converge(state: Fit, data: Recording) -> Fit:
    """The fit after as many rounds as still gain log likelihood."""
    before = bound(state.model, data, state.paths).sum()
    for _ in range(MOST_BLOCKS):
        state = improve(state, data, BLOCK, LOADINGS_EVERY)
        after = bound(state.model, data, state.paths).sum()
        if after - before < LEAST_GAIN_NATS:
            break
        before = after
    return state


def restart(state: Fit, data: Recording) -> Fit:
    """The fit with the latents of other trials, its weights where they were."""
    return state._replace(paths=infer(state.model, data, first_paths(state.model, data), HELD_OUT_STEPS))


def in_standard_gauge(model: Population, data: Recording, paths: Paths) -> tuple[Population, Paths]:
    """Model and paths where C'C / units is the identity."""
    T = standard_gauge(model, data.region)
    moved = paths._replace(mean=paths.mean @ T.T, covariance=T @ paths.covariance @ T.T, lagged=T @ paths.lagged @ T.T)
    return regauge(model, T), moved
