"""The table of attractors: fixed points, slow points and limit cycles of the latents at constant inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.view import Recorded, View, view
from curbd.progress import tracked
from curbd.tables import TABLES
from lrfit.mechanism.attractors import WARNING, abscissa, line_attractor_score, non_normality
from lrfit.mechanism.dynamics import Field, FixedPoint, field_at, portrait
from lrfit.mechanism.limit_cycles import LimitCycle, limit_cycles
from lrfit.network import LowRank, low_rank_of, positions

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
        do (see `lrfit.mechanism.dynamics.Portrait`).
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


def dynamics_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Compute the table ``dynamics``: fixed points, slow points and limit cycles of every fit at every constant input.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.

    Returns
    -------
    One row per fit, constant input, attractor and latent.
    """
    first = view(recording, networks)
    spread = float(np.sqrt(first.samples.var(0).mean()))
    held = constant_inputs(first)
    fits: list[LowRank] = []
    attractors: dict[str, list[list[Attractor]]] = {name: [] for name in held}
    for fit_index in tracked(range(networks.sizes["seed"]), "attractors of the fits"):
        fit = view(recording, networks, fit_index)
        fits.append(low_rank_of(fit))
        for name, u in held.items():
            attractors[name].append(_attractors(fit, u))
    rows: list[dict[str, Any]] = []
    for name, of_fits in attractors.items():
        for fit_index, (seed, of_fit) in enumerate(zip(networks["seed"].values, of_fits, strict=True)):
            others = [of_other for index, of_other in enumerate(of_fits) if index != fit_index]
            for point, attractor in enumerate(of_fit, start=1):
                shared = {
                    **first_columns(networks, seed),
                    "input": name,
                    "point": point,
                    "type": attractor.solution.type,
                    "stability": attractor.solution.stability,
                    "complete": attractor.complete,
                    "found_in": _share_of_fits(attractor, others, spread),
                    "moved": _distance_to_nearest(attractor, attractors["none"][fit_index]),
                    "warning": WARNING,
                }
                rows += [shared | line for line in _lines(attractor.solution, fits[fit_index], held[name])]
    return pd.DataFrame(rows, columns=TABLES["dynamics"].names)


def first_columns(networks: xr.Dataset, seed: int) -> dict[str, Any]:
    """Return the first columns of the mechanism tables: recording, model and seed.

    Parameters
    ----------
    networks : low-rank networks of one recording and model.
    seed : seed of the fit.

    Returns
    -------
    Column -> value.
    """
    return {"recording": networks.attrs["recording"], "model": networks.attrs["model"], "seed": int(seed)}


def _attractors(fit: View, u: Array) -> list[Attractor]:
    """All attractors of a fit that the search finds at one constant input."""
    low_rank = low_rank_of(fit)
    if not low_rank.m.shape[1]:
        return []
    field = field_at(low_rank, u)
    z = positions(low_rank, fit.r, fit.u)
    z = z[np.isfinite(z).all(2)]
    visited = z[np.random.default_rng(0).permutation(len(z))[:MAX_VISITED_STATES]]
    points = portrait(field, visited)
    solutions: list[FixedPoint | LimitCycle] = [*points.fixed, *limit_cycles(field, visited), *points.slow]
    return [Attractor(solution, _rates(field, solution), points.complete) for solution in solutions]


def _rates(field: Field, solution: FixedPoint | LimitCycle) -> Array:
    states = solution.z[None] if isinstance(solution, FixedPoint) else solution.orbit
    return np.tanh(states @ field.m.T + field.offset).mean(0)


def _lines(solution: FixedPoint | LimitCycle, low_rank: LowRank, u: Array) -> list[dict[str, Any]]:
    """Columns that describe the point or the cycle as a whole and along each latent, one row for each latent."""
    rank, network = low_rank.m.shape[1], low_rank.network
    if isinstance(solution, LimitCycle):
        # One multiplier for each latent: the multiplier along the orbit is 1, and nothing decays there.
        values = np.append(solution.multipliers, 1.0)
        centre, extent = solution.orbit.mean(0), np.ptp(solution.orbit, axis=0) / 2
        decay_s = -solution.period_s / np.log(np.maximum(np.abs(solution.multipliers), 1e-300))
        time_constant_s = np.append(decay_s, np.nan)
        whole = {"speed": np.nan, "period_s": solution.period_s}
    else:
        values, centre, extent = solution.eigenvalues, solution.z, np.full(rank, np.nan)
        time_constant_s = network.tau_s / (1 - values.real)
        gain = 1 - np.tanh(solution.z @ low_rank.m.T + network.B @ u + network.b) ** 2
        weighted = low_rank.n * gain[:, None]
        sum_of_squares = float(((low_rank.m.T @ low_rank.m) * (weighted.T @ weighted)).sum())
        whole = {
            "speed": solution.speed,
            "period_s": np.nan,
            "line_attractor_score": line_attractor_score(np.append(values, [0.0, 0.0][: len(low_rank.m) - rank])),
            "non_normality": non_normality(sum_of_squares, values),
            "abscissa": abscissa(low_rank.m, weighted),
        }
    return [
        whole
        | {
            "latent": latent + 1,
            "position": float(centre[latent]),
            "amplitude": float(extent[latent]),
            "eigenvalue_real": float(values[latent].real),
            "eigenvalue_imag": float(values[latent].imag),
            "time_constant_s": float(time_constant_s[latent]) if np.isfinite(time_constant_s[latent]) else np.nan,
        }
        for latent in range(rank)
    ]


def _share_of_fits(attractor: Attractor, others: list[list[Attractor]], spread: float) -> float:
    """Share of the other fits that have the same attractor; NaN where there is no other fit."""
    if not others:
        return float("nan")
    has_same = [any(_same(attractor, candidate, spread) for candidate in of_fit) for of_fit in others]
    return float(np.mean(has_same))


def _same(first: Attractor, second: Attractor, spread: float) -> bool:
    same_kind = first.solution.type == second.solution.type and first.solution.stability == second.solution.stability
    near = np.sqrt(((first.rates - second.rates) ** 2).mean()) < SAME_POINT_RATE_SHARE * spread
    if isinstance(first.solution, LimitCycle) and isinstance(second.solution, LimitCycle):
        near &= abs(first.solution.period_s / second.solution.period_s - 1) < SAME_PERIOD_SHARE
    return bool(same_kind and near)


def _distance_to_nearest(attractor: Attractor, without_input: list[Attractor]) -> float:
    """Distance of the rates (rms over units) to the nearest attractor of the same type without input."""
    distances = [
        float(np.sqrt(((attractor.rates - candidate.rates) ** 2).mean()))
        for candidate in without_input
        if candidate.solution.type == attractor.solution.type
    ]
    return min(distances, default=float("nan"))
