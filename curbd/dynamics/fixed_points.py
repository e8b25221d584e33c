"""Fixed points and slow points of a vector field: the states at which a network rests or nearly rests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from curbd.dynamics.field import Field

Array = np.ndarray
SPEED_AT_REST = 1e-9
"""Largest |tau dz/dt| of a fixed point; Newton steps end at rounding error, about 1e-15."""
SAME_POINT_DISTANCE = 1e-4
"""Two solutions are the same point if their distance is below this number times (1 + their norm)."""
SLOW_SPEED_SHARE = 0.1
"""A slow point is slower than this share of the median speed of the visited states."""
STARTS_PER_ROUND = 400
"""States from which one round of the search for fixed points starts."""
MAX_SEARCH_ROUNDS = 25
FEW_COORDINATES = 10
"""A search in more coordinates than these costs far more a start, and is made from fewer starts."""
STARTS_IN_MANY_COORDINATES = 24
ROUNDS_IN_MANY_COORDINATES = 3
MAX_NEWTON_STEPS = 300
"""Largest number of steps from one start."""


class FixedPoint(NamedTuple):
    """A state at which a network is at rest (fixed point) or slow (slow point).

    Attributes
    ----------
    z : (rank,) position in the coordinates of the field.
    eigenvalues : (rank,) eigenvalues of the matrix K of the field at the point, in order of decreasing real parts. The
        Jacobian of tau dx/dt has the eigenvalues lambda - 1, with lambda from this list, along the coordinates, and -1
        in all other directions.
    speed : |tau dz/dt|, 0 at a fixed point.
    """

    z: Array
    eigenvalues: Array
    speed: float

    @property
    def type(self) -> str:
        """Return ``fixed_point``, or ``slow_point`` if the state is slow but not at rest."""
        return "fixed_point" if self.speed <= SPEED_AT_REST else "slow_point"

    @property
    def stability(self) -> str:
        """Return ``stable``, ``saddle`` or ``unstable``."""
        growing = self.eigenvalues.real > 1
        return "unstable" if growing.all() else "saddle" if growing.any() else "stable"

    @property
    def winding(self) -> int:
        """Return the Poincare index of the point, the sign of det(1 - K), with K as in the attribute ``eigenvalues``.

        The indices of all fixed points of a field sum to 1.
        """
        return int(np.sign(np.prod(1 - self.eigenvalues).real))


class Portrait(NamedTuple):
    """The fixed points and slow points of a vector field.

    Attributes
    ----------
    fixed : fixed points, stable ones first.
    slow : slow points near the visited states.
    complete : whether the Poincare indices of the fixed points that were found sum to 1. By the theorem of Poincare and
        Hopf the indices of all fixed points sum to 1, because the field points inwards far from the origin. Two missing
        points of opposite index go unnoticed.
    """

    fixed: list[FixedPoint]
    slow: list[FixedPoint]
    complete: bool


def portrait(field: Field, visited: Array, seed: int = 0) -> Portrait:
    """Find the fixed points and slow points of a vector field.

    Damped Newton steps start from the visited states, from random states of all magnitudes, and from states between the
    fixed points that were already found. Rounds of such starts end when a round finds no new point and the Poincare
    indices of the points sum to 1.

    Parameters
    ----------
    field : the vector field.
    visited : (state, rank) positions that the network visited.
    seed : seed for the random starts.

    Returns
    -------
    The points, and whether the search is complete.
    """
    rank = visited.shape[1]
    rng = np.random.default_rng(seed)
    box = field.reach(visited)
    n_starts, n_rounds = _effort(rank)
    known = np.zeros((0, rank))
    first_starts = visited[rng.permutation(len(visited))[:n_starts]]
    complete = False
    slowest = np.zeros((0, rank))
    for search_round in range(n_rounds):
        if search_round == 0:
            starts = np.concatenate([first_starts, np.zeros((1, rank))])
        else:
            scale = 10 ** rng.uniform(-2, 0, (n_starts // 2, 1))
            random = box * scale * rng.uniform(-1, 1, (n_starts // 2, rank))
            starts = np.concatenate([random, _between(known, rng, n_starts // 2)])
        ends = settle(field, starts)
        speed = np.linalg.norm(field.velocity(ends), axis=1)
        if search_round == 0:
            slowest = ends[speed > SPEED_AT_REST]
        points = distinct(np.concatenate([known, ends[speed <= SPEED_AT_REST]]))
        complete = sum(_point(field, z).winding for z in points) == 1
        if search_round > 1 and complete and len(points) == len(known):
            break
        known = points
    fixed = sorted((_point(field, z) for z in known), key=_order)
    return Portrait(fixed, _slow_points(field, slowest, visited), complete)


def settle(field: Field, z: Array) -> Array:
    """Minimise |tau dz/dt|^2 by Levenberg-Marquardt steps from every start.

    Parameters
    ----------
    field : the vector field.
    z : (start, rank) positions at the start.

    Returns
    -------
    (start, rank) positions at which the steps end.
    """
    z, damping = z.copy(), np.full(len(z), 1e-2)
    active = np.arange(len(z))
    identity = np.eye(z.shape[1])
    for _ in range(MAX_NEWTON_STEPS):
        if not len(active):
            break
        here = z[active]
        F, A = field.velocity(here), field.recurrence(here) - identity
        slope = np.einsum("sji,sj->si", A, F)
        normal = np.einsum("sji,sjk->sik", A, A) + damping[active, None, None] * identity
        there = here - np.linalg.solve(normal, slope[..., None])[..., 0]
        error = (F**2).sum(1)
        better = (field.velocity(there) ** 2).sum(1) < error
        z[active[better]] = there[better]
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 5), 1e-14, 1e10)
        done = (np.sqrt(error) < SPEED_AT_REST / 100) | (~better & (damping[active] >= 1e9))
        active = active[~done]
    return z


def distinct(z: Array) -> Array:
    """Remove repeated positions (point, rank): of positions that count as the same point, the first is kept."""
    kept = []
    while len(z):
        kept.append(z[0])
        z = z[np.linalg.norm(z - z[0], axis=1) > SAME_POINT_DISTANCE * (1 + np.linalg.norm(z[0]))]
    return np.array(kept).reshape(len(kept), z.shape[1])


def _effort(coordinates: int) -> tuple[int, int]:
    """Number of starts of a round and largest number of rounds of the search for fixed points."""
    few = coordinates <= FEW_COORDINATES
    return (STARTS_PER_ROUND, MAX_SEARCH_ROUNDS) if few else (STARTS_IN_MANY_COORDINATES, ROUNDS_IN_MANY_COORDINATES)


def _between(known: Array, rng: np.random.Generator, count: int) -> Array:
    """Random states between and around pairs of known fixed points, where saddles are."""
    if len(known) < 2:
        return np.zeros((0, known.shape[1]))
    first, second = known[rng.integers(len(known), size=(2, count))]
    share = rng.uniform(-0.2, 1.2, (count, 1))
    distance = np.linalg.norm(first - second, axis=1, keepdims=True)
    return first + share * (second - first) + 0.2 * distance * rng.standard_normal(first.shape)


def _point(field: Field, z: Array) -> FixedPoint:
    values = np.linalg.eigvals(field.recurrence(z))
    speed = float(np.linalg.norm(field.velocity(z)))
    return FixedPoint(z, values[np.argsort(-values.real, kind="stable")], speed)


def _order(point: FixedPoint) -> tuple[int, tuple[float, ...]]:
    """Sorting key: stable points first, then by position, so that the same field gives the same list."""
    return int((point.eigenvalues.real > 1).sum()), tuple(np.round(point.z, 6))


def _slow_points(field: Field, ends: Array, visited: Array) -> list[FixedPoint]:
    """Slow points among the ends of the search that are not fixed points and lie near the visited states."""
    median_speed = np.median(np.linalg.norm(field.velocity(visited), axis=1))
    points = [_point(field, z) for z in distinct(ends)]
    reach = np.ptp(visited, axis=0).max() / 10
    near = cdist([point.z for point in points], visited).min(1) < reach if points else []
    slow = [
        point
        for point, close in zip(points, near, strict=True)
        if close and point.speed < SLOW_SPEED_SHARE * median_speed
    ]
    return sorted(slow, key=_order)
