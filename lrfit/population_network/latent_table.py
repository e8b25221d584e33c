"""The table ``latents`` of a population network: the posterior means of the latents in every trial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lrfit.population_network.view import population_views


def latent_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Compute the latents of every fit in every trial, numbered from 1 in the order of network.nc.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the content of network.nc.

    Returns
    -------
    The table ``latents``: the column ``value`` holds the curved latents f(z), which send the currents, and
    ``position`` the latents z.
    """
    tables = []
    for seed, fit in zip(networks["seed"].to_numpy(), population_views(recording, networks), strict=True):
        n_latents = len(fit.fitted.model.group)
        position = np.moveaxis(fit.fitted.paths.mean, 1, 0)
        trial, time, latent = (axis.ravel() for axis in np.indices((*fit.z.shape[:2], n_latents)))
        value = fit.z[..., :n_latents].ravel()
        tables.append(
            pd.DataFrame(
                {
                    "seed": seed,
                    "condition": fit.condition[trial],
                    "trial": trial,
                    "time_s": fit.time_s[time],
                    "latent": latent + 1,
                    "value": value,
                    "position": np.where(np.isfinite(value), position.ravel(), np.nan),
                }
            )
        )
    return pd.concat(tables, ignore_index=True).assign(
        recording=networks.attrs["recording"], model=networks.attrs["model"]
    )
