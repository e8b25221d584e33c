"""The tables ``shared_weights`` and ``shared_pathways`` of the network that several animals share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd import tables

Array = np.ndarray


class SharedTables(NamedTuple):
    """Tables of a shared network.

    Attributes
    ----------
    weights : the table ``shared_weights``, one row for each pair of units.
    pathways : the table ``shared_pathways``, one row for each pair of regions.
    """

    weights: pd.DataFrame
    pathways: pd.DataFrame


def shared_tables(network: xr.Dataset) -> SharedTables:
    """Describe the network that several animals share: every weight, and every pathway.

    Parameters
    ----------
    network : the shared network, as `curbd.shared_network` returns it.

    Returns
    -------
    One row for each pair of units, and one for each pair of regions.
    """
    weights = _weights(network)
    between = weights[weights["target"] != weights["source"]]
    grouped = between.groupby(["target_region", "source_region"], sort=True)
    pathways = grouped.agg(
        n_pairs=("weight", "size"),
        n_recorded_pairs=("n_animals", lambda counts: int((counts > 0).sum())),
        weight_mean_abs=("weight", lambda values: float(values.abs().mean())),
        weight_rms=("weight", _rms),
        weight_sd=("weight_sd", _rms),
        deviation_sd=("deviation_sd", _rms),
    ).reset_index()
    pathways = pathways.rename(columns={"target_region": "target", "source_region": "source"})
    return SharedTables(weights, pathways[tables.TABLES["shared_pathways"].names])


def _weights(network: xr.Dataset) -> pd.DataFrame:
    recorded = np.isfinite(network["sd"].values)
    both = np.einsum("ai,aj->ij", recorded.astype(int), recorded.astype(int))
    unit_id, region = network["target"].values.astype(str), network["target_region"].values.astype(str)
    n = len(unit_id)
    squares = np.nansum(network["deviation"].values ** 2, axis=0)
    counts = recorded.sum(0)[:, None]
    table = pd.DataFrame(
        {
            "target": np.repeat(unit_id, n),
            "source": np.tile(unit_id, n),
            "target_region": np.repeat(region, n),
            "source_region": np.tile(region, n),
            "n_animals": both.ravel(),
            "weight": network["J"].values.ravel(),
            "weight_sd": network["J_sd"].values.ravel(),
            "deviation_sd": np.sqrt(squares / counts).ravel(),
        }
    )
    return table[tables.TABLES["shared_weights"].names]


def _rms(values: pd.Series[float]) -> float:
    return float(np.sqrt((values**2).mean()))
