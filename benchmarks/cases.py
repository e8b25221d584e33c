"""Recordings of a teacher: which units are recorded, how noisy, and through which indicator; with the true currents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from curbd.regression.transitions import TrainingData
from curbd.teachers import CLIP, Teacher

Array = np.ndarray


class Observation(NamedTuple):
    """How the rates r in (-1, 1) of a teacher are observed; by default they are observed exactly.

    Attributes
    ----------
    recorded_share : share of the units of every region that is recorded, counted from the first unit.
    indicator_s : decay time, s, of an exponential filter, as of a calcium indicator; 0 for no filter.
    peak_rate_hz : None, or Poisson spikes of rate peak_rate_hz (1 + r) / 2 are counted in every sample, and the rates
        are estimated from the counts.
    noise_sd : standard deviation of the noise that is added to the rates.
    smoothing_s : standard deviation, s, of a Gaussian filter, which is applied after all other steps.
    """

    recorded_share: float = 1.0
    indicator_s: float = 0.0
    peak_rate_hz: float | None = None
    noise_sd: float = 0.0
    smoothing_s: float = 0.0


class Case(NamedTuple):
    """A recording and the network that made the recording.

    Attributes
    ----------
    teacher : all units and their true rates; the trials from ``n_train`` on are held out.
    recorded : (unit,) which of the teacher's units were recorded.
    rates : (trial, time, recorded unit) observed rates.
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
    """Observe a teacher.

    Parameters
    ----------
    teacher : network and rates.
    how : the observation.
    n_train : number of training trials; the trials after them are held out.
    seed : of the observation noise.
    time_known : whether the time constant and the Euler steps are given to an estimator.
    """
    recorded = np.ones(len(teacher.region), dtype=bool)
    for name in np.unique(teacher.region):
        units = np.flatnonzero(teacher.region == name)
        recorded[units[int(how.recorded_share * len(units)) :]] = False
    rates = observed_rates(teacher.rates[..., recorded], teacher.network.dt_s, how, np.random.default_rng(seed))
    return Case(
        teacher=teacher,
        recorded=recorded,
        rates=rates,
        n_train=n_train,
        time_known=time_known,
        indicator_s=how.indicator_s,
    )


def observed_rates(rates: Array, dt_s: float, how: Observation, rng: np.random.Generator) -> Array:
    """Observed rates (trial, time, unit), inside (-1, 1) except for spike counts that are not smoothed.

    Parameters
    ----------
    rates : (trial, time, unit) true rates.
    dt_s : sample step, s.
    how : the observation.
    rng : random numbers of the noise and the spikes.
    """
    observed = rates
    if how.indicator_s:
        keep = np.exp(-dt_s / how.indicator_s)
        # The filter starts in equilibrium with the first sample.
        observed, _ = lfilter([1 - keep], [1, -keep], observed, axis=1, zi=keep * observed[:, :1])
    if how.peak_rate_hz is not None:
        counts = rng.poisson(how.peak_rate_hz * (1 + observed) / 2 * dt_s)
        observed = 2 * counts / (how.peak_rate_hz * dt_s) - 1
    if how.noise_sd:
        observed = observed + how.noise_sd * rng.standard_normal(observed.shape)
    if how.smoothing_s:
        observed = gaussian_filter1d(observed, how.smoothing_s / dt_s, axis=1, mode="nearest")
    # One spike in a bin is a rate far above 1; clipping the counts would change their mean.
    raw_counts = how.peak_rate_hz is not None and not how.smoothing_s
    return observed if raw_counts else np.clip(observed, -CLIP, CLIP)


def training_data(case: Case) -> TrainingData:
    """The training trials of a recording as the data of an estimator."""
    return _trials(case, case.n_train)


def all_data(case: Case) -> TrainingData:
    """All trials of a recording as the data of an estimator, held-out trials last."""
    return _trials(case, len(case.rates))


def _trials(case: Case, n: int) -> TrainingData:
    names, region = np.unique(case.region, return_inverse=True)
    network = case.teacher.network
    return TrainingData(
        r=case.rates[:n],
        u=case.teacher.inputs[:n],
        region=region,
        n_regions=len(names),
        trial=np.arange(n),
        dt_s=network.dt_s,
        substeps=network.substeps if case.time_known else 1,
        tau_s=network.tau_s if case.time_known else None,
    )
