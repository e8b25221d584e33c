"""Unrecorded units: a low-rank network that has more units than were recorded.

Where few units were recorded, their rates may be too poor a basis for the dynamics of the latents. Additional units of
the network, of which no rates were recorded, may then help (the hidden units of LINT; publication: Valente, Pillow &
Ostojic, NeurIPS 2022); docs/low_rank.md reports for which data they did. The rates of unrecorded units are not free: in
a network of low rank the latents and the inputs determine the state of every unit, and the recorded units determine the
latents. States x are dimensionless, in the units of x in tau dx/dt = -x + J r + B u + b.
"""

from __future__ import annotations

import numpy as np

from curbd.dynamics.field import filtered_inputs, positions
from curbd.network.equation import simulate
from curbd.network.nonlinearity import TANH
from curbd.regression.transitions import TrainingData, from_first_bin
from curbd.settings.estimators import Trajectory
from lrfit.estimators.trajectory import refine, start_of_refinement
from lrfit.network import LowRank, from_factors, in_canonical_gauge

Array = np.ndarray


def with_unrecorded(data: TrainingData, units: int, options: Trajectory, rng: np.random.Generator) -> LowRank:
    """Fit a low-rank network of recorded and unrecorded units by gradient descent through time.

    A network of the recorded units alone is fitted first; unrecorded units that are added at the start slow the descent
    down. The rank is ``options.rank``; if it is None, the rank is the effective rank of a fit to the recorded units
    alone (see `lrfit.estimators.trajectory.effective_rank`). Publication: Valente, Pillow & Ostojic, NeurIPS 2022
    (LINT).

    Parameters
    ----------
    data : training trials.
    units : number of unrecorded units.
    options : rank and options of the gradient descent.
    rng : random generator of the gradient descent, and of the loadings with which unrecorded units start.

    Returns
    -------
    The network of all units, recorded units first, with its factors in the canonical gauge (see
    `lrfit.network.canonical`) at the rates of the training trials.
    """
    data = from_first_bin(data)
    rank, start = start_of_refinement(data, options, rng)
    of_recorded = refine(data, start, rank, options, rng)
    network = refine(data, of_recorded, rank, options, rng, unrecorded=units)
    left, values, right = np.linalg.svd(network.J)
    low_rank = from_factors(left[:, :rank] * values[:rank], right[:rank].T, network)
    r = with_unrecorded_rates(low_rank, data.r, data.u)
    return in_canonical_gauge(low_rank, r[np.isfinite(r).all(2)])


def with_unrecorded_rates(low_rank: LowRank, r: Array, u: Array) -> Array:
    """Append to the recorded rates the rates of the unrecorded units, which the latents and the inputs determine.

    At these rates, the recurrent current J r is the sum of the currents from recorded units and from unrecorded units.

    Parameters
    ----------
    low_rank : network of recorded units, followed by unrecorded units.
    r : (trial, time, recorded unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    (trial, time, unit) rates of all units, NaN where the recorded rates are missing.
    """
    n = r.shape[2]
    network = low_rank.network
    of_recorded = LowRank(low_rank.m[:n], low_rank.n[:n], network._replace(B=network.B[:n], b=network.b[:n]))
    z = positions(of_recorded, r, u)
    x = z @ low_rank.m[n:].T + filtered_inputs(network, u) @ network.B[n:].T + network.b[n:]
    return np.concatenate([r, TANH.phi(x)], axis=2)


def recorded_free_run(low_rank: LowRank, r: Array, u: Array) -> Array:
    """Simulate the whole network freely from the first bin of every trial and return the rates of the recorded units.

    Parameters
    ----------
    low_rank : network of recorded units, followed by unrecorded units.
    r : (trial, time, recorded unit) scaled rates, of which only the first bin is used.
    u : (trial, time, input) inputs.

    Returns
    -------
    (trial, time, recorded unit) simulated rates.
    """
    first = with_unrecorded_rates(low_rank, r[:, :1], u[:, :1])[:, 0]
    return simulate(low_rank.network, TANH.inverse(first), np.nan_to_num(u))[..., : r.shape[2]]
