"""The simulations behind effects: networks, recorded states from which they start, and what memory holds at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import NetworkBatch, onset
from curbd.network.tensors import device

Array = np.ndarray
MAX_STATES = {"cpu": 2**20, "cuda": 2**25}
"""Type of device -> number of states (member, run, trial, unit) that are held in memory at once, in each of a few
arrays of this size."""
WEIGHTS_PER_STATE = 8
"""Number of weights of all networks for every state that is held in memory, if that allows more states."""
PERTURBATIONS_OF_A_BATCH = 8
"""Trials are simulated in chunks if this many perturbations of all trials together would exceed the memory limit."""


class RunStarts(NamedTuple):
    """The trials of a recording: the states from which simulations start, and the bins in which effects are averaged.

    Attributes
    ----------
    x : (trial, time, unit) recorded states x (dimensionless) in tau dx/dt = -x + ... A missing state is replaced by the
        last observed state before it.
    weight : (condition, trial, time) 1 in the observed bins of the trials of a condition, else 0.
    """

    x: Array
    weight: Array

    def of_trials(self, trials: Array) -> RunStarts:
        """Select trials (trial,), given by index."""
        return RunStarts(self.x[trials], self.weight[:, trials])


class Simulation(NamedTuple):
    """The simulations behind all effects: networks that start from recorded states, with or without noise.

    Attributes
    ----------
    fits : the fitted networks.
    starts : the states from which all simulations start.
    truth : the network behind a teacher recording, which is simulated without noise, or None.
    noise_draws : number of draws of the noise per trial; 0 for simulations without noise.
    seed : seed for the noise.
    max_states : number of states (member, run, trial, unit) that are held in memory at once; None for `MAX_STATES`.
    """

    fits: NetworkBatch
    starts: RunStarts
    truth: NetworkBatch | None = None
    noise_draws: int = 0
    seed: int = 0
    max_states: int | None = None

    @property
    def state_limit(self) -> int:
        """Number of states that are held in memory at once; in large networks weights take more memory than states."""
        n_units = self.starts.x.shape[2]
        of_weights = len(self.fits.members) * n_units**2 // WEIGHTS_PER_STATE
        return max(MAX_STATES[device().type], of_weights) if self.max_states is None else self.max_states

    @property
    def draws(self) -> int:
        """Number of simulations of every trial with different noise; 1 without noise."""
        return max(self.noise_draws, 1)

    def of_trials(self, trials: Array) -> Simulation:
        """Select the simulations of some trials (trial,), given by index."""
        return self._replace(
            fits=self.fits.of_trials(trials),
            starts=self.starts.of_trials(trials),
            truth=None if self.truth is None else self.truth.of_trials(trials),
        )


def batches(simulation: Simulation, perturbations: Sequence[Perturbation]) -> Iterator[tuple[Array, int]]:
    """Yield indices of perturbations that are simulated together, and the number of trials that are simulated at once.

    Perturbations of one onset start together. Perturbations that cut weights are kept apart, as each has its own
    weights, which take memory.

    Parameters
    ----------
    simulation : the networks and the states from which they start.
    perturbations : all perturbations.

    Yields
    ------
    (perturbation,) indices, and the number of trials.
    """
    n_trials, _, n_units = simulation.starts.x.shape
    limit = simulation.state_limit
    n_networks = len(simulation.fits.members) + (simulation.truth is not None)
    onsets = np.array([onset([perturbation]) for perturbation in perturbations])
    cuts_weights = np.array([bool(entry.action.cuts or entry.action.latents) for entry in perturbations])
    for first_bin in np.unique(onsets):
        for rows_of_weights, chosen in ((0, ~cuts_weights), (n_units, cuts_weights)):
            group = np.flatnonzero((onsets == first_bin) & chosen)
            if not len(group):
                continue
            runs_of_trial = simulation.draws * (1 + min(len(group), PERTURBATIONS_OF_A_BATCH))
            at_once = max(1, min(n_trials, limit // (n_networks * n_units * runs_of_trial)))
            runs = max(1, limit // (n_networks * n_units * max(at_once * simulation.draws, rows_of_weights)) - 1)
            for start in range(0, len(group), runs):
                yield group[start : start + runs], at_once
