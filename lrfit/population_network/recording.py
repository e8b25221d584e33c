"""What the population network sees: counts or fluorescence, time first, with masks and known sources."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
DTYPE = np.float32
"""Of arrays with a value for each unit, trial and bin, which take most of the time; everything smaller is double."""
BUMP_S = 0.2
"""Distance of the smooth bumps that average responses are made of."""
MOST_PATTERNS = 8
"""Groups of trials with covariances of their own."""


class Recording(NamedTuple):
    """Observed activity, time first.

    Attributes
    ----------
    activity : (time, trial, unit) 0 where missing.
    seen : (time, trial, unit) 1 where observed, else 0.
    inside : (time, trial) True up to the last observed bin of a trial.
    region : (unit,) index of every unit's region.
    sources : (time, trial, column) known inputs, bumps of average responses, and a constant.
    source_name : (column,) ``input:0``, ``input:1``, ..., ``evoked`` and ``bias``.
    condition : (trial,) index of every trial's condition.
    pattern : (trial,) trials of one pattern were observed in nearly the same bins and units.
    bin_s : length of a bin.
    highest : count a bin at which rates saturate.
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


def recording(
    activity: Array,
    region: Array,
    bin_s: float,
    inputs: Array | None = None,
    condition: Array | None = None,
    evoked: bool = True,
    highest_rate_hz: float = 100.0,
) -> Recording:
    """Arrays of an experiment as the population network sees them.

    Parameters
    ----------
    activity : (trial, time, unit) counts or fluorescence; NaN is missing, also past the end of a trial.
    region : (unit,) index of every unit's region, 0, 1, ...
    inputs : (trial, time, input) known inputs; NaN counts as 0.
    condition : (trial,) labels; trials of one condition share their average response.
    evoked : average responses of the conditions are sources of their own; needs ten trials a condition.
    highest_rate_hz : rate at which the exponential of a unit's log rate stops to grow.

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
    bumps = evoked_bumps(index, bins, bin_s) if evoked and np.bincount(index).min() >= 10 else known[..., :0]
    sources = np.concatenate([known, bumps, np.ones((trials, bins, 1))], 2)
    names = (*(f"input:{k}" for k in range(known.shape[2])), *("evoked",) * bumps.shape[2], "bias")
    after = np.cumsum(seen.any(2)[:, ::-1], 1)[:, ::-1] > 0
    return Recording(
        activity=time_first(np.where(seen, activity, 0.0).astype(DTYPE)),
        seen=time_first(seen.astype(DTYPE)),
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
    """(trial, time, condition x bump) raised cosines that tile the trial, those of a trial's own condition only."""
    width = max(BUMP_S / bin_s, 2.0)
    count = max(int(np.ceil((bins - 1) / width)) + 1, 2)
    phase = (np.arange(bins)[:, None] - np.linspace(0, bins - 1, count)) / ((bins - 1) / (count - 1))
    bump = np.where(np.abs(phase) < 1, 0.5 + 0.5 * np.cos(np.pi * phase), 0.0)
    own = np.eye(condition.max() + 1)[condition]
    return np.einsum("nc,tb->ntcb", own, bump).reshape(len(condition), bins, -1)


def subset(data: Recording, trials: Array) -> Recording:
    """The recording of some trials, by index."""
    return data._replace(
        activity=data.activity[:, trials],
        seen=data.seen[:, trials],
        inside=data.inside[:, trials],
        sources=data.sources[:, trials],
        condition=data.condition[trials],
        pattern=np.unique(data.pattern[trials], return_inverse=True)[1],
    )


def hide(data: Recording, units: Array) -> Recording:
    """The recording without some units, by index: they stay in their places, unobserved."""
    seen = data.seen.copy()
    seen[..., units] = 0
    return data._replace(seen=seen, activity=data.activity * seen)


def unfiltered(activity: Array, bin_s: float, decay_s: float) -> Array:
    """Spikes behind an indicator of known decay: what each bin adds to what is left of the bin before.

    y[k] - exp(-bin / decay) y[k - 1] is the count of bin k with twice the noise of y or less; the first bin of a trial
    and a bin after a missing one have none. Fit it with Gaussian units.

    Parameters
    ----------
    activity : (trial, time, unit) fluorescence, NaN where missing.
    """
    spikes = np.full_like(activity, np.nan)
    spikes[:, 1:] = activity[:, 1:] - np.exp(-bin_s / decay_s) * activity[:, :-1]
    return spikes


def windows(stretch: Array, bins: int) -> Array:
    """A long stretch (time, unit or input) cut into (trial, bins, ...) windows; NaN fills the last one."""
    count = -(-len(stretch) // bins)
    padded = np.full((count * bins, *stretch.shape[1:]), np.nan)
    padded[: len(stretch)] = stretch
    return padded.reshape(count, bins, *stretch.shape[1:])


def time_first(array: Array) -> Array:
    """(trial, time, ...) as (time, trial, ...)."""
    return np.ascontiguousarray(np.moveaxis(array, 0, 1))


def _patterns(seen: Array) -> Array:
    """(trial,) index of the group; where there are more than a few patterns, trials are grouped by observed bins."""
    flat = np.packbits(seen.reshape(len(seen), -1), axis=1)
    exact = np.unique(flat, axis=0, return_inverse=True)[1].ravel()
    if exact.max() < MOST_PATTERNS:
        return exact
    amount = seen.any(2).sum(1)
    edges = np.quantile(amount, np.linspace(0, 1, MOST_PATTERNS + 1)[1:-1])
    return np.unique(np.searchsorted(edges, amount, side="right"), return_inverse=True)[1].ravel()
