"""Limit cycles: period and Floquet multipliers, found by shooting from a Poincare section.

Publication: Pals, Macke & Barak, PLOS Comput. Biol. 2024.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.dynamics.field import Field

Array = np.ndarray
SETTLING_TIME_CONSTANTS = 100.0
"""Length of the simulations that settle to rest or onto a limit cycle, in time constants."""
RETURN_TIME_CONSTANTS = 100.0
"""Longest period that is found, in time constants."""
MAX_CYCLE_STARTS = 24
"""Largest number of visited states from which limit cycles are sought."""
LEAST_MOVING_SPEED = 1e-3
"""A simulation is at rest if its final speed |tau dz/dt| is smaller."""
RETURN_DISTANCE_SHARE = 0.25
"""A simulation has returned if its distance to the start is smaller than this share of the extent of the orbit."""
MAX_SHOOTING_STEPS = 30


class LimitCycle(NamedTuple):
    """A periodic solution of the dynamics.

    Attributes
    ----------
    period_s : period, s.
    orbit : (time, rank) positions over one period, one Euler step apart.
    multipliers : (rank - 1,) Floquet multipliers, by which deviations from the cycle are multiplied in one period, in
        order of decreasing magnitude. The multiplier along the orbit, which is 1, is left out.
    """

    period_s: float
    orbit: Array
    multipliers: Array

    @property
    def type(self) -> str:
        """Return ``limit_cycle``, as in the column ``type`` of the table ``dynamics``."""
        return "limit_cycle"

    @property
    def stability(self) -> str:
        """Return ``stable`` or ``unstable``."""
        return "stable" if (np.abs(self.multipliers) < 1).all() else "unstable"


def limit_cycles(field: Field, visited: Array, seed: int = 0) -> list[LimitCycle]:
    """Find the limit cycles to which simulations started from visited states converge.

    Simulations take the Euler steps of the network. After `SETTLING_TIME_CONSTANTS`, a simulation that still moves and
    later returns close to the same state in the same direction is the first guess of a cycle. The guess is refined by
    Newton steps on the period and on the state in a Poincare section, the plane through the state at right angles to
    the velocity (see `shoot`).

    Parameters
    ----------
    field : the vector field.
    visited : (state, rank) positions that the network visited.
    seed : seed for the choice of the visited states from which simulations start.

    Returns
    -------
    The limit cycles in order of decreasing period.
    """
    if visited.shape[1] < 2:
        return []
    step = field.step_s / field.tau_s
    z = visited[np.random.default_rng(seed).permutation(len(visited))[:MAX_CYCLE_STARTS]]
    for _ in range(round(SETTLING_TIME_CONSTANTS / step)):
        z = z + step * field.velocity(z)
    z = z[np.linalg.norm(field.velocity(z), axis=1) > LEAST_MOVING_SPEED]
    cycles: list[LimitCycle] = []
    for start in z:
        if any(on_cycle(start, cycle) for cycle in cycles):
            continue
        period_s = _first_return(field, start)
        cycle = shoot(field, start, period_s) if period_s else None
        if cycle is not None:
            cycles.append(cycle)
    return sorted(cycles, key=lambda cycle: -cycle.period_s)


def shoot(field: Field, z: Array, period_s: float) -> LimitCycle | None:
    """Find the limit cycle near a guess by Newton's method on the state and the period.

    The method solves Phi(z, T) = z, where Phi(z, T) is the state that the dynamics reach from z after the period T. z
    is kept in the Poincare section through the first z, at right angles to the velocity at that state. The period is a
    whole number of Euler steps, whose length is adjusted; this changes the period by less than half a step. The Floquet
    multipliers are the eigenvalues of the monodromy matrix, the product of 1 + dt / tau (K - 1) along the orbit, with
    the matrix K of `curbd.dynamics.field.Field.recurrence`.

    Parameters
    ----------
    field : the vector field.
    z : (rank,) a state near the cycle.
    period_s : approximate period, s.

    Returns
    -------
    The cycle; None if Newton's method does not converge to a cycle.
    """
    rank = len(z)
    n_steps = max(round(period_s / field.step_s), 2)
    step = period_s / n_steps / field.tau_s
    normal = field.velocity(z)
    normal = normal / np.linalg.norm(normal)
    origin, size = z, None
    for _ in range(MAX_SHOOTING_STEPS):
        orbit, monodromy, by_step = _around(field, z, step, n_steps)
        extent = np.ptp(orbit, axis=0).max()
        size = extent if size is None else size
        error = np.concatenate([orbit[-1] - z, [normal @ (z - origin)]])
        if np.linalg.norm(error) < 1e-10 * (1 + extent):
            break
        jacobian = np.block([[monodromy - np.eye(rank), by_step[:, None]], [normal[None], np.zeros((1, 1))]])
        change = np.linalg.lstsq(jacobian, -error, rcond=None)[0]
        z, step = z + change[:rank], step + change[rank]
        # Far from the guess there may be another cycle, which has its own start.
        if not 0.5 < step * field.tau_s * n_steps / period_s < 2 or np.linalg.norm(z - origin) > size:
            return None
    else:
        return None
    if extent < size / 10:
        return None
    values = np.linalg.eigvals(monodromy)
    along = np.argmin(np.abs(values - 1))
    across = np.delete(values, along)
    multipliers = across[np.argsort(-np.abs(across), kind="stable")]
    return LimitCycle(step * field.tau_s * n_steps, orbit[:-1], multipliers)


def _around(field: Field, z: Array, step: float, n_steps: int) -> tuple[Array, Array, Array]:
    """The orbit (step + 1, rank), d end / d z (rank, rank) and d end / d step (rank,)."""
    identity = np.eye(len(z))
    orbit, monodromy, by_step = [z], identity, np.zeros(len(z))
    for _ in range(n_steps):
        F, A = field.velocity(z), identity + step * (field.recurrence(z) - identity)
        monodromy, by_step = A @ monodromy, A @ by_step + F
        z = z + step * F
        orbit.append(z)
    return np.array(orbit), monodromy, by_step


def _first_return(field: Field, start: Array) -> float | None:
    """Time, s, until a run passes its start again in the same direction; None if the run does not return."""
    step = field.step_s / field.tau_s
    normal = field.velocity(start)
    orbit = [start]
    for _ in range(round(RETURN_TIME_CONSTANTS / step)):
        orbit.append(orbit[-1] + step * field.velocity(orbit[-1]))
    path = np.array(orbit)
    side = (path - start) @ normal
    extent = np.ptp(path, axis=0).max()
    close = np.linalg.norm(path - start, axis=1) < RETURN_DISTANCE_SHARE * extent
    # The first sample lies in the section itself.
    passed = np.flatnonzero((side[1:-1] < 0) & (side[2:] >= 0) & close[2:]) + 1
    if not len(passed):
        return None
    before = passed[0]
    return float((before + side[before] / (side[before] - side[before + 1])) * field.step_s)


def on_cycle(z: Array, cycle: LimitCycle) -> bool:
    """Return whether a state lies on a cycle, to within a few steps along the orbit."""
    steps = np.linalg.norm(np.diff(cycle.orbit, axis=0), axis=1)
    return bool(np.linalg.norm(cycle.orbit - z, axis=1).min() < 2 * steps.max())
