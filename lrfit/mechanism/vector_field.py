"""The vector field of the latents on a grid, for pictures: where the first fit goes from every place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.tables import TABLES
from lrfit.mechanism.attractor_table import constant_inputs
from lrfit.mechanism.dynamics import field, velocity
from lrfit.mechanism.seen import origin, seen
from lrfit.network import low_rank, positions

Array = np.ndarray
POINTS = 25
"""Points of the grid along each of the two latents."""
ROOM = 0.15
"""The grid reaches beyond the visited states and the fixed points by this share of their extent."""


def field_table(recording: xr.Dataset, networks: xr.Dataset, dynamics: pd.DataFrame) -> pd.DataFrame:
    """The table ``field``: tau dz/dt of the first fit on a grid over its first two latents, at every constant input.

    Further latents are held at the median of the visited positions.

    Parameters
    ----------
    dynamics : the table ``dynamics`` of this model, whose points the grid must hold.
    """
    one, data = low_rank(networks, 0), seen(recording)
    rank = one.m.shape[1]
    seed = int(networks["seed"].values[0])
    if not rank:
        return pd.DataFrame(columns=TABLES["field"].names)
    z = positions(one, data.r, data.u)
    visited = z[np.isfinite(z).all(2)]
    points = dynamics[dynamics["seed"] == seed]
    plane = min(rank, 2)
    axes = [_axis(visited[:, k], points.loc[points["latent"] == k + 1, "position"].to_numpy()) for k in range(plane)]
    grid = np.tile(np.median(visited, axis=0), (POINTS**plane, 1))
    grid[:, :plane] = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, plane)
    parts = []
    for name, u in constant_inputs(data).items():
        flow = velocity(field(one, u), grid)
        columns = {
            f"{what}_{k + 1}": values[:, k] if k < plane else np.nan
            for what, values in (("position", grid), ("velocity", flow))
            for k in range(2)
        }
        parts.append(pd.DataFrame(origin(networks, seed) | {"input": name} | columns))
    return pd.concat(parts, ignore_index=True)


def _axis(visited: Array, points: Array) -> Array:
    low, high = np.percentile(visited, [0.5, 99.5])
    low, high = points.min(initial=low), points.max(initial=high)
    room = ROOM * (high - low)
    return np.linspace(low - room, high + room, POINTS)
