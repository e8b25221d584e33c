"""The tables of a low-rank network's mechanism: attractors, vector field, geometry, populations and transmission."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.perturbed_run import silenced_run
from curbd.network.view import View, view
from curbd.progress import tracked
from curbd.tables import TABLES
from lrfit.mechanism.attractor_table import dynamics_table, first_columns
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
from lrfit.mechanism.transmission import context_ratio, gating_index, transmission
from lrfit.mechanism.vector_field import field_table
from lrfit.network import LowRank, low_rank_of

Array = np.ndarray
Measure = tuple[str, str, str, float]
"""Columns ``measure``, ``of``, ``with`` and ``value`` of the table ``geometry``."""


def mechanism_tables(recording: xr.Dataset, networks: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Compute the five mechanism tables of a low-rank model.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.

    Returns
    -------
    Name of the table -> table, for ``dynamics``, ``field``, ``geometry``, ``populations`` and ``transmission``.

    Raises
    ------
    UserError : the networks are of full rank.
    """
    dynamics = dynamics_table(recording, networks)
    population_of_unit = population_table(recording, networks)
    return {
        "dynamics": dynamics,
        "field": field_table(recording, networks, dynamics),
        "geometry": geometry_table(recording, networks),
        "populations": population_of_unit,
        "transmission": transmission_table(recording, networks, population_of_unit),
    }


def geometry_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Compute the table ``geometry``: overlaps of vectors, shares of latents and regions, and agreement between fits.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.

    Returns
    -------
    One row per measure, with the columns of the table ``geometry``.
    """
    seeds = networks["seed"].values
    first = view(recording, networks)
    r = first.samples
    fits = [low_rank_of(view(recording, networks, fit_index)) for fit_index in range(len(seeds))]
    directions = visited_directions(r)
    agreement: dict[int, list[Measure]] = {fit_index: [] for fit_index in range(len(seeds))}
    for (fit_index, fit), (other_index, other_fit) in permutations(enumerate(fits), 2):
        if fit.m.shape[1] and other_fit.m.shape[1]:
            agreement[fit_index] += _agreement(fit, other_fit, f"seed:{seeds[other_index]}", r, directions)
    rows: list[dict[str, Any]] = []
    for fit_index, (seed, fit) in enumerate(zip(seeds, fits, strict=True)):
        measures = [*_overlaps(fit, first), *_shares(fit, first)] if fit.m.shape[1] else []
        for measure, quantity, other_name, value in [*measures, *agreement[fit_index]]:
            rows.append(
                first_columns(networks, seed) | {"measure": measure, "of": quantity, "with": other_name, "value": value}
            )
    return pd.DataFrame(rows, columns=TABLES["geometry"].names)


def _overlaps(low_rank: LowRank, first: View) -> Iterator[Measure]:
    """Cosine of every pair of vectors."""
    cosines = overlaps(vectors(low_rank, first.input_name.tolist()))
    names = [str(name) for name in cosines["vector"].values]
    for i in range(len(names)):
        for j in range(i):
            yield "overlap", names[j], names[i], float(cosines.values[i, j])


def _shares(low_rank: LowRank, first: View) -> Iterator[Measure]:
    """Share of each latent in the variance of the recurrent current, and of each region in the variance of a latent."""
    r = first.samples
    power = (r @ low_rank.n).var(0) * (low_rank.m**2).sum(0)
    for latent, share in enumerate(power / power.sum(), start=1):
        yield "latent_share", f"latent_{latent}", "all", float(share)
    shares = region_shares(low_rank, r, first.region)
    for region in shares["region"].values:
        for latent, share in enumerate(shares.sel(region=region).values, start=1):
            yield "region_share", f"latent_{latent}", str(region), float(share)


def _agreement(low_rank: LowRank, other_fit: LowRank, name: str, r: Array, directions: Array) -> list[Measure]:
    """Agreement of a fit with another fit of the same model in connectivity, effective connectivity and current."""
    effective_r = connectivity_r(effective(low_rank, directions), effective(other_fit, directions))
    return [
        ("connectivity_r", "J", name, connectivity_r(low_rank, other_fit)),
        ("effective_r", "J", name, effective_r),
        ("current_r2", "J", name, current_r2(low_rank, other_fit, r)),
    ]


def population_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Compute the table ``populations``: the population of every unit, from the loadings of the first fit.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.

    Returns
    -------
    One row per unit.
    """
    first = view(recording, networks)
    groups = populations(loadings(low_rank_of(first)))
    return pd.DataFrame(
        {
            "recording": networks.attrs["recording"],
            "model": networks.attrs["model"],
            "unit_id": first.unit_id,
            "region": first.region,
            "population": groups.label + 1,
            "probability": groups.probability,
        }
    )


def transmission_table(recording: xr.Dataset, networks: xr.Dataset, population_of_unit: pd.DataFrame) -> pd.DataFrame:
    """Compute the table ``transmission``: the current that regions and populations send in each condition.

    The networks run freely from the first recorded bin of each trial, with the recorded inputs and without noise. For
    the first fit, free runs with each region silenced are added.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.
    population_of_unit : the table ``populations`` of this model.

    Returns
    -------
    One row per seed, silenced region (or none), target, source and condition.
    """
    tables = []
    for fit_index, seed in enumerate(tracked(networks["seed"].values, "transmission in free runs")):
        fit = view(recording, networks, fit_index)
        targets = {name: fit.region == name for name in fit.regions}
        label = population_of_unit.set_index("unit_id")["population"].loc[fit.unit_id].to_numpy()
        sources = targets | {f"population:{population}": label == population for population in np.unique(label)}
        silenced = {"none": np.zeros(len(fit.region), bool)} | (targets if fit_index == 0 else {})
        for name, units in silenced.items():
            run = silenced_run(fit.network, fit.r, fit.u, units, fit.silent)
            run[~fit.observed] = np.nan
            active = {source: mask for source, mask in sources.items() if not units[mask].any()}
            passed = transmission(fit.network, run, fit.condition, active, targets)
            arrays = {
                "transmitted": passed.transmitted,
                "ratio": context_ratio(passed.transmitted),
                "gating_index": gating_index(passed.transmitted),
                "coupling": passed.coupling,
                "gain": passed.gain,
            }
            table = xr.Dataset(arrays).to_dataframe().reset_index()
            tables.append(table.assign(**first_columns(networks, seed), silenced=name))
    return pd.concat(tables, ignore_index=True)
