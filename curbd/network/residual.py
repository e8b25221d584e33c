"""The total current y that carries each state to the next, and the part of y that a network does not predict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, decay, phi_inverse, rates_inside_step, total_current

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
    r : (trial, time, unit) scaled rates in (-1, 1), NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    The total current and the prediction error.
    """
    x = phi_inverse(r)
    y = total_current(x[:, :-1], x[:, 1:], decay(network.dt_s, network.tau_s, network.substeps))
    constant = np.nan_to_num(u[:, :-1]) @ network.B.T + network.b
    n_units = r.shape[2]
    if network.substeps == 1:
        z = r[:, :-1]
    else:
        z = rates_inside_step(network, x[:, :-1].reshape(-1, n_units), constant.reshape(-1, n_units)).reshape(y.shape)
    return Residual(y, y - z @ network.J.T - constant)


def residual_autocorrelation(residual: Residual) -> float:
    """Return the lag-1 autocorrelation of the prediction error within trials, median over units; NaN without errors."""
    earlier, later = residual.error[:, :-1], residual.error[:, 1:]
    both = np.isfinite(earlier) & np.isfinite(later)
    if not both.any():
        return float("nan")
    product = np.where(both, earlier * later, 0.0).sum((0, 1))
    power = np.sqrt(np.where(both, earlier**2, 0.0).sum((0, 1)) * np.where(both, later**2, 0.0).sum((0, 1)))
    return float(np.median(product[power > 0] / power[power > 0])) if (power > 0).any() else float("nan")
