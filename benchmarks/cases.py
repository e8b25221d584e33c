"""A teacher as somebody recorded it: which units, how noisy, through which indicator; and what really happened."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from curbd.regression.transitions import TrainingData
from curbd.teachers import CLIP, Teacher

Array = np.ndarray


class Observation(NamedTuple):
    """How the rates r in (-1, 1) of a teacher are seen; the default sees them as they are.

    Attributes
    ----------
    half : only the first half of every region's units is recorded.
    indicator_s : decay time of an exponential filter, as of a calcium indicator, or 0.
    peak_rate_hz : with a number, Poisson spikes of rate peak_rate_hz (1 + r) / 2 are counted in every sample, and the
        rates are read back from the counts.
    noise_sd : standard deviation of noise added to the rates.
    smoothing_s : standard deviation of a Gaussian that smooths what was observed, last of all.
    """

    half: bool = False
    indicator_s: float = 0.0
    peak_rate_hz: float | None = None
    noise_sd: float = 0.0
    smoothing_s: float = 0.0


class Case(NamedTuple):
    """A recording and the truth behind it.

    Attributes
    ----------
    teacher : all units and their true rates; the trials from ``n_train`` on are held out.
    recorded : (unit,) which of the teacher's units were recorded.
    rates : (trial, time, recorded unit) what an estimator may see.
    n_train : number of training trials.
    time_known : whether the time constant and the Euler steps are given to the estimator.
    indicator_s : decay time of the indicator, 0 without one.
    """

    teacher: Teacher
    recorded: Array
    rates: Array
    n_train: int
    time_known: bool = True
    indicator_s: float = 0.0

    @property
    def region(self) -> Array:
        """(recorded unit,) labels."""
        return self.teacher.region[self.recorded]


def record(teacher: Teacher, how: Observation, n_train: int, seed: int, time_known: bool = True) -> Case:
    """Observe a teacher; ``seed`` is that of the observation noise."""
    recorded = np.ones(len(teacher.region), dtype=bool)
    if how.half:
        for name in np.unique(teacher.region):
            units = np.flatnonzero(teacher.region == name)
            recorded[units[len(units) // 2 :]] = False
    rates = observed_rates(teacher.rates[..., recorded], teacher.network.dt_s, how, np.random.default_rng(seed))
    return Case(teacher, recorded, rates, n_train, time_known, how.indicator_s)


def observed_rates(rates: Array, dt_s: float, how: Observation, rng: np.random.Generator) -> Array:
    """Rates (trial, time, unit) as they are seen, inside (-1, 1) but for single spike counts."""
    seen = rates
    if how.indicator_s:
        keep = np.exp(-dt_s / how.indicator_s)
        # The filter starts in equilibrium with the first sample.
        seen, _ = lfilter([1 - keep], [1, -keep], seen, axis=1, zi=keep * seen[:, :1])
    if how.peak_rate_hz is not None:
        counts = rng.poisson(how.peak_rate_hz * (1 + seen) / 2 * dt_s)
        seen = 2 * counts / (how.peak_rate_hz * dt_s) - 1
    if how.noise_sd:
        seen = seen + how.noise_sd * rng.standard_normal(seen.shape)
    if how.smoothing_s:
        seen = gaussian_filter1d(seen, how.smoothing_s / dt_s, axis=1, mode="nearest")
    # A bin with one spike stands for a rate far above 1: cut off, the counts would have another mean.
    raw_counts = how.peak_rate_hz is not None and not how.smoothing_s
    return seen if raw_counts else np.clip(seen, -CLIP, CLIP)


def training_data(case: Case) -> TrainingData:
    """The training trials as estimators see them."""
    return _seen(case, case.n_train)


def all_data(case: Case) -> TrainingData:
    """All trials in the same form, those that are held out last."""
    return _seen(case, len(case.rates))


def _seen(case: Case, n: int) -> TrainingData:
    names, region = np.unique(case.region, return_inverse=True)
    network = case.teacher.network
    return TrainingData(
        case.rates[:n],
        case.teacher.inputs[:n],
        region,
        len(names),
        np.arange(n),
        network.dt_s,
        network.substeps if case.time_known else 1,
        network.tau_s if case.time_known else None,
    )
