"""Training data as transitions from one sample to the next, never across a trial or a gap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, decay, phi_inverse, rates_inside_step, total_current

Array = np.ndarray


class TrainingData(NamedTuple):
    """What an estimator may see: training trials only.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates in (-1, 1), NaN where missing.
    u : (trial, time, input) known inputs.
    region : (unit,) number of each unit's region.
    n_regions : how many regions there are.
    trial : (trial,) number of the recorded trial; a bootstrap resample holds some of them more than once.
    dt_s, substeps : sample step in seconds and Euler steps in it.
    tau_s : time constant in seconds, or None to estimate it.
    drive : (trial, time, unit) external current that is known already, or None.
    """

    r: Array
    u: Array
    region: Array
    n_regions: int
    trial: Array
    dt_s: float
    substeps: int
    tau_s: float | None
    drive: Array | None = None

    def of_trials(self, chosen: Array) -> TrainingData:
        """The same data with the chosen trials only, given by mask or by index; an index may come more than once."""
        drive = None if self.drive is None else self.drive[chosen]
        return self._replace(r=self.r[chosen], u=self.u[chosen], trial=self.trial[chosen], drive=drive)


class Transitions(NamedTuple):
    """Pairs of consecutive samples.

    Attributes
    ----------
    x, x_next : (pair, unit) states before and after.
    r : (pair, unit) rates before.
    u : (pair, input) inputs before.
    fold : (pair,) number of the cross-validation fold.
    trial, time : (pair,) where the pair comes from.
    drive : (pair, unit) external current that is known already; zeros where there is none.
    """

    x: Array
    x_next: Array
    r: Array
    u: Array
    fold: Array
    trial: Array
    time: Array
    drive: Array


def from_first_bin(data: TrainingData) -> TrainingData:
    """The same trials, each moved so that it starts with its first complete bin; NaN, and no input, after its end.

    Bins before it, as a masked period before the trial, cannot start a free run.
    """
    complete = np.isfinite(data.r).all(2)
    time = complete.argmax(1)[:, None] + np.arange(data.r.shape[1])
    past = (time >= data.r.shape[1])[..., None]
    place = np.minimum(time, data.r.shape[1] - 1)[..., None]
    r, u = np.take_along_axis(data.r, place, axis=1), np.take_along_axis(data.u, place, axis=1)
    moved = data._replace(r=np.where(past, np.nan, r), u=np.where(past, 0.0, u))
    if data.drive is None:
        return moved
    return moved._replace(drive=np.where(past, 0.0, np.take_along_axis(data.drive, place, axis=1)))


def transitions(data: TrainingData, folds: int = 1) -> Transitions:
    """All pairs of consecutive complete samples, with their folds.

    Whole trials share a fold where there are as many trials as folds, else every trial is cut into contiguous
    blocks; copies of a trial in a bootstrap resample share the fold of the original.
    """
    complete = np.isfinite(data.r).all(2) & np.isfinite(data.u).all(2)
    trial, time = np.nonzero(complete[:, :-1] & complete[:, 1:])
    originals, place = np.unique(data.trial, return_inverse=True)
    if len(originals) >= folds:
        fold = (place % folds)[trial]
    else:
        length = np.bincount(trial, minlength=len(complete))
        place_in_trial = np.arange(len(trial)) - (np.cumsum(length) - length)[trial]
        fold = place_in_trial * folds // length[trial]
    x = phi_inverse(data.r)
    return Transitions(
        x=x[trial, time],
        x_next=x[trial, time + 1],
        r=data.r[trial, time],
        u=data.u[trial, time],
        fold=fold,
        trial=trial,
        time=time,
        drive=np.zeros((len(trial), data.r.shape[2])) if data.drive is None else data.drive[trial, time],
    )


def regressors(pairs: Transitions, network: Network | None = None) -> Array:
    """z = [r, u, 1] (pair, regressor); with a network, r is its mean over the Euler steps inside the sample."""
    r = pairs.r
    if network is not None and network.substeps > 1:
        r = rates_inside_step(network, pairs.x, pairs.u @ network.B.T + network.b + pairs.drive)
    return np.concatenate([r, pairs.u, np.ones((len(r), 1))], axis=1)


def targets(pairs: Transitions, dt_s: float, tau_s: float, substeps: int) -> Array:
    """Current y = (x_next - D x) / (1 - D) - drive (pair, unit) that carried each state to the next."""
    return total_current(pairs.x, pairs.x_next, decay(dt_s, tau_s, substeps)) - pairs.drive


def source_of_regressor(region: Array, n_inputs: int) -> Array:
    """(regressor,) number of the source behind each of [r, u, 1]: the regions, then every input, then the bias."""
    return np.concatenate([region, region.max() + 1 + np.arange(n_inputs + 1)])


def lag_one(error: Array, pairs: Transitions) -> Array:
    """(unit,) autocorrelation of residuals (pair, unit) from one pair to the next, never across a trial or a gap."""
    follows = (np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)
    before, after = error[:-1][follows], error[1:][follows]
    power = np.sqrt((before**2).sum(0) * (after**2).sum(0))
    result: Array = (before * after).sum(0) / np.where(power > 0, power, 1)
    return result


def as_network(W: Array, data: TrainingData, tau_s: float) -> Network:
    """Network with the regression weights W (unit, regressor)."""
    n, k = data.r.shape[2], data.u.shape[2]
    return Network(W[:, :n], W[:, n : n + k], W[:, n + k], tau_s, data.dt_s, data.substeps)
