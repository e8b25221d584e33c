"""The total current y that carries each state to the next, and the part of y that a network does not predict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.adaptation import adaptation_current
from curbd.network.equation import Network, rates_inside_step, total_current

Array = np.ndarray


class Residual(NamedTuple):
    """Total current and its one-step prediction error.

    Both are in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.

    Attributes
    ----------
    y : (trial, time - 1, unit) total current, NaN where a bin is missing.
    error : (trial, time - 1, unit) total current minus the current that a network predicts.
    """

    y: Array
    error: Array


def one_step_residual(network: Network, r: Array, u: Array) -> Residual:
    """Compute the total current between consecutive bins and the part of this current that a network does not predict.

    Parameters
    ----------
    network : the network whose prediction is subtracted.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    The total current and the prediction error.
    """
    y = observed_currents(network, r)
    error = y - acting_rates(network, r, u) @ network.J.T - _from_outside(network, u)
    if network.adaptation is not None:
        error = error - adaptation_current(network.adaptation, r, network.dt_s)[:, :-1]
    return Residual(y, error)


def observed_currents(network: Network, r: Array, x: Array | None = None) -> Array:
    """Compute the total current between consecutive bins (trial, time - 1, unit) from rates, a few trials at a time.

    Parameters
    ----------
    network : the network whose time constant and Euler steps count.
    r : (trial, time, unit) scaled rates, NaN where missing.
    x : (trial, time, unit) states, if they are known better than by the rates; None for the states of the rates, NaN
        where a silent unit hides its state.
    """
    y = np.empty((len(r), r.shape[1] - 1, r.shape[2]))
    for trial, rates in enumerate(r):
        states = network.nonlinearity.known_states(rates) if x is None else x[trial]
        y[trial] = total_current(states[:-1], states[1:], network.decay)
    return y


def acting_rates(network: Network, r: Array, u: Array) -> Array:
    """Return the rates (trial, time - 1, unit) that act on the next bin: of the bin, or their mean over Euler steps.

    Parameters
    ----------
    network : the network that fills in the rates between bins if there are several Euler steps in a bin.
    r : (trial, time, unit) scaled rates in (-1, 1), NaN where missing.
    u : (trial, time, input) inputs.
    """
    if network.substeps == 1:
        return r[:, :-1]
    x, n_units = network.nonlinearity.inverse(r[:, :-1]), r.shape[2]
    constant = _from_outside(network, u)
    if network.adaptation is not None:
        constant = constant + adaptation_current(network.adaptation, r, network.dt_s)[:, :-1]
    return rates_inside_step(network, x.reshape(-1, n_units), constant.reshape(-1, n_units)).reshape(x.shape)


def error_of_units(network: Network, y: Array, acting: Array, u: Array, units: Array) -> Array:
    """Compute the prediction error (trial, time - 1, unit) of the total current of some units.

    Parameters
    ----------
    network : the network whose prediction is subtracted.
    y : (trial, time - 1, unit) total current of all units, without the current of their adaptation.
    acting : (trial, time - 1, unit) rates that act on the next bin, as `acting_rates` returns them.
    u : (trial, time, input) inputs.
    units : (unit,) bool or indices of the units.
    """
    of_units = network._replace(J=network.J[units], B=network.B[units], b=network.b[units])
    return y[..., units] - acting @ of_units.J.T - _from_outside(of_units, u)


def _from_outside(network: Network, u: Array) -> Array:
    """Current of inputs and bias (trial, time - 1, unit); a missing input counts as 0."""
    return np.asarray(np.nan_to_num(u[:, :-1]) @ network.B.T + network.b)


class LagSums(NamedTuple):
    """Sums of products of prediction errors in successive bins, for every unit.

    Attributes
    ----------
    product : (unit,) sum of the products of the errors of a bin and of the next bin.
    earlier, later : (unit,) sums of the squared errors of these bins.
    """

    product: Array
    earlier: Array
    later: Array

    @classmethod
    def of(cls, error: Array) -> LagSums:
        """Sum over successive bins of errors (trial, time, unit), NaN where missing."""
        earlier, later = error[:, :-1], error[:, 1:]
        both = np.isfinite(earlier) & np.isfinite(later)
        if not both.all():
            earlier, later = np.where(both, earlier, 0.0), np.where(both, later, 0.0)
        pairs = (earlier, later), (earlier, earlier), (later, later)
        return cls(*(np.einsum("ktu,ktu->u", *pair) for pair in pairs))

    def plus(self, more: LagSums) -> LagSums:
        """Add the sums over other trials."""
        return LagSums(*(first + second for first, second in zip(self, more, strict=True)))

    def autocorrelation(self) -> float:
        """Compute the autocorrelation, median over units; NaN without errors."""
        power = np.sqrt(self.earlier * self.later)
        seen = power > 0
        return float(np.median(self.product[seen] / power[seen])) if seen.any() else float("nan")


def residual_autocorrelation(residual: Residual) -> float:
    """Return the lag-1 autocorrelation of the prediction error within trials, median over units; NaN without errors."""
    return LagSums.of(residual.error).autocorrelation()
