"""Lyapunov exponents of a network: how fast near states part or meet, with the error of a finite simulation.

A positive largest exponent means chaos, 0 a cycle, and a negative one rest. The exponents are those of the Euler steps
that the network makes. Publication of the method: Benettin et al., Meccanica 1980.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.dynamics.field import Field

Array = np.ndarray
TRANSIENT_TIME_CONSTANTS = 100.0
"""Time that is left out at the start of a simulation, in time constants."""
BLOCK_TIME_CONSTANTS = 50.0
"""Length of the blocks of a simulation whose exponents give the error, in time constants."""
N_BLOCKS = 10
N_STARTS = 8
"""Simulations from different visited states."""
MAX_EXPONENTS = 10
STEPS_BETWEEN_QR = 5
"""Euler steps after which the growing directions are made orthogonal again."""


class Spectrum(NamedTuple):
    """The largest Lyapunov exponents of a network.

    Attributes
    ----------
    exponents : (exponent,) exponents in decreasing order, 1/s.
    errors : (exponent,) standard errors over blocks and starts of the simulations, 1/s.
    dimension : Kaplan-Yorke dimension of the attractor; NaN if more exponents would be needed.
    """

    exponents: Array
    errors: Array
    dimension: float


def lyapunov_spectrum(field: Field, visited: Array, *, count: int = MAX_EXPONENTS, seed: int = 0) -> Spectrum:
    """Compute the largest Lyapunov exponents of a vector field by repeated QR decompositions.

    Parameters
    ----------
    field : the vector field at one constant input.
    visited : (state, coordinate) positions that the network visited, from which simulations start.
    count : largest number of exponents.
    seed : seed for the choice of the starts and of the first directions.

    Returns
    -------
    Exponents, errors and dimension. Directions in which a low-rank network has no coordinate decay with the time
    constant and are left out.
    """
    rng = np.random.default_rng(seed)
    step = field.step_s / field.tau_s
    z = visited[rng.integers(len(visited), size=N_STARTS)]
    for _ in range(round(TRANSIENT_TIME_CONSTANTS / step)):
        z = z + step * field.velocity(z)
    count = min(count, z.shape[1])
    directions = np.linalg.qr(rng.standard_normal((N_STARTS, z.shape[1], count)))[0]
    rounds = max(1, round(BLOCK_TIME_CONSTANTS / step / STEPS_BETWEEN_QR))
    grown = np.zeros((N_BLOCKS + 1, N_STARTS, count))
    for block in range(N_BLOCKS + 1):
        for _ in range(rounds):
            for _ in range(STEPS_BETWEEN_QR):
                directions = (1 - step) * directions + step * (field.recurrence(z) @ directions)
                z = z + step * field.velocity(z)
            directions, triangle = np.linalg.qr(directions)
            sizes = np.abs(np.diagonal(triangle, axis1=1, axis2=2))
            grown[block] += np.log(np.maximum(sizes, 1e-300))
    # In the first block, the directions turn to where states part fastest.
    exponents = grown[1:].reshape(-1, count) / (rounds * STEPS_BETWEEN_QR * field.step_s)
    mean = exponents.mean(0)
    order = np.argsort(-mean, kind="stable")
    errors = exponents.std(0, ddof=1) / np.sqrt(len(exponents))
    return Spectrum(mean[order], errors[order], kaplan_yorke(mean[order]))


def kaplan_yorke(exponents: Array) -> float:
    """Return the Kaplan-Yorke dimension of decreasing exponents; 0 at rest, NaN if the sum never becomes negative."""
    sums = np.cumsum(exponents)
    if sums[0] < 0:
        return 0.0
    below = np.flatnonzero(sums < 0)
    if not len(below):
        return float("nan")
    last = below[0]
    return float(last + sums[last - 1] / abs(exponents[last]))
