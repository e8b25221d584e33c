"""Effects of real perturbations, measured in trials with and without a perturbation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.effect_maps import ComparedTrials
from curbd.recording.scaling import scaled_rates
from curbd.settings.experiments import Inactivation

Array = np.ndarray
TRIAL_EXCHANGES = 999
"""Number of random exchanges of perturbed and unperturbed trials; the smallest possible p-value is 1 / 1000."""
EXCHANGE_SEED = 0
"""Seed for the exchanges of trials."""
ROUNDING_SHARE = 1e-12
"""Squared effects of exchanged trials count as equal to the measured effect if smaller by less than this share."""


class Measured(NamedTuple):
    """Trials with and without a real perturbation, from which the measured effect is computed.

    The effect is the mean over perturbed trials minus the mean over unperturbed trials of the same conditions.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates in the time window, of perturbed and unperturbed trials.
    weight : (trial,) weights of the trials in the sum that gives the effect. All perturbed trials have one positive
        weight. Unperturbed trials have negative weights, by which every condition has the share that it has among the
        perturbed trials.
    condition : (trial,) condition of each trial.
    group : (trial,) animal or session of each trial, or a number of its own for each trial.
    """

    r: Array
    weight: Array
    condition: Array
    group: Array

    @property
    def trials(self) -> ComparedTrials:
        """The mean of every trial over the time window."""
        return ComparedTrials(self.r.mean(1), self.weight, self.condition, self.group)

    @property
    def effect(self) -> Array:
        """(unit,) measured effect: the change of the scaled rate, averaged over the time window."""
        return np.asarray(self.weight @ self.r.mean(1))

    @property
    def standard_error(self) -> Array:
        """(unit,) standard error of the effect, from the spread over trials.

        The spread is computed separately for perturbed and unperturbed trials of each condition. NaN if a condition has
        a single perturbed or a single unperturbed trial.
        """
        variance, means = np.zeros(self.r.shape[2]), self.r.mean(1)
        for name in np.unique(self.condition):
            for kind in (self.weight > 0, self.weight < 0):
                trials = np.flatnonzero(kind & (self.condition == name))
                spread = means[trials].var(0, ddof=1) if len(trials) > 1 else np.nan
                variance = variance + (self.weight[trials] ** 2).sum() * spread
        return np.asarray(np.sqrt(variance))

    def p_value(self, units: Array) -> float:
        """Compute the p-value of the effect on some units (unit,), given by index, by a permutation test.

        The statistic is the root mean square of the effect over time and units. Perturbed and unperturbed trials are
        exchanged within conditions.
        """
        r = self.r[..., units].reshape(len(self.r), -1)
        rng = np.random.default_rng(EXCHANGE_SEED)
        weight = np.repeat(self.weight[None], TRIAL_EXCHANGES, axis=0)
        for name in np.unique(self.condition):
            trials = self.condition == name
            weight[:, trials] = rng.permuted(weight[:, trials], axis=1)
        measured = ((self.weight @ r) ** 2).sum()
        at_least = ((weight @ r) ** 2).sum(1) >= measured * (1 - ROUNDING_SHARE)
        return float((1 + at_least.sum()) / (TRIAL_EXCHANGES + 1))


def measure(recording: xr.Dataset, perturbed: xr.Dataset, start_s: float, stop_s: float) -> Measured:
    """Collect the trials from which the effect in a time window is measured: trials that cover the whole window.

    The bins of the recording are used. Perturbed trials may begin and end in other bins.

    Parameters
    ----------
    recording : the unperturbed trials.
    perturbed : the perturbed trials.
    start_s, stop_s : time window, in seconds from the alignment of the trials.

    Returns
    -------
    The perturbed and unperturbed trials of all conditions that have both.

    Raises
    ------
    UserError : no condition has perturbed and unperturbed trials that cover the time window.
    """
    time = recording["time"].values
    window = time[(time > start_s) & (time < stop_s)]
    own_start_s, own_stop_s = (_of_perturbation(perturbed, f"baseline_{end}_s", np.nan) for end in ("start", "stop"))
    before = time[(time > own_start_s) & (time < own_stop_s)]
    r, condition, group = [], [], []
    for trials in (perturbed, recording):
        # Both count their bins from the same alignment, so that the times of a bin differ by rounding errors only.
        rates, own = (
            scaled_rates(trials).reindex(time=bins, method="nearest", tolerance=recording.attrs["dt_s"] / 4).values
            for bins in (window, before)
        )
        complete = np.isfinite(rates).all((1, 2)) & np.isfinite(own).all((1, 2)) & (len(window) > 0)
        r.append(rates[complete] - (own[complete].mean(1, keepdims=True) if len(before) else 0))
        condition.append(trials["condition"].values.astype(str)[complete])
        group.append(_groups(trials, perturbed)[complete])
    shared = np.intersect1d(*condition)
    if not len(shared):
        raise UserError.at(
            f"recording {recording.attrs['recording']}, perturbed",
            found=f"no condition with both perturbed and unperturbed trials that cover {start_s:g} to {stop_s:g} s",
            expected="perturbed and unperturbed trials in at least one condition",
            todo="choose trials and a time window of the experiment so that perturbed and unperturbed trials cover it, "
            "and in windows.conditions, remove the column that distinguishes perturbed from unperturbed trials",
        )
    kept = [np.isin(labels, shared) for labels in condition]
    on, off = (labels[keep] for labels, keep in zip(condition, kept, strict=True))
    off_weight = np.zeros(len(off))
    for name in shared:
        off_weight[off == name] = (on == name).mean() / (off == name).sum()
    return Measured(
        np.concatenate([rates[keep] for rates, keep in zip(r, kept, strict=True)]),
        np.concatenate([np.full(len(on), 1 / len(on)), -off_weight]),
        np.concatenate([on, off]),
        _joined_groups(*(labels[keep] for labels, keep in zip(group, kept, strict=True))),
    )


def measured_changes(
    recording: xr.Dataset, perturbed: xr.Dataset | None, experiments: Mapping[str, Inactivation]
) -> dict[str, Array]:
    """Measure the change of every scaled rate in perturbed trials, for experiments with the value ``measured``.

    Parameters
    ----------
    recording : the unperturbed trials.
    perturbed : the trials with a real perturbation, or None.
    experiments : name of the experiment -> its settings.

    Returns
    -------
    Name of an experiment -> (unit,) change; experiments to which no perturbed trial refers are left out.

    Raises
    ------
    UserError : no condition has perturbed and unperturbed trials that cover the time window of an experiment.
    """
    changes = dict[str, Array]()
    for name, experiment in experiments.items():
        asked = any(entry.value == "measured" for entry in (experiment, *experiment.parts))
        if not asked or perturbed is None or name not in perturbed["perturbation"].values:
            continue
        alike = perturbed.isel(trial=perturbed["perturbation"].values == name)
        conditions = experiment.conditions or np.unique(recording["condition"].values)
        off, on = (trials.isel(trial=np.isin(trials["condition"].values, conditions)) for trials in (recording, alike))
        start_s = -np.inf if experiment.start_s is None else experiment.start_s
        stop_s = np.inf if experiment.stop_s is None else experiment.stop_s
        # A window begins with its first bin and ends before the bin at its end.
        half_bin_s = recording.attrs["dt_s"] / 2
        changes[name] = measure(off, on, start_s - half_bin_s, stop_s - half_bin_s).effect
    return changes


def _groups(trials: xr.Dataset, perturbed: xr.Dataset) -> Array:
    """(trial,) animal or session of each trial; '' if the settings name no column with animals or sessions."""
    column = _of_perturbation(perturbed, "group_column", "")
    if not column:
        return np.full(trials.sizes["trial"], "")
    return trials["group" if "group_column" in trials.coords else column].values.astype(str)


def _of_perturbation(perturbed: xr.Dataset, name: str, absent: Any) -> Any:
    """Value of a coordinate that all trials of one perturbation share."""
    return perturbed[name].values[0] if name in perturbed.coords else absent


def _joined_groups(on: Array, off: Array) -> Array:
    """(trial,) groups of perturbed and unperturbed trials; every trial is its own group if there are no groups."""
    labels = np.concatenate([on, off])
    return labels if (labels != "").any() else np.arange(len(labels)).astype(str)
