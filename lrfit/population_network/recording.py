"""Recordings as the population network reads them: arrays with the time first, masks and known sources."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
ACTIVITY_DTYPE = np.float32
"""Precision of arrays (time, trial, unit), which take most of the time; smaller arrays have double precision."""
HELD_OUT_FOLD = 5
"""One in this number of trials is held out; in co-smoothing, one in this number of units of each region is hidden."""
BUMP_DISTANCE_S = 0.2
"""Distance between neighbouring bumps of the average responses, in seconds."""
MAX_PATTERNS = 8
"""Largest number of patterns of observation, each of which has its own covariances of the latents."""
MIN_TRIALS_PER_AVERAGE = 10
"""Average responses are sources if every condition has at least this number of trials."""


class Recording(NamedTuple):
    """Observed activity, with the time first.

    Attributes
    ----------
    activity : (time, trial, unit) counts per bin or values of Gaussian units; 0 where missing.
    seen : (time, trial, unit) 1 where observed, 0 where missing.
    inside : (time, trial) True up to the last observed bin of a trial.
    region : (unit,) index of the region of every unit.
    sources : (time, trial, column) known inputs, smooth bumps for average responses, and a constant.
    source_name : (column,) ``input:0``, ``input:1``, ..., ``evoked`` and ``bias``.
    condition : (trial,) index of the condition of every trial.
    pattern : (trial,) index of the pattern of observation; trials of one pattern were observed in nearly the same bins
        and units.
    bin_s : bin width in seconds.
    highest : count per bin at which rates saturate.
    past : (window, time, trial, unit) past counts of every unit, which a network with a spike history reads (see
        `lrfit.population_network.history`); None for networks without a history.
    indicator_s : decay time of a calcium indicator in seconds, 0 for activity without an indicator; None for spikes.
    per_count : (unit,) fluorescence of a unit with one count in every bin; None for spikes.
    """

    activity: Array
    seen: Array
    inside: Array
    region: Array
    sources: Array
    source_name: tuple[str, ...]
    condition: Array
    pattern: Array
    bin_s: float
    highest: float
    past: Array | None = None
    indicator_s: float | None = None
    per_count: Array | None = None


def from_arrays(
    activity: Array,
    region: Array,
    bin_s: float,
    inputs: Array | None = None,
    condition: Array | None = None,
    evoked: bool = True,
    highest_rate_hz: float = 100.0,
) -> Recording:
    """Construct a recording from the arrays of an experiment.

    Parameters
    ----------
    activity : (trial, time, unit) counts; NaN is missing, also past the end of a trial.
    region : (unit,) index of the region of every unit, from 0.
    bin_s : bin width in seconds.
    inputs : (trial, time, input) known inputs; NaN counts as 0.
    condition : (trial,) label of the condition; trials of one condition share their average response.
    evoked : whether the average responses of the conditions are sources; this needs ten trials per condition.
    highest_rate_hz : rate in Hz at which the exponential of the log rate of a unit saturates.

    Raises
    ------
    ValueError : the arrays do not agree in shape, or nothing was observed.
    """
    activity = np.asarray(activity, float)
    trials, bins, units = activity.shape
    if len(region) != units:
        raise ValueError(f"region: found {len(region)} labels, expected one for each of {units} units")
    known = np.zeros((trials, bins, 0)) if inputs is None else np.nan_to_num(np.asarray(inputs, float))
    if known.shape[:2] != (trials, bins):
        raise ValueError(f"inputs: found shape {known.shape}, expected ({trials}, {bins}, inputs)")
    seen = np.isfinite(activity)
    if not seen.any():
        raise ValueError("activity: found no finite value, expected at least one observed bin")
    index = np.zeros(trials, int) if condition is None else np.unique(condition, return_inverse=True)[1]
    averaged = evoked and np.bincount(index).min() >= MIN_TRIALS_PER_AVERAGE
    bumps = evoked_bumps(index, bins, bin_s) if averaged else known[..., :0]
    sources = np.concatenate([known, bumps, np.ones((trials, bins, 1))], 2)
    names = (*(f"input:{k}" for k in range(known.shape[2])), *("evoked",) * bumps.shape[2], "bias")
    after = np.cumsum(seen.any(2)[:, ::-1], 1)[:, ::-1] > 0
    return Recording(
        activity=time_first(np.where(seen, activity, 0.0).astype(ACTIVITY_DTYPE)),
        seen=time_first(seen.astype(ACTIVITY_DTYPE)),
        inside=after.T.copy(),
        region=np.asarray(region),
        sources=time_first(sources),
        source_name=names,
        condition=index,
        pattern=_patterns(seen),
        bin_s=bin_s,
        highest=highest_rate_hz * bin_s,
    )


def evoked_bumps(condition: Array, bins: int, bin_s: float) -> Array:
    """Construct raised cosines that tile the trial, for the average response of each condition.

    Parameters
    ----------
    condition : (trial,) index of the condition.
    bins : number of bins of a trial.
    bin_s : bin width in seconds.

    Returns
    -------
    (trial, time, condition x bump) bumps; the bumps of all other conditions are 0 in a trial.
    """
    width = max(BUMP_DISTANCE_S / bin_s, 2.0)
    count = max(int(np.ceil((bins - 1) / width)) + 1, 2)
    phase = (np.arange(bins)[:, None] - np.linspace(0, bins - 1, count)) / ((bins - 1) / (count - 1))
    bump = np.where(np.abs(phase) < 1, 0.5 + 0.5 * np.cos(np.pi * phase), 0.0)
    own = np.eye(condition.max() + 1)[condition]
    return np.einsum("nc,tb->ntcb", own, bump).reshape(len(condition), bins, -1)


def subset(data: Recording, trials: Array) -> Recording:
    """Select trials of a recording by their indices."""
    return data._replace(
        activity=data.activity[:, trials],
        seen=data.seen[:, trials],
        inside=data.inside[:, trials],
        sources=data.sources[:, trials],
        past=None if data.past is None else data.past[:, :, trials],
        condition=data.condition[trials],
        pattern=np.unique(data.pattern[trials], return_inverse=True)[1],
    )


def split(data: Recording, test: Array | None = None) -> tuple[Recording, Recording]:
    """Split a recording into trials to fit and held-out trials.

    Parameters
    ----------
    data : the recording.
    test : (trial,) True for the trials to hold out; None for every fifth trial of each condition.

    Returns
    -------
    The recording of the trials to fit, and the recording of the held-out trials.
    """
    if test is not None:
        return subset(data, np.flatnonzero(~test)), subset(data, np.flatnonzero(test))
    rank = np.zeros(len(data.condition), int)
    for condition in range(data.condition.max() + 1):
        chosen = data.condition == condition
        rank[chosen] = np.arange(chosen.sum())
    out = rank % HELD_OUT_FOLD == HELD_OUT_FOLD - 1
    return subset(data, np.flatnonzero(~out)), subset(data, np.flatnonzero(out))


def hide(data: Recording, units: Array) -> Recording:
    """Mark units, given by their indices, as unobserved."""
    seen = data.seen.copy()
    seen[..., units] = 0
    return data._replace(seen=seen, activity=data.activity * seen)


def windows(stretch: Array, bins: int) -> Array:
    """Cut a long stretch (time, unit or input) into windows (trial, bins, ...); NaN fills the last window.

    Parameters
    ----------
    stretch : (time, unit or input) activity or inputs.
    bins : number of bins of a window.
    """
    count = -(-len(stretch) // bins)
    padded = np.full((count * bins, *stretch.shape[1:]), np.nan)
    padded[: len(stretch)] = stretch
    return padded.reshape(count, bins, *stretch.shape[1:])


def time_first(array: Array) -> Array:
    """Swap the axes of an array (trial, time, ...) to (time, trial, ...)."""
    return np.ascontiguousarray(np.moveaxis(array, 0, 1))


def _patterns(seen: Array) -> Array:
    """Group trials by their pattern of observation, or by their number of observed bins if there are many patterns."""
    flat = np.packbits(seen.reshape(len(seen), -1), axis=1)
    exact = np.unique(flat, axis=0, return_inverse=True)[1].ravel()
    if exact.max() < MAX_PATTERNS:
        return exact
    amount = seen.any(2).sum(1)
    edges = np.quantile(amount, np.linspace(0, 1, MAX_PATTERNS + 1)[1:-1])
    return np.unique(np.searchsorted(edges, amount, side="right"), return_inverse=True)[1].ravel()
