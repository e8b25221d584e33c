"""A verdict on every pathway: does the source drive the target, and can its current be believed?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.current_pairs import CurrentPair
from curbd.network.current_view import CurrentView
from curbd.network.equation import weights
from curbd.network.residual import Residual, residual_autocorrelation
from curbd.network.truth import against_truth, comparable_truth, true_network
from curbd.network.view import View
from curbd.pathways.agreement import agreement, current_agreement, silencing_effects
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.grades import with_verdicts
from curbd.pathways.judged_fits import JudgedFits
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.robustness import current_robustness
from curbd.pathways.shuffled_source import pathway_null
from curbd.pathways.skewness import skewed_effects
from curbd.pathways.slow_response import response_effects
from curbd.pathways.solved_regression import mean_of_active
from curbd.pathways.unrecorded import hints
from curbd.regression.time_constant_limits import at_limit

Array = np.ndarray
Evidence = dict[str, Array]
"""Column of the table ``pathways`` -> its values (target region, source)."""


def judge(
    recording: xr.Dataset,
    networks: xr.Dataset,
    truth: xr.Dataset | None = None,
    *,
    judged: JudgedFits | None = None,
) -> pd.DataFrame:
    """Judge every region and every input as a source of every region.

    If a fit inferred the rates behind noisy observations, currents and intervals are computed from the posterior mean
    of the rates, but the null and the residuals from a draw of the rates: the mean is smoother than the true rates, and
    its residuals are correlated in time.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    truth : the network behind a teacher recording; adds the columns ``true_r``, ``true_ratio``, ``true_r2``.
    judged : the same fits if `curbd.pathways.null_table.null_table` needs them, too, so that they are prepared once.

    Returns
    -------
    The table ``pathways``, one row for each target region and source.
    """
    judged = judged or JudgedFits(recording, networks)
    fits = judged.fits
    first, shape = fits[0], (len(fits[0].regions), len(fits[0].pathway_sources))
    evidence = (
        current_evidence(fits) | agreement_of_fits(fits) | model_evidence(judged.drawn, judged.regression) | ranks(fits)
    )
    comparable = comparable_truth(recording, truth, networks.attrs["phi"])
    if comparable is not None:
        evidence |= truth_evidence(first, judged.observed, comparable)
    evidence |= skewness_evidence(first) | response_evidence(first)
    estimated = isinstance(networks.attrs.get("tau_s_setting"), str)
    limited = estimated and at_limit(first.network.tau_s, first.network.dt_s)
    evidence["limited_tau_s"] = np.array(first.network.tau_s if limited else np.nan)
    evidence["bin_s"] = np.array(first.network.dt_s)
    sources = [source.name for source in first.pathway_sources]
    index = pd.MultiIndex.from_product([first.regions, sources], names=["target", "source"])
    # A source without a current, such as a hidden input of another region, is not tested: nothing can be shuffled.
    evidence["p_value"] = np.where(evidence["rms"] > 0, evidence["p_value"], np.nan)
    columns = {name: np.broadcast_to(values, shape).ravel() for name, values in evidence.items()}
    table = pd.DataFrame(columns, index=index).reset_index()
    table.insert(0, "recording", recording.attrs["recording"])
    table.insert(1, "model", networks.attrs["model"])
    table = table.assign(level="unit", evidence_nats=np.nan)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
    table = with_verdicts(table, int(first.train.sum()))
    for column in ("rank", "rank_low", "rank_high"):
        table[column] = table[column].astype("Int64")
    return table.drop(
        columns=[
            "limited_tau_s",
            "bin_s",
            "residual_autocorrelation",
            "samples_per_regressor",
            "excess_error",
            "unseen_share",
        ]
    )


def current_evidence(fits: Sequence[CurrentView]) -> Evidence:
    """Measure the currents of the first fit, their expected R2 with the true currents, and the agreement of the fits.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to.

    Returns
    -------
    Arrays (target region, source), by the name of their column in the table ``pathways``: the rms of the current, its
    ``share`` of the variance of all currents into the target, the expected R2 with the true current
    (``predicted_r2``), the correlation of the current between fits (``seed_r``), the
    least exact weights with which the current holds (``robust_bits``, ``robust_noise``), and the share of the variance
    of the source's rates that measurement noise hides (``unseen_share``).
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
        "unseen_share": np.array([first.unseen_share(source) for source in first.pathway_sources]),
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


def model_evidence(drawn: View, regression: CurrentRegression) -> Evidence:
    """Compute the null behind the verdict, and the evidence on whether the model of every target region is adequate.

    Parameters
    ----------
    drawn : the first fitted network with the recording that it was fitted to; if the fit inferred
        rates, with drawn rates.
    regression : the regression of all currents of this fit on all sources.

    Returns
    -------
    The columns of the table ``pathways`` about the null, and the quantities by which the verdict judges the model.
    """
    network = drawn.network
    null = pathway_null(regression)
    fitted, held_out = regression.halves
    mean_decay = float(np.mean(network.decay))
    unrecorded = hints(regression.z, regression.y, drawn.region_of_unit, mean_decay, drawn.penalty)
    units_of = [drawn.region == region for region in drawn.regions]
    # A hidden input was inferred from the activity itself: it is no input that the experimenter switched on.
    known = np.append(np.zeros(len(units_of), dtype=bool), ~drawn.hidden)
    excess, correlated = [], []
    for units, error_of_regression in zip(units_of, null.held_out_error, strict=True):
        error = drawn.error(units)
        error_share = (error[held_out] ** 2).sum(0) / regression.held_out_squares[units]
        excess.append(mean_of_active(error_share) / error_of_regression - 1)
        correlated.append(residual_autocorrelation(Residual(drawn.y[..., units], error)))
    return {
        "null_rms": null.null_rms,
        "p_value": null.p_value,
        "memory_nats": unrecorded.memory_nats[:, None],
        "shared_sd": unrecorded.shared_sd[:, None],
        "memory_share": unrecorded.memory_share[:, None],
        "common_share": unrecorded.common_share[:, None],
        "unique_share": unrecorded.unique_share,
        "unique_t": unrecorded.unique_t,
        "immediate_share": np.where(known, unrecorded.immediate_share, np.nan),
        "residual_autocorrelation": np.array(correlated)[:, None],
        "samples_per_regressor": np.array(fitted.sum() / regression.z.shape[2]),
        "excess_error": np.array(excess)[:, None],
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
    The columns ``skewed_effect``, ``skewed_p_value``, ``skewed_effect_low`` and ``skewed_misfit``.
    """
    found = skewed_effects(first.r[first.train], first.region_of_unit)
    effect = _with_inputs(first, found.effect)
    return {
        "skewed_effect": effect,
        "skewed_p_value": _with_inputs(first, found.p_value),
        "skewed_effect_low": _with_inputs(first, found.low),
        "skewed_misfit": np.where(np.isfinite(effect), found.misfit, np.nan),
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
