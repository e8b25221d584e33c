"""The table `nulls`: every pathway compared with each of the additional nulls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri as normal_quantile

from curbd.pathways.judged_fits import JudgedFits
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.other_nulls import (
    NullComparison,
    random_group,
    random_weights,
    region_labels,
    time_shift,
    trial_shuffle,
)

Array = np.ndarray
MIDDLE_95 = (0.025, 0.975)
"""Quantiles between which the middle 95 % of a null lie."""


def null_table(recording: xr.Dataset, networks: xr.Dataset, *, judged: JudgedFits | None = None) -> pd.DataFrame:
    """Compare every pathway of the first fit with the five nulls of `curbd.pathways.other_nulls`.

    q values correct for the number of pathways of the recording, for each null and each measure separately.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    judged : the same fits if `curbd.pathways.judge.judge` needs them, too, so that they are prepared once.

    Returns
    -------
    The table ``nulls``, one row per pathway, null and measure. Pathways for which a null is undefined have no row.
    """
    judged = judged or JudgedFits(recording, networks)
    fit, regression = judged.drawn, judged.regression
    rms, correlation = random_weights(regression, fit.W[:, : fit.n_present])
    comparisons: dict[tuple[str, str], NullComparison] = {
        ("random_weights", "rms"): rms,
        ("random_weights", "correlation"): correlation,
        ("time_shift", "held_out_gain"): time_shift(regression),
        ("trial_shuffle", "held_out_gain"): trial_shuffle(regression),
        ("region_labels", "held_out_gain"): region_labels(regression),
        ("random_group", "held_out_gain"): random_group(regression),
    }
    names = {"recording": recording.attrs["recording"], "model": networks.attrs["model"]}
    sources = [source.name for source in fit.pathway_sources]
    pathways = pd.MultiIndex.from_product([fit.regions, sources], names=["target", "source"])
    tables = []
    for (name, measure), comparison in comparisons.items():
        defined = np.isfinite(comparison.p_value)
        null = np.where(defined, comparison.null, 0.0)
        low, high = middle_of_null(null)
        columns = {
            "statistic": comparison.value,
            "null_low": low,
            "null_mean": np.nanmean(null, axis=0),
            "null_high": high,
        }
        table = pd.DataFrame({column: values.ravel() for column, values in columns.items()}, index=pathways)
        table = table.assign(**names, null=name, measure=measure, p_value=comparison.p_value.ravel())
        table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
        tables.append(table[table["p_value"].notna()].reset_index())
    return pd.concat(tables, ignore_index=True)


def middle_of_null(null: Array) -> tuple[Array, Array]:
    """Estimate the range of the middle 95 % of the nulls of all pathways.

    If the answer was clear before the largest number of draws, the range is that of a normal distribution with the mean
    and the standard deviation of the draws, because few draws tell little about the tails.

    Parameters
    ----------
    null : (draw, target region, source) values under the null, NaN for draws that were not needed.

    Returns
    -------
    The lower and the upper end (target region, source).
    """
    mean, sd = np.nanmean(null, axis=0), np.nanstd(null, axis=0, ddof=1)
    every_draw = np.isfinite(null).all(0)
    of_draws = np.nanquantile(null, MIDDLE_95, axis=0)
    low, high = (
        np.where(every_draw, quantile, mean + normal_quantile(level) * sd)
        for level, quantile in zip(MIDDLE_95, of_draws, strict=True)
    )
    return low, high
