"""Sentences on what only the values of the activity tell: equal trials or units, silent regions, holes."""

from __future__ import annotations

import numpy as np

from curbd.recording.activity import Activity

Array = np.ndarray
MIN_SPIKES_OF_TRIAL = 20
"""A region with this number of spikes in its median trial is not silent in a whole trial by chance."""


def repeated_trials(activity: Activity) -> list[str]:
    """Return a sentence on trials without times of their own that repeat an earlier trial exactly."""
    n_trials = len(activity.trials)
    if activity.trials.clocked:
        return []
    n_repeats = n_trials - len({hash(trial.tobytes()) for trial in activity.rates})
    if not n_repeats:
        return []
    return [
        f"{n_repeats} of {n_trials} trials repeat an earlier trial exactly: held-out trials may be copies of training"
        " trials."
    ]


def silent_regions(activity: Activity, region: Array) -> list[str]:
    """Return a sentence on each region that is silent in whole trials.

    Parameters
    ----------
    activity : activity of the kept units; only spikes are looked at.
    region : (kept unit,) regions.
    """
    trials, rate_hz = activity.trials, activity.mean_rate_hz
    seconds = trials.inside.sum(axis=1) * trials.dt_s
    notes = []
    for name in np.unique(region):
        of_region = rate_hz[:, region == name]
        observed = np.isfinite(of_region).any(axis=1)
        spikes = np.nansum(of_region, axis=1) * seconds
        silent = observed & (spikes == 0)
        if silent.any() and (spikes > 0).any() and np.median(spikes[spikes > 0]) >= MIN_SPIKES_OF_TRIAL:
            first_s, last_s = trials.start_s[silent].min(), trials.stop_s[silent].max()
            notes.append(
                f"{name}: no unit has a spike in {int(silent.sum())} of {int(observed.sum())} trials or blocks"
                f" ({first_s:.6g} to {last_s:.6g} s), which is no chance. If the region was not recorded there, leave"
                " these trials out (windows.select) or write obs_intervals."
            )
    return notes


def equal_units(activity: Activity) -> list[str]:
    """Return a sentence on kept units whose activity is exactly that of another unit."""
    n_units = activity.rates.shape[2]
    n_twins = n_units - len({hash(activity.rates[:, :, unit].tobytes()) for unit in range(n_units)})
    if not n_twins:
        return []
    return [
        f"{n_twins} of {n_units} kept units have exactly the activity of another unit: their weights cannot be told"
        " apart. Leave out one of each pair (units.select)."
    ]


def holes_of_units(activity: Activity) -> list[str]:
    """Return a sentence on bins that are lost because single kept units have no value in them."""
    finite = np.isfinite(activity.rates)
    holes = finite.any(axis=2)[:, :, None] & ~finite
    if not holes.any():
        return []
    n_units, n_bins = int(holes.any(axis=(0, 1)).sum()), int(holes.any(axis=2).sum())
    return [
        f"{n_units} of {finite.shape[2]} kept units have no value in some bins in which others have one; these {n_bins}"
        " bins are missing for all units (units.max_missing)."
    ]
