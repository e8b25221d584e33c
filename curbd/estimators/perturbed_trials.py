"""Perturbed trials that teach: currents into regions on which a real perturbation does not act are fitted to them too.

A perturbation changes the equation of the units that it acts on, by a current that nobody knows, or by holding their
rates. The equations of all other units stay as they are, and the perturbation moves the activity to where it does not
go on its own. Each target region has a regression of its own, so that its weights can come from all trials in which
nothing acts on the region itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.network.equation import TimeConstant
from curbd.network.fit import Fit
from curbd.recording.scaling import rate_scale, scaled_rates
from curbd.regression.transitions import TrainingData

Array = np.ndarray
EACH_REGION_ALONE = frozenset({"one_step", "sparse"})
"""Estimators that fit the weights onto every target region independently of all other regions."""


class TeachingTrials(NamedTuple):
    """Perturbed trials that a network is fitted to.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates.
    u : (trial, time, input) inputs.
    acted_on : (trial, region) bool, True for regions whose units the perturbation acts on.
    """

    r: Array
    u: Array
    acted_on: Array

    def of_trials(self, chosen: Array) -> TeachingTrials:
        """Select trials, by mask or by index."""
        return TeachingTrials(self.r[chosen], self.u[chosen], self.acted_on[chosen])


def can_teach(perturbed: xr.Dataset | None) -> bool:
    """Return whether networks are fitted to some of the perturbed trials of a session; None stands for no such trials.

    Only these trials have inputs.
    """
    return perturbed is not None and "inputs" in perturbed


def teaching_trials(recording: xr.Dataset, perturbed: xr.Dataset | None, nonlinearity: str) -> TeachingTrials | None:
    """Select the perturbed trials that networks are fitted to, on the bins of the recording.

    Parameters
    ----------
    recording : the recording of a session.
    perturbed : its perturbed trials, or None.
    nonlinearity : name of the nonlinearity of the network, for which rates are scaled.

    Returns
    -------
    The trials; None if no perturbed trial has the setting ``fit_all_but``.
    """
    if perturbed is None or not can_teach(perturbed):
        return None
    chosen = perturbed.isel(trial=perturbed["fit_all_but"].values != "")
    bins = {"time": recording["time"].values, "method": "nearest", "tolerance": recording.attrs["dt_s"] / 4}
    names = np.unique(recording["region"].values.astype(str))
    acted_on = [np.isin(names, text.split(";")) for text in chosen["fit_all_but"].values.astype(str)]
    inputs = chosen["inputs"].transpose("trial", "time", "input").reindex(**bins)
    rates = scaled_rates(chosen, nonlinearity, rate_scale(recording, nonlinearity)).reindex(**bins)
    return TeachingTrials(rates.values, inputs.values, np.stack(acted_on))


def with_teaching_trials(
    fitted: Fit, training: TrainingData, teaching: TeachingTrials, fit: Callable[[TrainingData], Fit]
) -> Fit:
    """Replace the weights onto every region by weights from all trials in which nothing acts on the region.

    The time constant is that of the unperturbed trials, and so are the second moments behind the posterior, which makes
    the intervals too wide rather than too narrow.

    Parameters
    ----------
    fitted : the fit to the unperturbed trials.
    training : these trials.
    teaching : the perturbed trials.
    fit : function that fits trials with the same estimator.
    """
    network, penalty, posterior = fitted.network, fitted.penalty, fitted.posterior
    J, B, b = network.J.copy(), network.B.copy(), network.b.copy()
    for usable in np.unique(~teaching.acted_on, axis=1).T:
        regions = np.flatnonzero((~teaching.acted_on == usable[:, None]).all(0))
        if not usable.any():
            continue
        more = fit(_joined(training, teaching.of_trials(usable), network.time_constant_s))
        rows = np.isin(training.region, regions)
        J[rows], B[rows], b[rows] = more.network.J[rows], more.network.B[rows], more.network.b[rows]
        if penalty is not None and more.penalty is not None:
            penalty = np.where(np.isin(np.arange(training.n_regions), regions)[:, None], more.penalty, penalty)
        if posterior is not None and more.posterior is not None:
            posterior = posterior._replace(
                noise_variance=np.where(rows, more.posterior.noise_variance, posterior.noise_variance),
                ridge=np.where(rows[:, None], more.posterior.ridge, posterior.ridge),
            )
    return fitted._replace(network=network._replace(J=J, B=B, b=b), penalty=penalty, posterior=posterior)


def _joined(training: TrainingData, teaching: TeachingTrials, tau_s: TimeConstant) -> TrainingData:
    """Append perturbed trials to the training trials, with a given time constant."""
    after = training.trial.max() + 1 + np.arange(len(teaching.r))
    return training._replace(
        r=np.concatenate([training.r, teaching.r]),
        u=np.concatenate([training.u, teaching.u]),
        trial=np.concatenate([training.trial, after]),
        tau_s=tau_s,
    )
