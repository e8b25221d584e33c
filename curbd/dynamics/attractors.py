"""Attractors of a network: fixed points, slow points and limit cycles, and the same attractor in several fits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.dynamics.field import Field
from curbd.dynamics.fixed_points import FixedPoint, portrait
from curbd.dynamics.limit_cycles import LimitCycle, limit_cycles
from curbd.network.recorded import Recorded

Array = np.ndarray
MAX_CONDITIONS = 12
"""Largest number of conditions whose mean inputs are held constant; the most frequent conditions are taken."""
MAX_VISITED_STATES = 2000
"""Largest number of visited states from which fixed points and limit cycles are sought."""
SAME_POINT_RATE_SHARE = 0.3
"""Two fits have the same fixed point if the rates at this point differ by less than this share of the spread of the
visited rates (rms over units)."""
SAME_PERIOD_SHARE = 0.1
"""Two fits have the same limit cycle if, in addition, the periods differ by less than this share."""


class Attractor(NamedTuple):
    """A fixed point, slow point or limit cycle of one fit at one constant input.

    Attributes
    ----------
    solution : the fixed point, slow point or limit cycle.
    rates : (unit,) rates at the point, or mean rates over the cycle.
    complete : whether the Poincare indices of the fixed points that were found sum to 1, as those of all fixed points
        do (see `curbd.dynamics.fixed_points.Portrait`).
    """

    solution: FixedPoint | LimitCycle
    rates: Array
    complete: bool


def constant_inputs(recorded: Recorded) -> dict[str, Array]:
    """Return the constant inputs at which the dynamics are examined: none, mean inputs of conditions, single inputs.

    Parameters
    ----------
    recorded : inputs and conditions of the trials.

    Returns
    -------
    Name -> (input,) values: ``none`` (zeros); ``condition:<name>`` with the mean inputs of a condition, for the
    `MAX_CONDITIONS` most frequent conditions; and ``input:<name>``, in which one input has its root mean square over
    the bins in which it is not 0, and the other inputs are 0.
    """
    n_inputs = len(recorded.input_name)
    held = {"none": np.zeros(n_inputs)}
    if not n_inputs:
        return held
    u = np.nan_to_num(recorded.u)
    names, counts = np.unique(recorded.condition, return_counts=True)
    for name in sorted(names[np.argsort(-counts, kind="stable")][:MAX_CONDITIONS]):
        bins = recorded.observed & (recorded.condition == name)[:, None]
        held[f"condition:{name}"] = u[bins].mean(0)
    for column, name in enumerate(recorded.input_name):
        on = u[..., column][u[..., column] != 0]
        if len(on):
            held[f"input:{name}"] = np.sqrt((on**2).mean()) * np.eye(n_inputs)[column]
    return held


def some_states(z: Array) -> Array:
    """Choose `MAX_VISITED_STATES` of the visited positions (trial, time, coordinate) at random, without NaN."""
    seen = z[np.isfinite(z).all(2)]
    return seen[np.random.default_rng(0).permutation(len(seen))[:MAX_VISITED_STATES]]


def attractors(field: Field, visited: Array) -> list[Attractor]:
    """Find the fixed points, limit cycles and slow points of a vector field.

    Parameters
    ----------
    field : the vector field at one constant input.
    visited : (state, coordinate) positions that the network visited, from which the search starts.

    Returns
    -------
    Fixed points, stable points first; then limit cycles; then slow points.
    """
    points = portrait(field, visited)
    solutions: list[FixedPoint | LimitCycle] = [*points.fixed, *limit_cycles(field, visited), *points.slow]
    return [Attractor(solution, _rates(field, solution), points.complete) for solution in solutions]


def _rates(field: Field, solution: FixedPoint | LimitCycle) -> Array:
    states = solution.z[None] if isinstance(solution, FixedPoint) else solution.orbit
    return field.rates(states).mean(0)


def share_of_fits(attractor: Attractor, others: list[list[Attractor]], spread: float) -> float:
    """Return the share of the other fits that have the same attractor; NaN where there is no other fit.

    Parameters
    ----------
    attractor : an attractor of one fit.
    others : the attractors of every other fit.
    spread : root mean square over units of the standard deviation of the visited rates.
    """
    if not others:
        return float("nan")
    has_same = [any(same_attractor(attractor, candidate, spread) for candidate in of_fit) for of_fit in others]
    return float(np.mean(has_same))


def same_attractor(first: Attractor, second: Attractor, spread: float) -> bool:
    """Return whether two attractors are of the same kind and have similar rates; cycles also similar periods."""
    same_kind = first.solution.type == second.solution.type and first.solution.stability == second.solution.stability
    near = np.sqrt(((first.rates - second.rates) ** 2).mean()) < SAME_POINT_RATE_SHARE * spread
    if isinstance(first.solution, LimitCycle) and isinstance(second.solution, LimitCycle):
        near &= abs(first.solution.period_s / second.solution.period_s - 1) < SAME_PERIOD_SHARE
    return bool(same_kind and near)


def distance_to_nearest(attractor: Attractor, without_input: list[Attractor]) -> float:
    """Return the distance of the rates (rms over units) to the nearest attractor of the same type without input."""
    distances = [
        float(np.sqrt(((attractor.rates - candidate.rates) ** 2).mean()))
        for candidate in without_input
        if candidate.solution.type == attractor.solution.type
    ]
    return min(distances, default=float("nan"))
