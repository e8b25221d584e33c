"""Latent variables of low-rank networks, kappa = n' r: the few numbers through which the units drive one another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.view import view
from lrfit.network import low_rank_of, positions


def latents(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Latents of every fit in every trial at the recorded rates; the current that they send is m kappa = J r.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : its low-rank networks, as `lrfit.fit` returns them.

    Returns
    -------
    The table ``latents``, one row for each seed, latent, trial and time; values are NaN where a trial has no activity.
    A network of lower rank than the others of its model has fewer latents.

    Raises
    ------
    UserError : the networks are of full rank.
    """
    condition, time_s = recording["condition"].values.astype(str), recording["time"].values
    trial, time = (axis.ravel() for axis in np.indices((recording.sizes["trial"], recording.sizes["time"])))
    tables = []
    for fit_index, seed in enumerate(networks["seed"].values):
        fit = view(recording, networks, fit_index)
        low_rank = low_rank_of(fit)
        kappa, z = fit.r @ low_rank.n, positions(low_rank, fit.r, fit.u)
        for latent in range(low_rank.n.shape[1]):
            tables.append(
                pd.DataFrame(
                    {
                        "seed": seed,
                        "condition": condition[trial],
                        "trial": trial,
                        "time_s": time_s[time],
                        "latent": latent + 1,
                        "value": kappa[..., latent].ravel(),
                        "position": z[..., latent].ravel(),
                    }
                )
            )
    columns = ["seed", "condition", "trial", "time_s", "latent", "value", "position"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    table.insert(0, "recording", str(networks.attrs["recording"]))
    table.insert(1, "model", str(networks.attrs["model"]))
    return table
