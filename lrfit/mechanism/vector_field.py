"""The vector field of the latents on a grid, for figures: velocity and direction at every point of the first fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.dynamics.attractors import constant_inputs
from curbd.dynamics.field import field_at, positions
from curbd.network.view import view
from curbd.tables import TABLES
from lrfit.mechanism.attractor_table import first_columns
from lrfit.network import low_rank_of

Array = np.ndarray
GRID_POINTS = 25
"""Points of the grid along each of the two latents."""
GRID_MARGIN_SHARE = 0.15
"""The grid reaches beyond the visited states and the fixed points by this share of their extent."""


def field_table(recording: xr.Dataset, networks: xr.Dataset, dynamics: pd.DataFrame) -> pd.DataFrame:
    """Compute the table ``field``: tau dz/dt of the first fit on a grid over its first two latents.

    There is one grid for every constant input. Latents after the second are held at the median of the visited
    positions.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.
    dynamics : the table ``dynamics`` of this model; the grid includes the points of this table.

    Returns
    -------
    One row per constant input and grid point.
    """
    fit = view(recording, networks)
    low_rank = low_rank_of(fit)
    rank = low_rank.m.shape[1]
    seed = int(networks["seed"].values[0])
    if not rank:
        return pd.DataFrame(columns=TABLES["field"].names)
    z = positions(low_rank, fit.r, fit.u)
    visited = z[np.isfinite(z).all(2)]
    points = dynamics[dynamics["seed"] == seed]
    plane = min(rank, 2)
    axes = [_axis(visited[:, k], points.loc[points["latent"] == k + 1, "position"].to_numpy()) for k in range(plane)]
    grid = np.tile(np.median(visited, axis=0), (GRID_POINTS**plane, 1))
    grid[:, :plane] = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, plane)
    tables = []
    for name, u in constant_inputs(fit).items():
        flow = field_at(low_rank, u).velocity(grid)
        columns = {
            f"{quantity}_{k + 1}": values[:, k] if k < plane else np.nan
            for quantity, values in (("position", grid), ("velocity", flow))
            for k in range(2)
        }
        tables.append(pd.DataFrame(first_columns(networks, seed) | {"input": name} | columns))
    return pd.concat(tables, ignore_index=True)


def _axis(visited: Array, points: Array) -> Array:
    low, high = np.percentile(visited, [0.5, 99.5])
    low, high = points.min(initial=low), points.max(initial=high)
    margin = GRID_MARGIN_SHARE * (high - low)
    return np.linspace(low - margin, high + margin, GRID_POINTS)
