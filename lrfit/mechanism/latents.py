"""Latent variables of low-rank networks, kappa = n' r: the few numbers through which the units talk to one another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.recording.scaling import scaled_rates
from lrfit.network import low_rank, positions


def latents(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Latents of every fit in every trial, from the recorded rates; the current they send is m kappa = J r.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : its low-rank networks, as `lrfit.fit` returns them.

    Returns
    -------
    The table ``latents``: one row a seed, trial, time and latent; empty where a trial has no activity. A network of
    lower rank than the others of its model has fewer latents.
    """
    r = scaled_rates(recording).values
    u = recording["inputs"].transpose("trial", "time", "input").values
    trial, time, _ = np.indices((*r.shape[:2], 1))
    parts = []
    for number, seed in enumerate(networks["seed"].values):
        one = low_rank(networks, number)
        kappa, z = r @ one.n, positions(one, r, u)
        for latent in range(one.n.shape[1]):
            parts.append(
                pd.DataFrame(
                    {
                        "seed": seed,
                        "condition": recording["condition"].values.astype(str)[trial.ravel()],
                        "trial": trial.ravel(),
                        "time_s": recording["time"].values[time.ravel()],
                        "latent": latent + 1,
                        "value": kappa[..., latent].ravel(),
                        "position": z[..., latent].ravel(),
                    }
                )
            )
    columns = ["seed", "condition", "trial", "time_s", "latent", "value", "position"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table.insert(0, "recording", str(networks.attrs["recording"]))
    table.insert(1, "model", str(networks.attrs["model"]))
    return table
