"""What is known of every pathway: quantities (target region, source) by the name of their column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from curbd.network.current_pairs import CurrentPair
from curbd.network.current_view import CurrentView
from curbd.network.equation import weights
from curbd.network.residual import Residual, residual_autocorrelation
from curbd.network.truth import against_truth, true_network
from curbd.network.view import View
from curbd.pathways.agreement import agreement, current_agreement, silencing_effects
from curbd.pathways.cumulants import cumulant_effects
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.robustness import current_robustness
from curbd.pathways.shuffled_source import ShuffleNull
from curbd.pathways.skewness import skewed_effects
from curbd.pathways.slow_response import response_effects
from curbd.pathways.solved_regression import mean_of_active
from curbd.pathways.unrecorded import hints
from curbd.regression.time_constant_limits import at_limit

Array = np.ndarray
Evidence = dict[str, Array]
"""Column of the table ``pathways`` -> its values (target region, source)."""


def current_evidence(fits: Sequence[CurrentView]) -> Evidence:
    """Measure the currents of the first fit, their expected R2 with the true currents, and the agreement of the fits.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to.

    Returns
    -------
    Arrays (target region, source), by the name of their column in the table ``pathways``: the rms of the current, its
    ``share`` of the variance of all currents into the target, the expected R2 with the true current
    (``predicted_r2``), the correlation of the current between fits (``seed_r``), and the least exact weights with which
    the current holds (``robust_bits``, ``robust_noise``).
    """
    first = fits[0]
    n_sources, activity = len(first.sources), first.activity_moments
    power = np.empty((n_sources, len(first.region)))
    shape = len(first.regions), n_sources
    rms, expected, seed_r, bits, noise = (np.full(shape, np.nan) for _ in range(5))
    for index, source in enumerate(first.sources):
        W = first.W[:, source.columns]
        # About the mean of each unit: a constant current, as a bias, drives nothing that changes.
        scatter = activity.scatter[np.ix_(source.columns, source.columns)]
        power[index] = ((W @ scatter) * W).sum(1) / max(activity.n, 1)
        square = power[index] + (W @ activity.mean[source.columns]) ** 2
        seed_r[:, index] = current_agreement(fits, source)
        bits[:, index], noise[:, index] = current_robustness(first, source)
        for target, region in enumerate(first.regions):
            rms[target, index] = np.sqrt(square[first.region == region].mean())
            expected[target, index] = first.expected_r2(source, region)
    of_target = np.stack([np.nansum(power[:, first.region == region], axis=1) for region in first.regions])
    total = np.stack([np.nansum(power[:, first.region == region]) for region in first.regions])[:, None]
    share = np.where(total > 0, of_target / np.where(total > 0, total, 1), 0.0)
    pathways = slice(len(first.pathway_sources))
    return {
        "rms": rms[:, pathways],
        "share": share[:, pathways],
        "predicted_r2": expected[:, pathways],
        "seed_r": seed_r[:, pathways],
        "robust_bits": bits[:, pathways],
        "robust_noise": noise[:, pathways],
    }


def agreement_of_fits(fits: Sequence[View]) -> Evidence:
    """Compute the agreement of the fits on the weights, and on the effect on the target of silencing the source.

    A single fit agrees with no other fit: its agreement is NaN.
    """
    first = fits[0]
    shape = len(first.regions), len(first.pathway_sources)
    if len(fits) == 1:
        return {column: np.full(shape, np.nan) for column in ("J_seed_r", "inactivation_seed_r")}
    effects = silencing_effects(fits)
    W = np.stack([fit.W for fit in fits])
    units_of = [first.region == region for region in first.regions]
    sources = first.pathway_sources
    return {
        "J_seed_r": np.array(
            [[agreement(W[:, units][:, :, source.columns]) for source in sources] for units in units_of]
        ),
        "inactivation_seed_r": np.array(
            [[agreement(effects[:, index][..., units]) for index in range(len(sources))] for units in units_of]
        ),
    }


def null_evidence(null: ShuffleNull) -> Evidence:
    """Return the columns of the table ``pathways`` about the null behind the verdict."""
    return {"null_rms": null.null_rms, "p_value": null.p_value}


def unrecorded_evidence(drawn: View, regression: CurrentRegression) -> Evidence:
    """Ask the residuals of every target region, and the past of all sources, for what was not recorded.

    Parameters
    ----------
    drawn : the first fitted network with the recording that it was fitted to; if the fit inferred
        rates, with drawn rates.
    regression : the regression of all currents of this fit on all sources.

    Returns
    -------
    The columns of the table ``pathways`` that `curbd.pathways.unrecorded.hints` explains.
    """
    mean_decay = float(np.mean(drawn.network.decay))
    unrecorded = hints(regression.z, regression.y, drawn.region_of_unit, mean_decay, drawn.penalty)
    # A hidden input was inferred from the activity itself: it is no input that the experimenter switched on.
    known = np.append(np.zeros(len(drawn.regions), dtype=bool), ~drawn.hidden)
    return {
        "memory_nats": unrecorded.memory_nats[:, None],
        "shared_sd": unrecorded.shared_sd[:, None],
        "memory_share": unrecorded.memory_share[:, None],
        "common_share": unrecorded.common_share[:, None],
        "unique_share": unrecorded.unique_share,
        "unique_t": unrecorded.unique_t,
        "immediate_share": np.where(known, unrecorded.immediate_share, np.nan),
    }


def adequacy(drawn: View, regression: CurrentRegression, null: ShuffleNull) -> Evidence:
    """Measure whether the model of every target region is adequate, for the rule of the verdict alone.

    Parameters
    ----------
    drawn : the first fitted network with the recording that it was fitted to; if the fit inferred
        rates, with drawn rates.
    regression : the regression of all currents of this fit on all sources.
    null : the null of all pathways.

    Returns
    -------
    The fields ``residual_autocorrelation``, ``samples_per_regressor`` and ``excess_error`` of
    `curbd.pathways.verdict.Grounds`.
    """
    fitted, held_out = regression.halves
    excess, correlated = [], []
    for region, error_of_regression in zip(drawn.regions, null.held_out_error, strict=True):
        units = drawn.region == region
        error = drawn.error(units)
        error_share = (error[held_out] ** 2).sum(0) / regression.held_out_squares[units]
        excess.append(mean_of_active(error_share) / error_of_regression - 1)
        correlated.append(residual_autocorrelation(Residual(drawn.y[..., units], error)))
    return {
        "residual_autocorrelation": np.array(correlated)[:, None],
        "samples_per_regressor": np.array(fitted.sum() / regression.z.shape[2]),
        "excess_error": np.array(excess)[:, None],
    }


def limits(first: View, networks: xr.Dataset) -> Evidence:
    """Say what noise, the time constant and the bins hide from a fit, for the rule of the verdict alone.

    Parameters
    ----------
    first : the first fitted network with the recording that it was fitted to.
    networks : the fits of the model.

    Returns
    -------
    The fields ``unseen_share``, ``limited_tau_s`` and ``bin_s`` of `curbd.pathways.verdict.Grounds`.
    """
    network = first.network
    estimated = isinstance(networks.attrs.get("tau_s_setting"), str)
    limited = estimated and at_limit(network.tau_s, network.dt_s)
    return {
        "unseen_share": np.array([first.unseen_share(source) for source in first.pathway_sources]),
        "limited_tau_s": np.array(network.tau_s if limited else np.nan),
        "bin_s": np.array(network.dt_s),
    }


def truth_evidence(first: View, observed: View, truth: xr.Dataset) -> Evidence:
    """Compare the currents of the first fit with the true currents.

    Parameters
    ----------
    first : the first fitted network with the recording that it was fitted to.
    observed : the recording with observed rates.
    truth : the network behind the recording.

    Returns
    -------
    The columns ``true_r``, ``true_ratio`` and ``true_r2``.
    """
    true_weights = weights(true_network(truth, observed.hidden))
    comparisons = []
    for source in first.pathway_sources:
        activity = first.z[..., source.columns], observed.z[..., source.columns]
        pair = CurrentPair.of(activity, (first.W[:, source.columns], true_weights[:, source.columns]))
        comparisons.append([against_truth(pair.of_units(first.region == region)) for region in first.regions])
    return {
        name: np.array([[cell[name] for cell in row] for row in comparisons]).T
        for name in ("true_r", "true_ratio", "true_r2")
    }


def skewness_evidence(first: View) -> Evidence:
    """Estimate direct effects between regions from skewness, which need no network; NaN for inputs.

    Parameters
    ----------
    first : the first fitted network with the recording that it was fitted to.

    Returns
    -------
    The columns ``skewed_effect``, ``skewed_p_value``, ``skewed_effect_low``, ``skewed_misfit``, ``cumulant_effect``,
    ``cumulant_ci_low`` and ``cumulant_ci_high``.
    """
    r = first.r[first.train]
    found = skewed_effects(r, first.region_of_unit)
    beside = cumulant_effects(r, first.region_of_unit, first.network.dt_s, found.effect)
    effect = _with_inputs(first, found.effect)
    return {
        "skewed_effect": effect,
        "skewed_p_value": _with_inputs(first, found.p_value),
        "skewed_effect_low": _with_inputs(first, found.low),
        "skewed_misfit": np.where(np.isfinite(effect), found.misfit, np.nan),
        "cumulant_effect": _with_inputs(first, beside.effect),
        "cumulant_ci_low": _with_inputs(first, beside.low),
        "cumulant_ci_high": _with_inputs(first, beside.high),
    }


def response_evidence(first: View) -> Evidence:
    """Estimate direct effects between regions behind a slow response, which need no network; NaN for inputs.

    Parameters
    ----------
    first : the first fitted network with the recording that it was fitted to.

    Returns
    -------
    The columns ``response_effect``, ``response_ci_low``, ``response_ci_high``, ``response`` and ``response_s``.
    """
    found = response_effects(first.r[first.train], first.region_of_unit, first.network.dt_s)
    effect = _with_inputs(first, found.effect)
    return {
        "response_effect": effect,
        "response_ci_low": _with_inputs(first, found.low),
        "response_ci_high": _with_inputs(first, found.high),
        "response": np.where(np.isfinite(effect), found.response, ""),
        "response_s": np.where(np.isfinite(effect), found.response_s[:, None], np.nan),
    }


def _with_inputs(first: View, effect: Array) -> Array:
    """Append NaN for the inputs to an effect (target region, source region)."""
    n_inputs = len(first.pathway_sources) - len(first.regions)
    return np.concatenate([effect, np.full((len(effect), n_inputs), np.nan)], axis=1)


def ranks(fits: Sequence[View]) -> Evidence:
    """Compute the rank of every block of a low-rank network, and the range of ranks that the data allow.

    A block holds the weights from one region to one region. The rank is the rank in the first fit. The range includes
    the ranks in all other fits, which are fits to resampled trials, and the interval that the estimator reports, if
    any. Ranks are NaN for inputs and for networks of full rank. The range is NaN for a single fit without an interval.
    """
    first = fits[0]
    shape = len(first.regions), len(first.pathway_sources)
    columns = {name: np.full(shape, np.nan) for name in ("rank", "rank_low", "rank_high")}
    ranks_of_fits = [fit.block_ranks for fit in fits if fit.block_ranks is not None]
    if not ranks_of_fits:
        return columns
    limits = [*ranks_of_fits]
    if first.ranks is not None:
        limits += [first.ranks.low, first.ranks.high]
    regions = slice(len(first.regions))
    columns["rank"][:, regions] = ranks_of_fits[0]
    if len(limits) > 1:
        columns["rank_low"][:, regions] = np.min(limits, axis=0)
        columns["rank_high"][:, regions] = np.max(limits, axis=0)
    return columns
