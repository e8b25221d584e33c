"""Currents of excitatory and inhibitory units, and their balance over time: the table ``balance``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.view import View
from curbd.pathways.judged_fits import JudgedFits
from curbd.recording.cell_types import CELL_TYPES
from curbd.scores.score import ALL_REGIONS

Array = np.ndarray
SILENT_MODEL_RATE = -1.0
"""Rate of a silent unit in the recording of a model whose rates lie on both sides of 0."""


def balance_table(
    recording: xr.Dataset, networks: xr.Dataset, *, judged: JudgedFits | None = None
) -> pd.DataFrame | None:
    """Build the table ``balance``: the currents that units of every cell type send, over time.

    A unit sends the current J (r - silent), with its rate r above that of a silent unit, so that a current has the
    sign of its weight. Currents are means over the units of the target region and the trials of a condition.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    judged : the same fits if `curbd.pathways.judge.judge` needs them, too, so that they are prepared once.

    Returns
    -------
    The table ``balance``, one row per seed, target region, source region, condition and time. None for a recording
    without units of a known cell type.
    """
    types = recording["cell_type"].values.astype(str)
    if (types == "unknown").all():
        return None
    judged = judged or JudgedFits(recording, networks)
    tables = [
        _of_fit(fit, types, silent_rate(recording, fit)).assign(seed=int(seed))
        for fit, seed in zip(judged.fits, networks["seed"].values, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(recording=networks.attrs["recording"], model=networks.attrs["model"])


def silent_rate(recording: xr.Dataset, fit: View) -> float:
    """Return the scaled rate of a silent unit."""
    below = recording.attrs["activity"] == "model" and np.nanmin(fit.r) < fit.silent
    return SILENT_MODEL_RATE if below else fit.silent


def _of_fit(fit: View, types: Array, silent: float) -> pd.DataFrame:
    """The table of one fit, without its seed and names."""
    n_units = len(fit.region)
    rows = []
    for condition in np.unique(fit.condition):
        z = fit.z[fit.condition == condition]
        complete = np.isfinite(z).all(2)
        count = complete.sum(0)
        seen = np.flatnonzero(count)
        above = np.where(complete[..., None], z[..., :n_units] - silent, 0.0).sum(0)[seen] / count[seen, None]
        for target in fit.regions:
            sent = fit.W[fit.region == target, :n_units].mean(0) * above
            for source in (*fit.regions, ALL_REGIONS):
                own = np.ones(n_units, dtype=bool) if source == ALL_REGIONS else fit.region == source
                of_types = {kind: sent[:, own & (types == kind)].sum(1) for kind in CELL_TYPES}
                excitation = np.where(of_types["excitatory"] > 0, of_types["excitatory"], np.nan)
                rows.append(
                    pd.DataFrame(
                        {
                            "target": target,
                            "source": source,
                            "condition": str(condition),
                            "time_s": fit.time_s[seen],
                            **of_types,
                            "inhibition_ratio": -of_types["inhibitory"] / excitation,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)
