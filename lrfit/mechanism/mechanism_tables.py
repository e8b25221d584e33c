"""The tables of a low-rank network's mechanism: attractors, geometry, populations, and what passes when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.perturbed_run import silenced_run
from curbd.recording.scaling import silent
from curbd.tables import TABLES
from lrfit.mechanism.attractor_table import dynamics_table
from lrfit.mechanism.geometry import (
    connectivity_r,
    current_r2,
    effective,
    overlaps,
    region_shares,
    vectors,
    visited_directions,
)
from lrfit.mechanism.populations import loadings, populations
from lrfit.mechanism.seen import origin, seen
from lrfit.mechanism.transmission import context_ratio, gating_index, transmission
from lrfit.mechanism.vector_field import field_table
from lrfit.network import low_rank


def mechanism_tables(recording: xr.Dataset, networks: xr.Dataset) -> dict[str, pd.DataFrame]:
    """All tables of this kind for the low-rank networks of a model, by name."""
    attractors = dynamics_table(recording, networks)
    of_units = population_table(recording, networks)
    return {
        "dynamics": attractors,
        "field": field_table(recording, networks, attractors),
        "geometry": geometry_table(recording, networks),
        "populations": of_units,
        "transmission": transmission_table(recording, networks, of_units),
    }


def geometry_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """The table ``geometry``: overlaps, shares of latents and regions, and the agreement between fits."""
    data = seen(recording)
    r = data.samples
    directions = visited_directions(r)
    fits = [low_rank(networks, number) for number in range(networks.sizes["seed"])]
    seeds = networks["seed"].values
    rows: list[dict[str, Any]] = []

    def add(seed: int, measure: str, of: str, other: str, value: float) -> None:
        rows.append(origin(networks, seed) | {"measure": measure, "of": of, "with": other, "value": value})

    for number, (seed, one) in enumerate(zip(seeds, fits, strict=True)):
        if not one.m.shape[1]:
            continue
        cosines = overlaps(vectors(one, data.inputs))
        names = [str(name) for name in cosines["vector"].values]
        for i, first in enumerate(names):
            for j, second in enumerate(names[:i]):
                add(seed, "overlap", second, first, float(cosines.values[i, j]))
        power = (r @ one.n).var(0) * (one.m**2).sum(0)
        for k, share in enumerate(power / power.sum(), start=1):
            add(seed, "latent_share", f"latent_{k}", "all", float(share))
        shares = region_shares(one, r, data.region)
        for region in shares["region"].values:
            for k, share in enumerate(shares.sel(region=region).values, start=1):
                add(seed, "region_share", f"latent_{k}", str(region), float(share))
        for place, other in enumerate(fits):
            if place != number and other.m.shape[1]:
                name = f"seed:{seeds[place]}"
                add(seed, "connectivity_r", "J", name, connectivity_r(one, other))
                both = effective(one, directions), effective(other, directions)
                add(seed, "effective_r", "J", name, connectivity_r(*both))
                add(seed, "current_r2", "J", name, current_r2(one, other, r))
    return pd.DataFrame(rows, columns=TABLES["geometry"].names)


def population_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """The table ``populations``: the population of every unit, from the loadings of the first fit."""
    found = populations(loadings(low_rank(networks, 0)))
    return pd.DataFrame(
        {
            "recording": networks.attrs["recording"],
            "model": networks.attrs["model"],
            "unit_id": recording["unit_id"].values.astype(str),
            "region": recording["region"].values.astype(str),
            "population": found.label + 1,
            "probability": found.probability,
        }
    )


def transmission_table(recording: xr.Dataset, networks: xr.Dataset, of_units: pd.DataFrame) -> pd.DataFrame:
    """The table ``transmission``: what regions and populations pass on in each condition.

    All runs are the network's own, from the first recorded bin of each trial with the recorded inputs and without
    noise. The first fit is also run with each region silenced.

    Parameters
    ----------
    of_units : the table ``populations`` of this model.
    """
    data = seen(recording)
    targets = {str(name): data.region == name for name in np.unique(data.region)}
    label = of_units.set_index("unit_id")["population"].loc[recording["unit_id"].values.astype(str)].to_numpy()
    sources = targets | {f"population:{number}": label == number for number in np.unique(label)}
    parts = []
    for number, seed in enumerate(networks["seed"].values):
        one = low_rank(networks, number)
        silenced = {"none": np.zeros(len(data.region), bool)} | (targets if number == 0 else {})
        for name, units in silenced.items():
            run = silenced_run(one.network, data.r, data.u, units, silent(recording))
            run[~np.isfinite(data.r).all(2)] = np.nan
            alive = {source: mask for source, mask in sources.items() if not units[mask].any()}
            passed = transmission(one.network, run, data.condition, alive, targets)
            arrays = {
                "transmitted": passed.transmitted,
                "ratio": context_ratio(passed.transmitted),
                "gating_index": gating_index(passed.transmitted),
                "coupling": passed.coupling,
                "gain": passed.gain,
            }
            part = xr.Dataset(arrays).to_dataframe().reset_index()
            parts.append(part.assign(**origin(networks, seed), silenced=name))
    return pd.concat(parts, ignore_index=True)
