"""Agreement between the fits of a model: on weights, on currents and on the effects of silencing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from curbd.network.current_pairs import CurrentPair
from curbd.network.current_view import CurrentView
from curbd.network.perturbation import Action, silencing
from curbd.network.perturbed_run import perturbed_free_runs
from curbd.network.sources import Source
from curbd.network.truth import correlation
from curbd.network.view import View

Array = np.ndarray
MAX_SILENCED_TRIALS = 60
"""Largest number of trials over which effects of silencing are averaged; more trials change the averages little."""


def agreement(values: Array) -> float:
    """Compute the agreement of the fits of a model: the mean correlation over all pairs of fits.

    Parameters
    ----------
    values : (fit, ...) values of every fit; a value that is missing (NaN) in any fit is left out.

    Returns
    -------
    The mean correlation; NaN for a single fit or if nothing varies.
    """
    flat = values.reshape(len(values), -1)
    flat = flat[:, np.isfinite(flat).all(0)]
    return _mean_of_defined([correlation(flat[a], flat[b]) for a, b in combinations(range(len(flat)), 2)])


def current_agreement(fits: Sequence[CurrentView], source: Source) -> Array:
    """Compute the agreement of the fits on the current of a source into every region.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to.
    source : the source of the current.

    Returns
    -------
    (target region,) mean correlation over all pairs of fits; NaN for a single fit or if no current varies.
    """
    pairs = [
        CurrentPair.of(
            (a.z[..., source.columns], b.z[..., source.columns]), (a.W[:, source.columns], b.W[:, source.columns])
        )
        for a, b in combinations(fits, 2)
    ]
    units_of = [fits[0].region == region for region in fits[0].regions]
    return np.array([_mean_of_defined([pair.of_units(units).correlation() for pair in pairs]) for units in units_of])


def _mean_of_defined(correlations: Sequence[float]) -> float:
    """Average the correlations that are not NaN; NaN if none is defined."""
    defined = [value for value in correlations if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def silencing_effects(fits: Sequence[View]) -> Array:
    """Compute the effect of silencing each region, and of removing each input, on every unit in every fit.

    Every network runs freely from the first recorded state of each trial, once intact and once with the source
    silenced. The effect is the difference of the rates between the two runs, averaged over the trials of a condition.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to; in all
        fits, trials start from the states of the first fit.

    Returns
    -------
    (fit, source, condition, time, unit) effects on scaled rates, with the sources in the order of
    `View.pathway_sources`; NaN for the silenced units, and in bins in which no trial was recorded.
    """
    first = fits[0]
    trials = np.unique(np.linspace(0, len(first.r) - 1, MAX_SILENCED_TRIALS).round().astype(int))
    r, condition = first.r[trials], first.condition[trials]
    conditions = np.unique(condition)
    observed = np.broadcast_to(np.isfinite(r).all(2, keepdims=True), r.shape)
    count = np.stack([observed[condition == name].sum(0) for name in conditions])
    actions = [_without(source, first) for source in first.pathway_sources]
    effects = np.full((len(fits), len(actions), len(conditions), *r.shape[1:]), np.nan)
    for fit_index, fit in enumerate(fits):
        intact, *silenced = perturbed_free_runs(fit.network, r, fit.u[trials], actions)
        for source_index, rates in enumerate(silenced):
            change = np.where(observed, rates - intact, 0.0)
            total = np.stack([change[condition == name].sum(0) for name in conditions])
            effects[fit_index, source_index] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            effects[fit_index, source_index][..., actions[source_index].held] = np.nan
    return effects


def _without(source: Source, view: View) -> Action:
    """Construct the action that holds the units of a region at the silent rate, or removes an input."""
    n_units, n_inputs = len(view.region), view.u.shape[2]
    held = np.isin(np.arange(n_units), source.columns)
    cut = np.isin(n_units + np.arange(n_inputs), source.columns)
    return silencing(held, view.silent, n_inputs)._replace(inputs=cut)
