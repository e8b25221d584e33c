"""The table ``nulls`` of a population network: the score of every pathway after its source was shuffled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd import tables
from curbd.pathways.multiplicity import benjamini_hochberg
from lrfit.population_network.file import verdict_of


def null_table(networks: xr.Dataset) -> pd.DataFrame:
    """Compare the score of every pathway between regions with its scores after the source was shuffled.

    Trials of the source are shuffled within their condition (see `lrfit.population_network.pathway_test`).

    Parameters
    ----------
    networks : the content of network.nc.

    Returns
    -------
    The table ``nulls``, one row per pathway between regions.
    """
    tests, regions = verdict_of(networks).evidence.tests, networks["pathway_target"].to_numpy().astype(str)
    rows = []
    for target, source in np.argwhere(np.isfinite(tests.score)):
        null, value = tests.shuffled[:, target, source], tests.score[target, source]
        low, high = np.quantile(null, [0.025, 0.975])
        rows.append(
            {
                "target": regions[target],
                "source": regions[source],
                "statistic": value,
                "null_low": low,
                "null_mean": null.mean(),
                "null_high": high,
                "p_value": (1 + (null >= value).sum()) / (1 + len(null)),
            }
        )
    if not rows:
        return tables.empty("nulls")
    names = {"recording": networks.attrs["recording"], "model": networks.attrs["model"]}
    table = pd.DataFrame(rows).assign(**names, null="trial_shuffle", measure="score")
    return table.assign(q_value=benjamini_hochberg(table["p_value"].to_numpy()))
