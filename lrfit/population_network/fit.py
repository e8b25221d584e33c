"""Variational expectation maximisation: latents given the parameters, then parameters given the latents.

The latents have a Gaussian posterior (Opper & Archambeau, Neural Computation 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.history import learn_history
from lrfit.population_network.likelihood import bound
from lrfit.population_network.loadings import read_out
from lrfit.population_network.model import Population, regauge, standard_gauge
from lrfit.population_network.paths import Paths, first_paths, in_coordinates, infer
from lrfit.population_network.recording import Recording
from lrfit.population_network.start import first_model
from lrfit.population_network.weights import Shrinkage, learn, shrinkage
from lrfit.population_network.zero import move_zero

Array = np.ndarray
FIRST_INFERENCE_STEPS = 5
RESTART_INFERENCE_STEPS = 15
"""Number of steps of the inference of the latents of new trials, before more rounds of fitting."""
LOADINGS_EVERY = 2
"""Number of rounds between two updates of the loadings in later rounds.

Loadings converge sooner than the dynamics, and their update takes as long as the rest of a round."""
ROUNDS_PER_BLOCK = 10
MAX_BLOCKS = 8
MIN_BLOCK_GAIN_NATS = 20.0
"""A fit ends when a block of rounds gains less log likelihood than this.

Later rounds follow what the network does not describe, and make currents worse."""


class Fit(NamedTuple):
    """A fitted network.

    Attributes
    ----------
    model : parameters of the network.
    paths : posterior of the latents of the fitted trials.
    prior : penalties of the weights.
    """

    model: Population
    paths: Paths
    prior: Shrinkage


def start(
    data: Recording, dimensions: Sequence[int], tau_s: float | None = None, curved: bool = True, gaussian: bool = False
) -> Fit:
    """Construct the fit with which the rounds begin.

    Parameters
    ----------
    data : the recording.
    dimensions : (region,) number of latents of each region.
    tau_s : time constant of the units in seconds; None for a network without a leak.
    curved : whether the currents saturate with the latents.
    gaussian : whether units are Gaussian; otherwise the activity consists of spike counts.
    """
    leak = 0.0 if tau_s is None else float(np.exp(-data.bin_s / tau_s))
    model = first_model(data, dimensions, leak, curved, gaussian)
    paths = infer(model, data, first_paths(model, data), FIRST_INFERENCE_STEPS)
    return Fit(model=model, paths=paths, prior=shrinkage(model, data.source_name))


def improve(state: Fit, data: Recording, rounds: int, loadings_every: int = 1) -> Fit:
    """Improve a fit by rounds of four steps: latents, loadings, zero and coordinates of the latents, dynamics.

    Parameters
    ----------
    state : the fit to improve.
    data : the trials of the fit.
    rounds : number of rounds.
    loadings_every : number of rounds between two updates of the loadings.
    """
    model, paths, prior = state
    for k in range(rounds):
        paths = infer(model, data, paths)
        if k % loadings_every == 0:
            model = learn_history(read_out(model, data, paths), data, paths)
            model, paths = move_zero(model, data, paths)
            model, paths = in_standard_gauge(model, data, paths)
        model, prior = learn(model, data, paths, prior)
    return Fit(model=model, paths=paths, prior=prior)


def converge(state: Fit, data: Recording) -> Fit:
    """Improve a fit until ten rounds gain less than ``MIN_BLOCK_GAIN_NATS`` of log likelihood.

    Parameters
    ----------
    state : the fit to improve.
    data : the trials of the fit.
    """
    before = bound(state.model, data, state.paths).sum()
    for _ in range(MAX_BLOCKS):
        state = improve(state, data, ROUNDS_PER_BLOCK, LOADINGS_EVERY)
        after = bound(state.model, data, state.paths).sum()
        if after - before < MIN_BLOCK_GAIN_NATS:
            break
        before = after
    return state


def restart(state: Fit, data: Recording) -> Fit:
    """Infer the latents of other trials, with the parameters unchanged.

    Parameters
    ----------
    state : the fitted network.
    data : the other trials.
    """
    return state._replace(paths=infer(state.model, data, first_paths(state.model, data), RESTART_INFERENCE_STEPS))


def in_standard_gauge(model: Population, data: Recording, paths: Paths) -> tuple[Population, Paths]:
    """Change the coordinates of the latents so that the loadings C of each region satisfy C'C / units = 1.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.

    Returns
    -------
    Model and posterior of the latents in the new coordinates.
    """
    T = standard_gauge(model, data.region)
    return regauge(model, T), in_coordinates(paths, T)
