"""What the posterior of the weights says about the difference of a current between two levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc as chi_square_tail

from curbd.contrasts.differences import Labels
from curbd.contrasts.pathway_contrast import PartContrast, Presynaptic, two_sided
from curbd.contrasts.trials import Comparison
from curbd.network.view import View

Array = np.ndarray


class Uncertainty(NamedTuple):
    """What the posterior of the weights says about one part of a current.

    Attributes
    ----------
    variance : variance of the difference over the window.
    p_value : p-value of the difference in the largest cluster, if the labels of the trials were the only ones possible.
    over_time : (time,) variance of the difference; NaN where unknown.
    shrunk : (time,) amount by which the squared difference of the pattern is expected to exceed that of the fitted
        weights, which are shrunk; 0 for all other parts.
    """

    variance: float
    p_value: float
    over_time: Array
    shrunk: Array


def unknown(n_bins: int) -> Uncertainty:
    """Return the uncertainty of a difference to which no posterior of the weights belongs.

    Parameters
    ----------
    n_bins : number of bins of the recording.
    """
    return Uncertainty(np.nan, np.nan, np.full(n_bins, np.nan), np.zeros(n_bins))


def activity_differences(fit: View, comparison: Comparison, labels: Labels, bins: Array) -> dict[str, Presynaptic]:
    """Compute how the activity of every source differs between two levels.

    Parameters
    ----------
    fit : the fit with the recording.
    comparison : the compared trials.
    labels : weights of these trials in the means of the two levels; those of the data come first, then permuted ones.
    bins : (time,) bool, True for the compared bins.

    Returns
    -------
    Name of a source -> the difference of its activity, with the weights from the source to all units.
    """
    result = {}
    for source in fit.pathway_sources:
        z = comparison.centred(np.where(bins[:, None], fit.z[comparison.trials][..., source.columns], np.nan))
        present = np.isfinite(z).all(2)
        filled = np.where(present[..., None], z, 0.0)
        total = [weights[0] @ present for weights in labels]
        means = [
            np.tensordot(weights[0], filled, 1) / np.where(n > 0, n, np.nan)[:, None]
            for weights, n in zip(labels, total, strict=True)
        ]
        covariance = np.zeros((len(source.columns),) * 2)
        for sign, weights, mean in zip((1, -1), labels, means, strict=True):
            deviation = np.where(present[..., None], filled - np.nan_to_num(mean), 0.0)
            weighted = deviation * weights[0][:, None, None]
            covariance += sign * np.tensordot(weighted, deviation, ([0, 1], [0, 1])) / bins.sum()
        result[source.name] = Presynaptic(mean=means[0] - means[1], covariance=covariance, W=fit.W[:, source.columns])
    return result


def onto_units(activity: Presynaptic, units: Array) -> Presynaptic:
    """Restrict a difference of presynaptic activity to its weights on some units (unit,), given by mask."""
    return Presynaptic(mean=activity.mean, covariance=activity.covariance, W=activity.W[units])


def uncertainties(
    fit: View, target: str, parts: Mapping[tuple[str, str], PartContrast]
) -> dict[tuple[str, str], Uncertainty]:
    """Compute the uncertainty of differences that comes from the weights, for all sources of a target region.

    Parameters
    ----------
    fit : the fit with the recording, and with a posterior of the weights.
    target : name of the target region.
    parts : (name of a source, part of its current) -> the difference between two levels.

    Returns
    -------
    (name of a source, part of its current) -> the uncertainty.
    """
    source_of = {source.name: source for source in fit.sources}
    activity = {}
    for (source, part), contrast in parts.items():
        for kind in ("window_gradient", "cluster_gradient", "unit_gradient", "gradient"):
            gradient = getattr(contrast, kind)
            if gradient is not None:
                activity[source, part, kind] = (source_of[source], np.nan_to_num(gradient))
    variance = fit.current_variance(target, activity) or {}
    result = {}
    for (source, part), contrast in parts.items():
        of_window = float(variance[source, part, "window_gradient"].sum())
        of_cluster = variance[source, part, "cluster_gradient"]
        over_time = variance.get((source, part, "gradient"))
        of_units = variance.get((source, part, "unit_gradient"))
        n_bins = len(contrast.difference)
        result[source, part] = Uncertainty(
            variance=of_window,
            p_value=_p_value(contrast, of_cluster),
            over_time=np.full(n_bins, np.nan) if over_time is None else over_time.sum(-1),
            shrunk=np.zeros(n_bins) if of_units is None else of_units.mean(-1) * contrast.signal,
        )
    return result


def _p_value(contrast: PartContrast, variance: Array) -> float:
    """P-value of a difference, if only the weights are uncertain, from the posterior variance (unit,) of its parts."""
    if not (variance > 0).all():
        return float("nan")
    if contrast.unit_difference is not None:
        chi_square = float((contrast.unit_difference**2 / variance).sum())
        return float(chi_square_tail(len(contrast.unit_difference), chi_square))
    difference = contrast.window_difference
    if contrast.gradient is not None and contrast.clusters:
        cluster = contrast.clusters[0]
        difference = float(np.nanmean(contrast.difference[cluster.first : cluster.last + 1]))
    return two_sided(difference / np.sqrt(variance.sum()))
