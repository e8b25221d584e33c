"""Units beyond the recorded ones: a low-rank network some of whose units nobody has seen.

Where few units were recorded, their rates may not be enough of a basis for what the whole network does with its
latents. Further units, of which nothing is known but that they belong to the same network, may then help (as the hidden
units of LINT: Valente, Pillow & Ostojic, NeurIPS 2022); docs/low_rank.md says where they did. Their rates are not free:
in a network of low rank the latents and the inputs put every unit where it is, and the recorded units tell the latents.
"""

from __future__ import annotations

import numpy as np

from curbd.network.equation import phi, phi_inverse, simulate
from curbd.regression.transitions import TrainingData, from_first_bin
from curbd.settings.models import Trajectory
from lrfit.estimators.trajectory import refine, to_refine
from lrfit.network import LowRank, from_factors, in_canonical_gauge, passed_inputs, positions

Array = np.ndarray


def with_unrecorded(data: TrainingData, units: int, options: Trajectory, rng: np.random.Generator) -> LowRank:
    """Fit a low-rank network of the recorded units and ``units`` more by refinement through time.

    The network is refined without the further units first: added to the closed form they hold refinement up.
    The recorded units come first. The rank is ``options.rank``, or else the effective one of a fit to the recorded
    units alone, see `lrfit.estimators.trajectory.effective`.

    Returns
    -------
    The network, m and n of all its units, in the canonical gauge at the training trials.
    """
    data = from_first_bin(data)
    rank, start = to_refine(data, options, rng)
    alone = refine(data, start, rank, options, rng)
    network = refine(data, alone, rank, options, rng, unrecorded=units)
    left, values, right = np.linalg.svd(network.J)
    one = from_factors(left[:, :rank] * values[:rank], right[:rank].T, network)
    r = with_their_rates(one, data.r, data.u)
    return in_canonical_gauge(one, r[np.isfinite(r).all(2)])


def with_their_rates(one: LowRank, r: Array, u: Array) -> Array:
    """The recorded rates and, behind them, those of the unrecorded units where latents and inputs put these.

    At these rates the current that the unrecorded units send is a source like any other: J r is the sum of what the
    recorded and the unrecorded units send.

    Parameters
    ----------
    one : network of more units than were recorded.
    r : (trial, time, recorded unit) scaled rates, NaN where missing.
    u : (trial, time, input).

    Returns
    -------
    (trial, time, unit) NaN where the recorded rates are missing.
    """
    n = r.shape[2]
    seen = LowRank(one.m[:n], one.n[:n], one.network._replace(B=one.network.B[:n], b=one.network.b[:n]))
    z = positions(seen, r, u)
    network = one.network
    x = z @ one.m[n:].T + passed_inputs(network, u) @ network.B[n:].T + network.b[n:]
    return np.concatenate([r, phi(x)], axis=2)


def free_run(one: LowRank, r: Array, u: Array) -> Array:
    """(trial, time, recorded unit) rates of the whole network running freely from the first bin of every trial."""
    first = with_their_rates(one, r[:, :1], u[:, :1])[:, 0]
    return simulate(one.network, phi_inverse(first), np.nan_to_num(u))[..., : r.shape[2]]
