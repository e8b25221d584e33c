"""Training data as transitions (pairs) from one sample to the next; pairs never span a trial boundary or a gap.

States x and rates r = phi(x) are dimensionless; currents are in the units of x in tau dx/dt = -x + J r + B u + b.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from curbd.network.equation import Network, TimeConstant, rates_inside_step, total_current
from curbd.network.nonlinearity import TANH, Nonlinearity
from curbd.recording.circuit import Circuit

Array = np.ndarray


class TrainingData(NamedTuple):
    """The data of an estimator: arrays of trials, usually of the training trials only.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates in the range of phi, dimensionless, NaN where missing. Rates of an estimator
        that models measurement noise may exceed this range.
    u : (trial, time, input) recorded inputs, in the units in which they were recorded.
    region : (unit,) index of each unit's region, from 0.
    n_regions : number of regions.
    trial : (trial,) index of the recorded trial; a bootstrap resample contains some trials more than once.
    dt_s : sample step, s.
    substeps : Euler steps in a sample.
    tau_s : time constant, s, of all units or of each unit (unit,); None if the time constant is to be estimated.
    drive : (trial, time, unit) external current that is already known, in the (dimensionless) units of the state x, or
        None.
    circuit : constraints on the weights between the units, or None.
    nonlinearity : the function phi from states to rates.
    tau_group : (unit,) index, from 0, of the group of units that share a time constant, if those of the groups differ
        and are to be estimated; None for one time constant of all units.
    """

    r: Array
    u: Array
    region: Array
    n_regions: int
    trial: Array
    dt_s: float
    substeps: int
    tau_s: TimeConstant | None
    drive: Array | None = None
    circuit: Circuit | None = None
    nonlinearity: Nonlinearity = TANH
    tau_group: Array | None = None

    def of_trials(self, chosen: Array) -> TrainingData:
        """Select trials, by mask or by index; an index may occur more than once."""
        drive = None if self.drive is None else self.drive[chosen]
        return self._replace(r=self.r[chosen], u=self.u[chosen], trial=self.trial[chosen], drive=drive)


class Transitions(NamedTuple):
    """Transitions: pairs of consecutive samples.

    Attributes
    ----------
    x : (pair, unit) states at the first sample of the pair.
    x_next : (pair, unit) states at the second sample.
    r : (pair, unit) rates at the first sample.
    u : (pair, input) inputs at the first sample.
    fold : (pair,) index of the cross-validation fold.
    trial : (pair,) index of the trial.
    time : (pair,) index of the first sample in the trial.
    drive : (pair, unit) external current that is already known; 0 without a known external current.
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
    """Move every trial so that it starts with its first complete bin.

    A free run can only start from a complete bin, so missing bins at the start of a trial (for example a masked period)
    are left out. After the end of a moved trial, rates are NaN, and inputs and drive are 0.
    """
    complete = np.isfinite(data.r).all(2)
    time = complete.argmax(1)[:, None] + np.arange(data.r.shape[1])
    past = (time >= data.r.shape[1])[..., None]
    index = np.minimum(time, data.r.shape[1] - 1)[..., None]
    r, u = np.take_along_axis(data.r, index, axis=1), np.take_along_axis(data.u, index, axis=1)
    moved = data._replace(r=np.where(past, np.nan, r), u=np.where(past, 0.0, u))
    if data.drive is None:
        return moved
    return moved._replace(drive=np.where(past, 0.0, np.take_along_axis(data.drive, index, axis=1)))


def transitions(data: TrainingData, folds: int = 1) -> Transitions:
    """List all pairs of consecutive complete samples, with their cross-validation folds.

    If there are at least as many trials as folds, all pairs of a trial are in one fold; otherwise every trial is cut
    into contiguous blocks, one per fold. The copies of a trial in a bootstrap resample are in the same fold.

    Parameters
    ----------
    data : the trials.
    folds : number of folds.

    Returns
    -------
    The transitions, in the order of trials and time.
    """
    complete = np.isfinite(data.r).all(2) & np.isfinite(data.u).all(2)
    trial, time = np.nonzero(complete[:, :-1] & complete[:, 1:])
    originals, original_index = np.unique(data.trial, return_inverse=True)
    if len(originals) >= folds:
        fold = (original_index % folds)[trial]
    else:
        length = np.bincount(trial, minlength=len(complete))
        index_in_trial = np.arange(len(trial)) - (np.cumsum(length) - length)[trial]
        fold = index_in_trial * folds // length[trial]
    x = data.nonlinearity.inverse(data.r)
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
    """Build the regressors z = [r, u, 1]: rates of all units, inputs, and a constant for the bias.

    Parameters
    ----------
    pairs : transitions.
    network : a network that fills in the rates between samples if there are several Euler steps in a sample; r is then
        the mean rate over these steps (see `curbd.network.equation.rates_inside_step`). With None, r is the rate at the
        sample.

    Returns
    -------
    z : (pair, regressor).
    """
    r = pairs.r
    if network is not None and network.substeps > 1:
        r = rates_inside_step(network, pairs.x, pairs.u @ network.B.T + network.b + pairs.drive)
    return np.concatenate([r, pairs.u, np.ones((len(r), 1))], axis=1)


def targets(pairs: Transitions, D: Any) -> Array:
    """Compute the current y that carried each state to the next, without the known external current.

    y = (x_next - D x) / (1 - D) - drive.

    Parameters
    ----------
    pairs : transitions.
    D : share of a state that is left after one sample without input (see `curbd.network.equation.decay`), a number or
        one for each unit (unit,).

    Returns
    -------
    y : (pair, unit).
    """
    return total_current(pairs.x, pairs.x_next, D) - pairs.drive


def source_of_regressor(region: Array, n_inputs: int) -> Array:
    """Return the index (regressor,) of the source of each regressor [r, u, 1]: regions, then inputs, then the bias."""
    return np.concatenate([region, region.max() + 1 + np.arange(n_inputs + 1)])


def lag_one(error: Array, pairs: Transitions) -> Array:
    """Return the lag-1 autocorrelation of residuals; pairs never span a trial boundary or a gap.

    Parameters
    ----------
    error : (pair, unit) residuals, one row per transition.
    pairs : the transitions.

    Returns
    -------
    (unit,) autocorrelation; 0 for a unit whose residuals are all 0.
    """
    follows = (np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)
    before, after = error[:-1][follows], error[1:][follows]
    power = np.sqrt((before**2).sum(0) * (after**2).sum(0))
    return (before * after).sum(0) / np.where(power > 0, power, 1)


def as_network(W: Array, data: TrainingData, tau_s: TimeConstant) -> Network:
    """Construct the network with the weights of a regression.

    Parameters
    ----------
    W : (unit, regressor) weights [J, B, b].
    data : the training trials, for the number of units and inputs and the sample step.
    tau_s : time constant, s, of all units or of each unit (unit,).

    Returns
    -------
    The network.
    """
    n, k = data.r.shape[2], data.u.shape[2]
    unit_tau_s = tau_s if isinstance(tau_s, np.ndarray) else None
    return Network(
        J=W[:, :n],
        B=W[:, n : n + k],
        b=W[:, n + k],
        tau_s=float(tau_s) if unit_tau_s is None else float(np.exp(np.log(unit_tau_s).mean())),
        dt_s=data.dt_s,
        substeps=data.substeps,
        nonlinearity=data.nonlinearity,
        unit_tau_s=unit_tau_s,
    )
