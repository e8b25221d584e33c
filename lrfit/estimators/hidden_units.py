"""Unrecorded units: a low-rank network that has more units than were recorded.

Where few units were recorded, their rates may be too poor a basis for the dynamics of the latents. Further units of the
same network, about which nothing else is known, may then help (the hidden units of LINT; publication: Valente, Pillow &
Ostojic, NeurIPS 2022); docs/low_rank.md reports where they did. The rates of unrecorded units are not free: in a
network of low rank the latents and the inputs determine the state of every unit, and the recorded units determine the
latents. States x are dimensionless.
"""

from __future__ import annotations

import numpy as np

from curbd.network.equation import phi, phi_inverse, simulate
from curbd.regression.transitions import TrainingData, from_first_bin
from curbd.settings.models import Trajectory
from lrfit.estimators.trajectory import refine, start_of_refinement
from lrfit.network import LowRank, filtered_inputs, from_factors, in_canonical_gauge, positions

Array = np.ndarray


def with_unrecorded(data: TrainingData, units: int, options: Trajectory, rng: np.random.Generator) -> LowRank:
    """Fit a low-rank network of the recorded units and of unrecorded units by refinement through time.

    The network is refined without the unrecorded units first: added to the closed form they slow the refinement down.
    The rank is ``options.rank``, or else the effective rank of a fit to the recorded units alone, see
    `lrfit.estimators.trajectory.effective_rank`.

    Parameters
    ----------
    data : training trials.
    units : number of unrecorded units.
    options : options of the refinement.
    rng : random numbers of the refinement, and of the loadings with which unrecorded units start.

    Returns
    -------
    The network of all units, recorded units first, in the canonical gauge at the training trials.
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
    """The recorded rates, followed by the rates of the unrecorded units that the latents and the inputs determine.

    At these rates the current from unrecorded units is a source like any other: J r is the sum of the currents from
    recorded and from unrecorded units.

    Parameters
    ----------
    low_rank : network of recorded units, followed by unrecorded units.
    r : (trial, time, recorded unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    (trial, time, unit) rates, NaN where the recorded rates are missing.
    """
    n = r.shape[2]
    network = low_rank.network
    of_recorded = LowRank(low_rank.m[:n], low_rank.n[:n], network._replace(B=network.B[:n], b=network.b[:n]))
    z = positions(of_recorded, r, u)
    x = z @ low_rank.m[n:].T + filtered_inputs(network, u) @ network.B[n:].T + network.b[n:]
    return np.concatenate([r, phi(x)], axis=2)


def recorded_free_run(low_rank: LowRank, r: Array, u: Array) -> Array:
    """Rates of the recorded units in free runs of the whole network from the first bin of every trial.

    Parameters
    ----------
    low_rank : network of recorded units, followed by unrecorded units.
    r : (trial, time, recorded unit) scaled rates, of which the first bin is used.
    u : (trial, time, input) inputs.

    Returns
    -------
    (trial, time, recorded unit)
    """
    first = with_unrecorded_rates(low_rank, r[:, :1], u[:, :1])[:, 0]
    return simulate(low_rank.network, phi_inverse(first), np.nan_to_num(u))[..., : r.shape[2]]
