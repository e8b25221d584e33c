"""How far the fits of an ensemble agree: on weights, on currents, and on what silencing would do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from curbd.network.perturbation import Action, silencing
from curbd.network.perturbed_run import perturbed_free_runs
from curbd.network.sources import Source
from curbd.network.truth import correlation
from curbd.network.view import View

Array = np.ndarray
MAX_TRIALS = 60
"""Effects of silencing are averages over trials; more trials than these change an average little."""


def agreement(values: Array) -> float:
    """Correlation between fits of some numbers (fit, ...), mean over pairs of fits; NaN for one fit.

    Numbers that are missing in one fit are left out.
    """
    flat = values.reshape(len(values), -1)
    flat = flat[:, np.isfinite(flat).all(0)]
    pairs = [correlation(flat[a], flat[b]) for a, b in combinations(range(len(flat)), 2)]
    finite = [value for value in pairs if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def silencing_effects(fits: Sequence[View]) -> Array:
    """What silencing a region, or taking an input away, does to every unit in every fit.

    Silenced minus intact rates of a free run from the first states, averaged over the trials of a condition.

    Parameters
    ----------
    fits : a recording as each fit sees it; the runs of all fits start from the states of the first fit.

    Returns
    -------
    (fit, source, condition, time, unit) with the sources of `View.pathway_sources`; NaN for the silenced units
    themselves, and where no trial was recorded.
    """
    first = fits[0]
    trials = np.unique(np.linspace(0, len(first.r) - 1, MAX_TRIALS).round().astype(int))
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
    """The units of a region held at the silent rate, or an input cut."""
    n_units, n_inputs = len(view.region), view.u.shape[2]
    held = np.isin(np.arange(n_units), source.columns)
    cut = np.isin(n_units + np.arange(n_inputs), source.columns)
    return silencing(held, view.silent, n_inputs)._replace(inputs=cut)
