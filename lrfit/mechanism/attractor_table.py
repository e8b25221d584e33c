"""The table of attractors: fixed points, slow points and limit cycles of the latents at constant inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.dynamics.attractors import (
    Attractor,
    attractors,
    constant_inputs,
    distance_to_nearest,
    share_of_fits,
    some_states,
)
from curbd.dynamics.field import field_at, positions
from curbd.dynamics.fixed_points import FixedPoint
from curbd.dynamics.limit_cycles import LimitCycle
from curbd.dynamics.slow_modes import WARNING, abscissa, line_attractor_score, non_normality
from curbd.network.view import View, view
from curbd.progress import tracked
from curbd.tables import TABLES
from lrfit.network import LowRank, low_rank_of

Array = np.ndarray


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
    found: dict[str, list[list[Attractor]]] = {name: [] for name in held}
    for fit_index in tracked(range(networks.sizes["seed"]), "attractors of the fits"):
        fit = view(recording, networks, fit_index)
        fits.append(low_rank_of(fit))
        for name, u in held.items():
            found[name].append(_attractors(fit, u))
    rows: list[dict[str, Any]] = []
    for name, of_fits in found.items():
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
                    "found_in": share_of_fits(attractor, others, spread),
                    "moved": distance_to_nearest(attractor, found["none"][fit_index]),
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
    return attractors(field_at(low_rank, u), some_states(positions(low_rank, fit.r, fit.u)))


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
        phi = network.nonlinearity
        gain = phi.slope(phi.phi(solution.z @ low_rank.m.T + network.B @ u + network.b))
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
