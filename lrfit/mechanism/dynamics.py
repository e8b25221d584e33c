"""Dynamics of the latents alone: the vector field of a low-rank network, its fixed points and slow points.

At a constant input u the states x settle in x = m z + B u + b, where J = m n' are the recurrent weights, B the input
weights and b the bias. The positions z in the space of the latents follow

    tau dz/dt = -z + n' tanh(m z + B u + b),

a system of as many equations as the rank. x and z are dimensionless. Publication: Valente, Pillow & Ostojic, NeurIPS
2022.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from lrfit.network import LowRank

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
MAX_NEWTON_STEPS = 300
"""Largest number of steps from one start."""


class Field(NamedTuple):
    """The vector field of the latents of a network J = m n' at one constant input.

    Attributes
    ----------
    m : (unit, rank) left factors.
    n : (unit, rank) right factors.
    offset : (unit,) constant current B u + b, with input weights B, constant input u and bias b.
    tau_s : time constant, s.
    step_s : Euler step of the network, s.
    """

    m: Array
    n: Array
    offset: Array
    tau_s: float
    step_s: float


class FixedPoint(NamedTuple):
    """A state at which the latents are at rest (fixed point) or slow (slow point).

    Attributes
    ----------
    z : (rank,) position in the space of the latents.
    eigenvalues : (rank,) eigenvalues of K = n' diag(1 - r^2) m at the rates r of the point, in order of decreasing real
        parts. The Jacobian of tau dx/dt has the eigenvalues lambda - 1, with lambda from this list, in the space of the
        latents, and -1 in all other directions.
    speed : |tau dz/dt|, 0 at a fixed point.
    """

    z: Array
    eigenvalues: Array
    speed: float

    @property
    def type(self) -> str:
        """Return ``fixed_point``, or ``slow_point`` if the latents are slow but not at rest."""
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


def field_at(low_rank: LowRank, u: Array) -> Field:
    """Construct the vector field of a network's latents at the constant input u (input,)."""
    network = low_rank.network
    return Field(
        m=low_rank.m,
        n=low_rank.n,
        offset=network.B @ u + network.b,
        tau_s=network.tau_s,
        step_s=network.dt_s / network.substeps,
    )


def velocity(field: Field, z: Array) -> Array:
    """Return the velocity tau dz/dt = -z + n' tanh(m z + offset) at positions z (..., rank)."""
    return np.tanh(z @ field.m.T + field.offset) @ field.n - z


def recurrence(field: Field, z: Array) -> Array:
    """Return the matrix K = n' diag(1 - tanh^2(m z + offset)) m (..., rank, rank) at positions z (..., rank).

    The Jacobian of the velocity tau dz/dt is K - 1.
    """
    rank = field.m.shape[1]
    gain = 1 - np.tanh(z @ field.m.T + field.offset) ** 2
    pairs = (field.n[:, :, None] * field.m[:, None, :]).reshape(len(field.n), rank * rank)
    return (gain @ pairs).reshape(*z.shape[:-1], rank, rank)


def portrait(field: Field, visited: Array, seed: int = 0) -> Portrait:
    """Find the fixed points and slow points of a vector field.

    Damped Newton steps start from the visited states, from random states of all magnitudes, and from states between the
    fixed points that were already found. Rounds of such starts end when a round finds no new point and the Poincare
    indices of the points sum to 1.

    Parameters
    ----------
    field : vector field of the latents.
    visited : (state, rank) positions that the network visited.
    seed : seed for the random starts.

    Returns
    -------
    The points, and whether the search is complete.
    """
    rank = field.m.shape[1]
    rng = np.random.default_rng(seed)
    # |tanh| < 1: no fixed point lies outside this box.
    box = np.abs(field.n).sum(0)
    known = np.zeros((0, rank))
    first_starts = visited[rng.permutation(len(visited))[:STARTS_PER_ROUND]]
    complete = False
    slowest = np.zeros((0, rank))
    for search_round in range(MAX_SEARCH_ROUNDS):
        if search_round == 0:
            starts = np.concatenate([first_starts, np.zeros((1, rank))])
        else:
            scale = 10 ** rng.uniform(-2, 0, (STARTS_PER_ROUND // 2, 1))
            random = box * scale * rng.uniform(-1, 1, (STARTS_PER_ROUND // 2, rank))
            starts = np.concatenate([random, _between(known, rng)])
        ends = settle(field, starts)
        speed = np.linalg.norm(velocity(field, ends), axis=1)
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
    field : vector field of the latents.
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
        F, A = velocity(field, here), recurrence(field, here) - identity
        slope = np.einsum("sji,sj->si", A, F)
        normal = np.einsum("sji,sjk->sik", A, A) + damping[active, None, None] * identity
        there = here - np.linalg.solve(normal, slope[..., None])[..., 0]
        error = (F**2).sum(1)
        better = (velocity(field, there) ** 2).sum(1) < error
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


def _between(known: Array, rng: np.random.Generator) -> Array:
    """Random states between and around pairs of known fixed points, where saddles are."""
    if len(known) < 2:
        return np.zeros((0, known.shape[1]))
    first, second = known[rng.integers(len(known), size=(2, STARTS_PER_ROUND // 2))]
    share = rng.uniform(-0.2, 1.2, (STARTS_PER_ROUND // 2, 1))
    distance = np.linalg.norm(first - second, axis=1, keepdims=True)
    return first + share * (second - first) + 0.2 * distance * rng.standard_normal(first.shape)


def _point(field: Field, z: Array) -> FixedPoint:
    values = np.linalg.eigvals(recurrence(field, z))
    speed = float(np.linalg.norm(velocity(field, z)))
    return FixedPoint(z, values[np.argsort(-values.real, kind="stable")], speed)


def _order(point: FixedPoint) -> tuple[int, tuple[float, ...]]:
    """Sorting key: stable points first, then by position, so that the same field gives the same list."""
    return int((point.eigenvalues.real > 1).sum()), tuple(np.round(point.z, 6))


def _slow_points(field: Field, ends: Array, visited: Array) -> list[FixedPoint]:
    """Slow points among the ends of the search that are not fixed points and lie near the visited states."""
    median_speed = np.median(np.linalg.norm(velocity(field, visited), axis=1))
    points = [_point(field, z) for z in distinct(ends)]
    reach = np.ptp(visited, axis=0).max() / 10
    near = cdist([point.z for point in points], visited).min(1) < reach if points else []
    slow = [
        point
        for point, close in zip(points, near, strict=True)
        if close and point.speed < SLOW_SPEED_SHARE * median_speed
    ]
    return sorted(slow, key=_order)
