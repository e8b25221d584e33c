"""Limit cycles of the latents: period and Floquet multipliers, by shooting from a Poincare section."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.mechanism.dynamics import Field, recurrence, velocity

Array = np.ndarray
SETTLE = 100.0
"""Time constants that a run is given to come to rest or onto its cycle."""
WATCH = 100.0
"""Time constants in which a cycle must have come back."""
STARTS = 24
"""Visited states from which cycles are sought."""
MOVING = 1e-3
"""A run whose speed |tau dz/dt| is smaller in the end has come to rest."""
NEAR = 0.25
"""A return counts where it comes this near, as a share of the extent of the orbit."""


class LimitCycle(NamedTuple):
    """A periodic solution.

    Attributes
    ----------
    period_s : s.
    orbit : (time, rank) positions over one period, an Euler step apart.
    multipliers : (rank - 1,) factors by which deviations shrink or grow in one period, the largest first; the one
        along the orbit, 1, is left out.
    """

    period_s: float
    orbit: Array
    multipliers: Array

    @property
    def type(self) -> str:
        """``limit_cycle``."""
        return "limit_cycle"

    @property
    def stability(self) -> str:
        """``stable`` or ``unstable``."""
        return "stable" if (np.abs(self.multipliers) < 1).all() else "unstable"


def limit_cycles(of: Field, visited: Array, seed: int = 0) -> list[LimitCycle]:
    """The limit cycles onto which the visited states run, the longest period first.

    The runs are Euler steps as the network makes them; a cycle is then refined by Newton steps on the state in the
    section and the period (see `shoot`).

    Parameters
    ----------
    visited : (state, rank) positions that the network visited.
    seed : which of them start a run.
    """
    if of.m.shape[1] < 2:
        return []
    step = of.step_s / of.tau_s
    z = visited[np.random.default_rng(seed).permutation(len(visited))[:STARTS]]
    for _ in range(round(SETTLE / step)):
        z = z + step * velocity(of, z)
    z = z[np.linalg.norm(velocity(of, z), axis=1) > MOVING]
    cycles: list[LimitCycle] = []
    for start in z:
        if any(_on(start, cycle) for cycle in cycles):
            continue
        guess = _first_return(of, start)
        found = shoot(of, start, guess) if guess else None
        if found is not None:
            cycles.append(found)
    return sorted(cycles, key=lambda cycle: -cycle.period_s)


def shoot(of: Field, z: Array, period_s: float) -> LimitCycle | None:
    """The limit cycle near a guess, None where Newton's method finds none.

    Solves Phi(z, T) = z in the section through the first z, at right angles to its velocity. The period is a whole
    number of Euler steps whose length is adapted by less than half a step in a period. The multipliers are the
    eigenvalues of the monodromy matrix, the product of 1 + dt / tau (K - 1) along the orbit (Pals, Macke & Barak, PLOS
    Comput. Biol. 2024).

    Parameters
    ----------
    z : (rank,) a state near the cycle.
    period_s : its period, about, s.
    """
    rank = len(z)
    n_steps = max(round(period_s / of.step_s), 2)
    step = period_s / n_steps / of.tau_s
    normal = velocity(of, z)
    normal = normal / np.linalg.norm(normal)
    origin, size = z, None
    for _ in range(30):
        orbit, monodromy, by_step = _around(of, z, step, n_steps)
        extent = np.ptp(orbit, axis=0).max()
        size = extent if size is None else size
        off = np.concatenate([orbit[-1] - z, [normal @ (z - origin)]])
        if np.linalg.norm(off) < 1e-10 * (1 + extent):
            break
        jacobian = np.block([[monodromy - np.eye(rank), by_step[:, None]], [normal[None], np.zeros((1, 1))]])
        change = np.linalg.lstsq(jacobian, -off, rcond=None)[0]
        z, step = z + change[:rank], step + change[rank]
        # A step that changes the period or the place by half has left what the guess was about.
        if not 0.5 < step * of.tau_s * n_steps / period_s < 2 or np.linalg.norm(z - origin) > size:
            return None
    else:
        return None
    if extent < size / 10:
        return None
    values = np.linalg.eigvals(monodromy)
    along = np.argmin(np.abs(values - 1))
    rest = np.delete(values, along)
    return LimitCycle(step * of.tau_s * n_steps, orbit[:-1], rest[np.argsort(-np.abs(rest), kind="stable")])


def _around(of: Field, z: Array, step: float, n_steps: int) -> tuple[Array, Array, Array]:
    """The orbit (step + 1, rank), d end / d z (rank, rank) and d end / d step (rank,)."""
    identity = np.eye(len(z))
    orbit, monodromy, by_step = [z], identity, np.zeros(len(z))
    for _ in range(n_steps):
        F, A = velocity(of, z), identity + step * (recurrence(of, z) - identity)
        monodromy, by_step = A @ monodromy, A @ by_step + F
        z = z + step * F
        orbit.append(z)
    return np.array(orbit), monodromy, by_step


def _first_return(of: Field, start: Array) -> float | None:
    """Time, s, until a run passes its start again in the same direction; None where it does not."""
    step = of.step_s / of.tau_s
    normal = velocity(of, start)
    orbit = [start]
    for _ in range(round(WATCH / step)):
        orbit.append(orbit[-1] + step * velocity(of, orbit[-1]))
    path = np.array(orbit)
    side = (path - start) @ normal
    extent = np.ptp(path, axis=0).max()
    close = np.linalg.norm(path - start, axis=1) < NEAR * extent
    # The first sample lies in the section itself.
    passed = np.flatnonzero((side[1:-1] < 0) & (side[2:] >= 0) & close[2:]) + 1
    if not len(passed):
        return None
    before = passed[0]
    return float((before + side[before] / (side[before] - side[before + 1])) * of.step_s)


def _on(z: Array, cycle: LimitCycle) -> bool:
    """Whether a state lies on a cycle, to within a few steps along it."""
    steps = np.linalg.norm(np.diff(cycle.orbit, axis=0), axis=1)
    return bool(np.linalg.norm(cycle.orbit - z, axis=1).min() < 2 * steps.max())
