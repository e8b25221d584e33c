"""Latent variables of low-rank networks, kappa = n' r: the few numbers through which the units drive one another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.dynamics.field import positions
from curbd.network.view import view
from lrfit.network import low_rank_of


def latents(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Compute the latents kappa = n' r of every fit at the recorded rates, in every trial.

    The current that the latents send to the units is m kappa = J r.

    Parameters
    ----------
    recording : the recording to which the networks were fitted.
    networks : low-rank networks of the recording, as `lrfit.fit` returns them.

    Returns
    -------
    The table ``latents``, one row per seed, latent, trial and time; values are NaN where rates are missing. Fits of a
    lower rank have fewer latents.

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
