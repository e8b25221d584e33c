"""Contrasts of the currents of a recording, as tables: every pathway, and every bin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd import tables
from curbd.contrasts.differences import NORMAL_95, SMALLEST_ERROR, compared_bins, labels_of, signed_root
from curbd.contrasts.pathway_contrast import PARTS, PartContrast, contrast_pathway, lag_correlation
from curbd.contrasts.trials import Comparison, comparisons
from curbd.contrasts.weight_uncertainty import Uncertainty, activity_differences, onto_units, uncertainties, unknown
from curbd.errors import UserError
from curbd.network.file import has_posterior
from curbd.network.sources import BIAS, SELF_ADAPTATION, SELF_HISTORY
from curbd.network.view import View, view
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.settings.contrasts import Contrast

Array = np.ndarray
LATENT = "latent"
"""Part of a contrast: the value of a latent."""


class ContrastTables(NamedTuple):
    """Contrasts of one model on one recording.

    Attributes
    ----------
    contrasts : the table ``contrasts``, one row per contrast, part of the current, pathway and pair of levels.
    timecourses : the table ``contrast_timecourses``, the same over time.
    left_out : name of a contrast -> why the recording cannot have this contrast.
    """

    contrasts: pd.DataFrame
    timecourses: pd.DataFrame
    left_out: dict[str, str]


def contrast_tables(
    currents: xr.DataArray,
    recording: xr.Dataset,
    contrasts: Mapping[str, Contrast],
    networks: xr.Dataset | None = None,
    latents: pd.DataFrame | None = None,
) -> ContrastTables:
    """Compare the currents of every pathway between conditions.

    A network has the same weights in all trials, so that a current differs between conditions if the activity of its
    source differs in a way that the weights transmit. Two things can be wrong about an estimated difference: the
    activity may differ by chance between the trials of the conditions, and the weights may be wrong. The p-value of a
    pathway is the larger of the p-values of both: by permuted labels of trials, and by the posterior of the weights.

    Parameters
    ----------
    currents : (source, trial, time, unit) or (seed, source, trial, time, unit) currents of the recording, with the
        coordinate ``region`` of the units, as in currents.nc. Of several fits, the first is compared.
    recording : the recording, with its trial columns and inputs.
    contrasts : name -> settings of a contrast.
    networks : the fits of the model, of which the first is compared; None leaves the errors of weights out. Where the
        fits have no posterior of the weights, intervals and p-values are about trials alone.
    latents : the table ``latents`` of the model; None for a network of full rank. Of several fits, the first is
        compared. Latents of different fits and recordings are not comparable.

    Returns
    -------
    The tables, and the contrasts that the recording cannot have.
    """
    first = currents.isel(seed=0) if "seed" in currents.dims else currents
    first = first.transpose("source", "trial", "time", "unit")
    of_latents = {} if latents is None else _latent_values(latents, recording)
    fit = view(recording, networks) if networks is not None and has_posterior(networks) else None
    rows: list[dict[str, Any]] = []
    courses: list[pd.DataFrame] = []
    left_out: dict[str, str] = {}
    for name, contrast in contrasts.items():
        try:
            pairs = comparisons(recording, f"contrasts.{name}", contrast)
            in_window = _window(recording, name, contrast)
        except UserError as error:
            left_out[name] = str(error)
            continue
        of_contrast: list[dict[str, Any]] = []
        for comparison in pairs:
            for row, course in (
                *_compare(first, recording, contrast, comparison, in_window, fit),
                *_compare_latents(of_latents, recording, contrast, comparison, in_window),
            ):
                of_contrast.append({"contrast": name, **row})
                courses.append(course.assign(contrast=name))
        rows += _with_q_values(of_contrast)
    labels = {"recording": str(recording.attrs["recording"]), "model": str(currents.attrs["model"])}
    return ContrastTables(
        contrasts=_table("contrasts", [pd.DataFrame(rows)] if rows else [], labels),
        timecourses=_table("contrast_timecourses", courses, labels),
        left_out=left_out,
    )


def _window(recording: xr.Dataset, name: str, contrast: Contrast) -> Array:
    """Bins (time,) bool whose centres lie in the window of a contrast."""
    time_s = recording["time"].values
    start_s = -np.inf if contrast.start_s is None else contrast.start_s
    stop_s = np.inf if contrast.stop_s is None else contrast.stop_s
    chosen: Array = (time_s >= start_s) & (time_s <= stop_s)
    if not chosen.any():
        raise UserError.at(
            f"contrasts.{name}, recording {recording.attrs['recording']}, start_s and stop_s",
            found=f"{start_s:g} to {stop_s:g} s",
            expected=f"a window with bins of the recording, {time_s[0]:g} to {time_s[-1]:g} s",
        )
    return chosen


def _compare(
    currents: xr.DataArray,
    recording: xr.Dataset,
    contrast: Contrast,
    comparison: Comparison,
    in_window: Array,
    fit: View | None,
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Compare all pathways between two levels: a row of the table ``contrasts`` and its course over time, by part."""
    labels = labels_of(comparison, comparison.permuted(contrast))
    region = currents["region"].values.astype(str)
    values = currents.values[:, comparison.trials]
    bins = compared_bins(values[0], comparison, in_window)
    if not bins.any():
        return
    names = [str(name) for name in currents["source"].values]
    sources = [index for index, name in enumerate(names) if name not in (BIAS, SELF_ADAPTATION, SELF_HISTORY)]
    activity = {} if fit is None else activity_differences(fit, comparison, labels, bins)
    for target in np.unique(region):
        units = region == target
        total = total_spread(values[:, :, bins][..., units])
        parts: dict[tuple[str, str], PartContrast] = {}
        for index in sources:
            difference = activity.get(names[index])
            into_target = None if difference is None else onto_units(difference, units)
            current = values[index][:, :, units].astype(float)
            of_source = contrast_pathway(current, comparison, labels, bins, into_target)
            parts |= {(names[index], part): of_part for part, of_part in of_source.items()}
        posterior = {} if fit is None else uncertainties(fit, str(target), parts)
        for (source, part), of_part in parts.items():
            unsure = posterior.get((source, part), unknown(len(bins)))
            names_of_row = {"part": part, "target": str(target), "source": source}
            row, course = _row_and_course(names_of_row, of_part, unsure, comparison, bins, recording)
            yield row | {"relative_difference": row["difference"] / total}, course


def total_spread(currents: Array) -> float:
    """Return the standard deviation of the total current into a region, each unit about its own mean.

    Parameters
    ----------
    currents : (source, trial, time, unit) currents of all sources into the units of the region; NaN where missing.

    Returns
    -------
    The standard deviation over trials, time and units; NaN if the total current does not vary.
    """
    total = currents.astype(float).sum(0)
    off = total - np.nanmean(total, axis=(0, 1), keepdims=True)
    return float(np.sqrt(np.nanmean(off**2))) or float("nan")


def _latent_values(latents: pd.DataFrame, recording: xr.Dataset) -> dict[str, Array]:
    """Name of a latent, such as ``latent:1`` -> its values (trial, time) in the first fit."""
    shape = recording.sizes["trial"], recording.sizes["time"]
    bin_of_time = pd.Index(recording["time"].values)
    first = latents[latents["seed"] == latents["seed"].iloc[0]] if len(latents) else latents
    result = {}
    for latent, rows in first.groupby(first["latent"].astype(str), sort=False):
        values = np.full(shape, np.nan)
        values[rows["trial"], bin_of_time.get_indexer(rows["time_s"], method="nearest")] = rows["value"]
        result[f"latent:{latent}"] = values
    return result


def _compare_latents(
    latents: Mapping[str, Array], recording: xr.Dataset, contrast: Contrast, comparison: Comparison, in_window: Array
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Compare all latents between two levels: a row of the table ``contrasts`` and its course over time."""
    labels = labels_of(comparison, comparison.permuted(contrast))
    for name, of_all_trials in latents.items():
        values = of_all_trials[comparison.trials][..., None]
        bins = compared_bins(values, comparison, in_window)
        if bins.any():
            of_mean = contrast_pathway(values, comparison, labels, bins, None)["current"]
            names_of_row = {"part": LATENT, "target": name, "source": name}
            row, course = _row_and_course(names_of_row, of_mean, unknown(len(bins)), comparison, bins, recording)
            yield row | {"relative_difference": float("nan")}, course


def _row_and_course(
    names: Mapping[str, str],
    part: PartContrast,
    unsure: Uncertainty,
    comparison: Comparison,
    bins: Array,
    recording: xr.Dataset,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """A row of the table ``contrasts``, and the same difference over time."""
    row = {**names, **_facts(recording, comparison, bins), **_row(part, unsure, bins, recording)}
    levels = {"level_a": comparison.level_a, "level_b": comparison.level_b}
    return row, _course(part, unsure, bins).assign(**names, **levels, time_s=recording["time"].values[bins])


def _facts(recording: xr.Dataset, comparison: Comparison, bins: Array) -> dict[str, Any]:
    """The cells that all pathways of a comparison share."""
    time_s, half_s = recording["time"].values[bins], float(recording.attrs["dt_s"]) / 2
    return {
        "level_a": comparison.level_a,
        "level_b": comparison.level_b,
        "start_s": time_s[0] - half_s,
        "stop_s": time_s[-1] + half_s,
        "n_trials_a": int(comparison.is_a.sum()),
        "n_trials_b": int((~comparison.is_a).sum()),
        "label_autocorrelation": lag_correlation(comparison.is_a.astype(float)),
    }


def _row(part: PartContrast, unsure: Uncertainty, bins: Array, recording: xr.Dataset) -> dict[str, Any]:
    variance = np.array(part.window_variance + np.nan_to_num(unsure.variance))
    shrunk = unsure.shrunk[bins].mean()
    difference, low, high = _interval(np.array(part.window_difference), variance, shrunk, part.squared)
    time_s, half_s = recording["time"].values, float(recording.attrs["dt_s"]) / 2
    largest = part.clusters[0] if part.clusters else None
    p_values = [part.p_trials, unsure.p_value]
    return {
        "difference": float(difference),
        "ci_low": float(low),
        "ci_high": float(high),
        "p_value": float(np.nanmax(p_values)) if np.isfinite(part.p_trials) else float("nan"),
        "standardised": _standardised(float(difference), part.spread),
        "mean_a": _mean(part.level_a),
        "mean_b": _mean(part.level_b),
        "p_trials": part.p_trials,
        "p_posterior": unsure.p_value,
        "window_p_value": part.window_p,
        "cluster_start_s": float("nan") if largest is None else time_s[largest.first] - half_s,
        "cluster_stop_s": float("nan") if largest is None else time_s[largest.last] + half_s,
        "trial_autocorrelation": part.autocorrelation,
        "interval": "trials and weights" if np.isfinite(unsure.variance) else "trials",
    }


def _standardised(difference: float, spread: float) -> float:
    """A difference in standard deviations of single trials; NaN if trials of a level are all the same."""
    return difference / spread if spread > SMALLEST_ERROR * abs(difference) else float("nan")


def _course(part: PartContrast, unsure: Uncertainty, bins: Array) -> pd.DataFrame:
    """The course of a difference over the compared bins."""
    variance = part.variance + np.nan_to_num(unsure.over_time)
    difference, low, high = _interval(part.difference, variance, unsure.shrunk, part.squared)
    corrected = np.ones(len(bins))
    for cluster in part.clusters:
        corrected[cluster.first : cluster.last + 1] = cluster.p_value
    columns = {
        "mean_a": part.level_a,
        "mean_b": part.level_b,
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
        "p_value": corrected,
    }
    return pd.DataFrame({name: values[bins] for name, values in columns.items()})


def _interval(difference: Array, variance: Array, shrunk: Array | float, squared: bool) -> tuple[Array, Array, Array]:
    """A difference and the ends of its 95 % interval; squares become roots with their sign.

    The difference includes what is expected to be lost by the shrinkage of the weights; the lower end does not, because
    weights that do not exist lose nothing.
    """
    half_width = NORMAL_95 * np.sqrt(variance)
    ends = difference + shrunk, difference - half_width, difference + shrunk + half_width
    return (signed_root(ends[0]), signed_root(ends[1]), signed_root(ends[2])) if squared else ends


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _with_q_values(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one contrast with q-values over all pathways and pairs of levels, for every part separately."""
    for part in (*PARTS, LATENT):
        of_part = [row for row in rows if row["part"] == part]
        corrected = benjamini_hochberg(np.array([row["p_value"] for row in of_part], dtype=float))
        for row, q_value in zip(of_part, corrected, strict=True):
            row["q_value"] = q_value
    return rows


def _table(name: str, parts: list[pd.DataFrame], labels: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a table in the order of its description, with the labels of recording and model."""
    if not parts:
        return tables.empty(name)
    table = pd.concat(parts, ignore_index=True).assign(**labels)
    return table[[column for column in tables.TABLES[name].names if column in table]]
