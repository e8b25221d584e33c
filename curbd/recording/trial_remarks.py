"""Remarks on trials with few bins, on smoothing that is long for the trials, and on conditions with few trials."""

from __future__ import annotations

import numpy as np

from curbd.recording.activity import Activity

MAX_SMOOTHING_OF_TRIAL = 0.25
"""Smoothing by more than this part of a trial gets a remark."""
MIN_BINS_PER_TRIAL = 4
"""Trials with fewer bins get a remark, because they hold hardly any pairs of successive bins to fit."""
MIN_TRIALS_PER_CONDITION = 2
"""If most conditions have fewer trials, they get a remark: their column probably holds a different number in each
trial."""


def remark_on_bins(n_bins: float, dt_s: float) -> str:
    """Return a sentence if trials have too few bins, and '' if they have enough.

    Parameters
    ----------
    n_bins : median number of bins of a trial.
    dt_s : bin width in seconds.

    Returns
    -------
    The sentence, or ''.
    """
    if n_bins >= MIN_BINS_PER_TRIAL:
        return ""
    return (
        f"a trial has only {n_bins:g} bin{'s' * (n_bins > 1)} of {dt_s:g} s; narrower bins (bin_width_s) or longer "
        "windows give the fit more to predict."
    )


def remark_on_smoothing(activity: Activity, trial_s: float) -> str:
    """Return a sentence if smoothing leaves next to nothing of a trial, and '' if it does not.

    Parameters
    ----------
    activity : the binned activity.
    trial_s : median length of a trial, in seconds.

    Returns
    -------
    The sentence, or ''.
    """
    if activity.smoothing_s <= MAX_SMOOTHING_OF_TRIAL * trial_s:
        return ""
    return (
        f"smoothing_s of {activity.smoothing_s:g} s is long for trials of {trial_s:.3g} s: little of their time course"
        " is left."
    )


def remark_on_conditions(condition: np.ndarray, columns: list[str]) -> str:
    """Return a sentence if most conditions have too few trials, and '' if they have enough.

    Parameters
    ----------
    condition : (trial,) conditions.
    columns : the trial columns of `windows.conditions`.

    Returns
    -------
    The sentence, or ''.
    """
    counts = np.unique(condition, return_counts=True)[1]
    few = int((counts < MIN_TRIALS_PER_CONDITION).sum())
    if not columns or 2 * few <= len(counts) or len(counts) < 3:
        return ""
    return (
        f"{few} of {len(counts)} conditions ({', '.join(columns)}) have a single trial: windows.conditions is meant "
        "for columns with few values, not for times or other measurements."
    )
