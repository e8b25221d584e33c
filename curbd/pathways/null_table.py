"""The table `nulls`: every pathway beside what each further null makes of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import weights
from curbd.network.file import member
from curbd.network.residual import one_step_residual
from curbd.network.sources import parts, presynaptic
from curbd.network.view import at_inferred_rates, with_hidden_inputs
from curbd.pathways.judge import penalties
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.other_nulls import (
    Compared,
    Problem,
    random_group,
    random_weights,
    region_labels,
    time_shift,
    trial_shuffle,
)
from curbd.recording.scaling import scaled_rates


def null_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """One row for each pathway of the first fit, each null and each measure; none where the null has nothing to say.

    q values are over all pathways of the recording, for each null and measure on its own.
    """
    recording = at_inferred_rates(with_hidden_inputs(recording, networks, 0), networks, 0, "drawn_rates")
    regions, region = np.unique(recording["region"].values.astype(str), return_inverse=True)
    sources = [part for part in parts(recording) if part.source != "bias"]
    network = member(networks, 0)
    u = recording["inputs"].transpose("trial", "time", "input").values
    z, y = presynaptic(recording)[:, :-1], one_step_residual(network, scaled_rates(recording).values, u).y
    problem = Problem(
        z,
        y,
        region,
        [part.columns for part in sources],
        penalties(recording, networks, z, y, region),
        recording["split"].values == "train",
        recording["condition"].values.astype(str),
    )
    rms, correlation = random_weights(problem, weights(network))
    compared: dict[tuple[str, str], Compared] = {
        ("random_weights", "rms"): rms,
        ("random_weights", "correlation"): correlation,
        ("time_shift", "held_out_gain"): time_shift(problem),
        ("trial_shuffle", "held_out_gain"): trial_shuffle(problem),
        ("region_labels", "held_out_gain"): region_labels(problem),
        ("random_group", "held_out_gain"): random_group(problem),
    }
    names = {"recording": recording.attrs["recording"], "model": networks.attrs["model"]}
    pathways = pd.MultiIndex.from_product([regions, [part.source for part in sources]], names=["target", "source"])
    tables = []
    for (null, measure), one in compared.items():
        low, high = np.quantile(one.null, [0.025, 0.975], axis=0)
        columns = {"statistic": one.value, "null_low": low, "null_mean": one.null.mean(0), "null_high": high}
        table = pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=pathways)
        table = table.assign(**names, null=null, measure=measure, p_value=one.p_value().ravel())
        table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
        tables.append(table[table["p_value"].notna()].reset_index())
    return pd.concat(tables, ignore_index=True)
