"""Dynamics of the latents alone: the closed vector field of a low-rank network, its fixed points and slow points.

With a constant input u the states settle in x = m z + B u + b, and the latents follow

    tau dz/dt = -z + n' tanh(m z + B u + b),

as many equations as the rank. Publication: Valente, Pillow & Ostojic, NeurIPS 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from lrfit.network import LowRank

Array = np.ndarray
AT_REST = 1e-9
"""A fixed point is where |dz/dt| tau is smaller than this; Newton steps end at rounding error, 1e-15 or so."""
SAME = 1e-4
"""Solutions closer than this (times 1 + their size) are one."""
SLOW = 0.1
"""A slow point is slower than this share of the median speed of the visited states."""
ROUND = 400
"""Starts a round of the search for fixed points."""
MOST_ROUNDS = 25
MOST_STEPS = 300
"""Steps from every start, at most."""


class Field(NamedTuple):
    """The closed vector field of the latents at one constant input.

    Attributes
    ----------
    m : (unit, rank).
    n : (unit, rank).
    offset : (unit,) what the input and the bias add to x.
    tau_s : time constant, s.
    step_s : Euler step of the network, s.
    """

    m: Array
    n: Array
    offset: Array
    tau_s: float
    step_s: float


class FixedPoint(NamedTuple):
    """A state at which the latents rest, or nearly so.

    Attributes
    ----------
    z : (rank,) its position.
    eigenvalues : (rank,) of K = n' diag(1 - r^2) m, the largest real part first. The Jacobian of tau dx/dt has the
        eigenvalues -1 + these and, in all other directions, -1.
    speed : |tau dz/dt|, 0 at a fixed point.
    """

    z: Array
    eigenvalues: Array
    speed: float

    @property
    def type(self) -> str:
        """``fixed_point``, or ``slow_point`` for one that is slow but not fixed."""
        return "fixed_point" if self.speed <= AT_REST else "slow_point"

    @property
    def stability(self) -> str:
        """``stable``, ``saddle`` or ``unstable``."""
        growing = self.eigenvalues.real > 1
        return "unstable" if growing.all() else "saddle" if growing.any() else "stable"

    @property
    def winding(self) -> int:
        """Its index, the sign of det(1 - K): over all fixed points of a field these sum to 1."""
        return int(np.sign(np.prod(1 - self.eigenvalues).real))


class Portrait(NamedTuple):
    """What rests in a field.

    Attributes
    ----------
    fixed : all fixed points that were found, stable ones first.
    slow : slow points among the visited states.
    complete : whether the indices of the fixed points sum to 1, as those of all of them must (Poincare and Hopf: far
        out the field points inwards). A missed pair of opposite index would not show.
    """

    fixed: list[FixedPoint]
    slow: list[FixedPoint]
    complete: bool


def field(one: LowRank, u: Array) -> Field:
    """The field at the constant input u (input,)."""
    network = one.network
    return Field(one.m, one.n, network.B @ u + network.b, network.tau_s, network.dt_s / network.substeps)


def velocity(of: Field, z: Array) -> Array:
    """tau dz/dt = -z + n' tanh(m z + offset) at positions z (..., rank)."""
    return np.tanh(z @ of.m.T + of.offset) @ of.n - z


def recurrence(of: Field, z: Array) -> Array:
    """K = n' diag(1 - tanh^2(m z + offset)) m (..., rank, rank) at positions z (..., rank); the Jacobian is K - 1."""
    rank = of.m.shape[1]
    gain = 1 - np.tanh(z @ of.m.T + of.offset) ** 2
    pairs = (of.n[:, :, None] * of.m[:, None, :]).reshape(len(of.n), rank * rank)
    return (gain @ pairs).reshape(*z.shape[:-1], rank, rank)


def portrait(of: Field, visited: Array, seed: int = 0) -> Portrait:
    """Fixed points and slow points of a field.

    Damped Newton steps from the visited states, from random states of every scale and from between the fixed points
    that are known, in rounds, until a round finds nothing new and the indices sum to 1.

    Parameters
    ----------
    visited : (state, rank) positions that the network visited.
    seed : of the random starts.
    """
    rank = of.m.shape[1]
    rng = np.random.default_rng(seed)
    # |tanh| < 1: no fixed point lies outside this box.
    box = np.abs(of.n).sum(0)
    known = np.zeros((0, rank))
    seen = visited[rng.permutation(len(visited))[:ROUND]]
    complete = False
    slowest = np.zeros((0, rank))
    for number in range(MOST_ROUNDS):
        if number == 0:
            starts = np.concatenate([seen, np.zeros((1, rank))])
        else:
            scale = 10 ** rng.uniform(-2, 0, (ROUND // 2, 1))
            starts = np.concatenate([box * scale * rng.uniform(-1, 1, (ROUND // 2, rank)), _between(known, rng)])
        ends = settle(of, starts)
        speed = np.linalg.norm(velocity(of, ends), axis=1)
        if number == 0:
            slowest = ends[speed > AT_REST]
        found = distinct(np.concatenate([known, ends[speed <= AT_REST]]))
        complete = sum(_point(of, z).winding for z in found) == 1
        if number > 1 and complete and len(found) == len(known):
            break
        known = found
    fixed = sorted((_point(of, z) for z in known), key=_order)
    return Portrait(fixed, _slow(of, slowest, visited), complete)


def settle(of: Field, z: Array) -> Array:
    """Where Levenberg-Marquardt steps on |tau dz/dt|^2 end, from every start z (start, rank)."""
    z, damping = z.copy(), np.full(len(z), 1e-2)
    active = np.arange(len(z))
    identity = np.eye(z.shape[1])
    for _ in range(MOST_STEPS):
        if not len(active):
            break
        here = z[active]
        F, A = velocity(of, here), recurrence(of, here) - identity
        slope = np.einsum("sji,sj->si", A, F)
        normal = np.einsum("sji,sjk->sik", A, A) + damping[active, None, None] * identity
        there = here - np.linalg.solve(normal, slope[..., None])[..., 0]
        error = (F**2).sum(1)
        better = (velocity(of, there) ** 2).sum(1) < error
        z[active[better]] = there[better]
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 5), 1e-14, 1e10)
        done = (np.sqrt(error) < AT_REST / 100) | (~better & (damping[active] >= 1e9))
        active = active[~done]
    return z


def distinct(z: Array) -> Array:
    """One of each group of positions (point, rank) that are the same."""
    kept = []
    while len(z):
        kept.append(z[0])
        z = z[np.linalg.norm(z - z[0], axis=1) > SAME * (1 + np.linalg.norm(z[0]))]
    return np.array(kept).reshape(len(kept), z.shape[1])


def _between(known: Array, rng: np.random.Generator) -> Array:
    """Random states between and around pairs of known fixed points, where saddles are."""
    if len(known) < 2:
        return np.zeros((0, known.shape[1]))
    one, other = known[rng.integers(len(known), size=(2, ROUND // 2))]
    share = rng.uniform(-0.2, 1.2, (ROUND // 2, 1))
    size = np.linalg.norm(one - other, axis=1, keepdims=True)
    return one + share * (other - one) + 0.2 * size * rng.standard_normal(one.shape)


def _point(of: Field, z: Array) -> FixedPoint:
    values = np.linalg.eigvals(recurrence(of, z))
    speed = float(np.linalg.norm(velocity(of, z)))
    return FixedPoint(z, values[np.argsort(-values.real, kind="stable")], speed)


def _order(point: FixedPoint) -> tuple[int, tuple[float, ...]]:
    """Stable points first, then by their position, so that the same field gives the same list."""
    return int((point.eigenvalues.real > 1).sum()), tuple(np.round(point.z, 6))


def _slow(of: Field, ends: Array, visited: Array) -> list[FixedPoint]:
    """Ends of the search that are no fixed points, yet slow and no farther out than the visited states."""
    usual = np.median(np.linalg.norm(velocity(of, visited), axis=1))
    points = [_point(of, z) for z in distinct(ends)]
    reach = np.ptp(visited, axis=0).max() / 10
    near = cdist([point.z for point in points], visited).min(1) < reach if points else []
    return sorted((p for p, close in zip(points, near, strict=True) if close and p.speed < SLOW * usual), key=_order)
