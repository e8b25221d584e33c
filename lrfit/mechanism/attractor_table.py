"""The table of attractors: what the latents rest at or return to at constant inputs, in every fit of a model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.tables import TABLES
from lrfit.mechanism.attractors import WARNING, abscissa, line_attractor_score, non_normality
from lrfit.mechanism.dynamics import Field, FixedPoint, field, portrait
from lrfit.mechanism.limit_cycles import LimitCycle, limit_cycles
from lrfit.mechanism.seen import Seen, origin, seen
from lrfit.network import LowRank, low_rank, positions

Array = np.ndarray
MOST_CONDITIONS = 12
"""Constant inputs are taken from the most frequent conditions, up to this number."""
MOST_STATES = 2000
"""Visited states from which fixed points and cycles are sought."""
SAME_PLACE = 0.3
"""Two fits have the same fixed point where its rates differ by less than this share of the spread of the visited rates
(rms over units)."""
SAME_PERIOD = 0.1
"""And the same cycle where also the periods differ by less than this share."""


class Attractor(NamedTuple):
    """A fixed point, slow point or cycle of one fit at one input, and its mean rates (unit,)."""

    found: FixedPoint | LimitCycle
    rates: Array
    complete: bool


def constant_inputs(data: Seen) -> dict[str, Array]:
    """The constant inputs at which the dynamics are read: none, the mean of each condition, each input by itself.

    An input by itself has the root mean square of the bins in which it is on.
    """
    held = {"none": np.zeros(len(data.inputs))}
    if not data.inputs:
        return held
    names, counts = np.unique(data.condition, return_counts=True)
    for name in sorted(names[np.argsort(-counts, kind="stable")][:MOST_CONDITIONS]):
        bins = np.isfinite(data.r).all(2) & (data.condition == name)[:, None]
        held[f"condition:{name}"] = data.u[bins].mean(0)
    for place, name in enumerate(data.inputs):
        on = data.u[..., place][data.u[..., place] != 0]
        if len(on):
            held[f"input:{name}"] = np.sqrt((on**2).mean()) * np.eye(len(data.inputs))[place]
    return held


def dynamics_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """The table ``dynamics``: fixed points, slow points and limit cycles of every fit at every constant input."""
    data = seen(recording)
    fits = [low_rank(networks, number) for number in range(networks.sizes["seed"])]
    spread = float(np.sqrt(data.samples.var(0).mean()))
    held = constant_inputs(data)
    found = {name: [_attractors(one, data, u) for one in fits] for name, u in held.items()}
    rows: list[dict[str, Any]] = []
    for name, of_fits in found.items():
        for number, (seed, mine) in enumerate(zip(networks["seed"].values, of_fits, strict=True)):
            others = [attractors for place, attractors in enumerate(of_fits) if place != number]
            for point, one in enumerate(mine, start=1):
                shared = {
                    **origin(networks, seed),
                    "input": name,
                    "point": point,
                    "type": one.found.type,
                    "stability": one.found.stability,
                    "complete": one.complete,
                    "found_in": _share_with(one, others, spread),
                    "moved": _moved(one, found["none"][number]),
                    "warning": WARNING,
                }
                rows += [shared | line for line in _lines(one.found, fits[number], held[name])]
    return pd.DataFrame(rows, columns=TABLES["dynamics"].names)


def _attractors(one: LowRank, data: Seen, u: Array) -> list[Attractor]:
    """Everything at which the latents of a fit rest or to which they return, at one constant input."""
    if not one.m.shape[1]:
        return []
    of = field(one, u)
    z = positions(one, data.r, data.u)
    z = z[np.isfinite(z).all(2)]
    visited = z[np.random.default_rng(0).permutation(len(z))[:MOST_STATES]]
    rest = portrait(of, visited)
    found: list[FixedPoint | LimitCycle] = [*rest.fixed, *limit_cycles(of, visited), *rest.slow]
    return [Attractor(each, _rates(of, each), rest.complete) for each in found]


def _rates(of: Field, found: FixedPoint | LimitCycle) -> Array:
    states = found.z[None] if isinstance(found, FixedPoint) else found.orbit
    return np.tanh(states @ of.m.T + of.offset).mean(0)


def _lines(found: FixedPoint | LimitCycle, one: LowRank, u: Array) -> list[dict[str, Any]]:
    """What differs between the latents, and what is known of the point or the cycle as a whole."""
    rank, tau_s = one.m.shape[1], one.network.tau_s
    if isinstance(found, LimitCycle):
        # As many multipliers as latents: the one along the orbit is 1, and nothing decays there.
        values = np.append(found.multipliers, 1.0)
        centre, extent = found.orbit.mean(0), np.ptp(found.orbit, axis=0) / 2
        slow = np.append(-found.period_s / np.log(np.maximum(np.abs(found.multipliers), 1e-300)), np.nan)
        whole = {"speed": np.nan, "period_s": found.period_s}
    else:
        values, centre, extent = found.eigenvalues, found.z, np.full(rank, np.nan)
        slow = tau_s / (1 - values.real)
        weighted = one.n * (1 - np.tanh(found.z @ one.m.T + one.network.B @ u + one.network.b) ** 2)[:, None]
        squares = float(((one.m.T @ one.m) * (weighted.T @ weighted)).sum())
        whole = {
            "speed": found.speed,
            "period_s": np.nan,
            "line_attractor_score": line_attractor_score(np.append(values, [0.0, 0.0][: len(one.m) - rank])),
            "non_normality": non_normality(squares, values),
            "abscissa": abscissa(one.m, weighted),
        }
    return [
        whole
        | {
            "latent": k + 1,
            "position": float(centre[k]),
            "amplitude": float(extent[k]),
            "eigenvalue_real": float(values[k].real),
            "eigenvalue_imag": float(values[k].imag),
            "time_constant_s": float(slow[k]) if np.isfinite(slow[k]) else np.nan,
        }
        for k in range(rank)
    ]


def _share_with(one: Attractor, others: list[list[Attractor]], spread: float) -> float:
    """Share of the other fits that have the same attractor; NaN where there are none."""
    if not others:
        return float("nan")
    return float(np.mean([any(_same(one, each, spread) for each in attractors) for attractors in others]))


def _same(one: Attractor, other: Attractor, spread: float) -> bool:
    alike = one.found.type == other.found.type and one.found.stability == other.found.stability
    near = np.sqrt(((one.rates - other.rates) ** 2).mean()) < SAME_PLACE * spread
    if isinstance(one.found, LimitCycle) and isinstance(other.found, LimitCycle):
        near &= abs(one.found.period_s / other.found.period_s - 1) < SAME_PERIOD
    return bool(alike and near)


def _moved(one: Attractor, without: list[Attractor]) -> float:
    """Distance of the rates (rms over units) to those of the nearest attractor of the same type without input."""
    distances = [
        float(np.sqrt(((one.rates - each.rates) ** 2).mean())) for each in without if each.found.type == one.found.type
    ]
    return min(distances, default=float("nan"))
