"""The current y that carries each state to the next, and the part of y that a network does not predict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, decay, phi_inverse, rates_inside_step, total_current

Array = np.ndarray


class Residual(NamedTuple):
    """One-step prediction of the total current.

    y, error : (trial, time - 1, unit) total current and what the network missed of it, NaN where a bin is missing.
    """

    y: Array
    error: Array


def one_step_residual(network: Network, r: Array, u: Array) -> Residual:
    """Total current between consecutive bins and the part that the network does not predict."""
    x = phi_inverse(r)
    y = total_current(x[:, :-1], x[:, 1:], decay(network.dt_s, network.tau_s, network.substeps))
    constant = np.nan_to_num(u[:, :-1]) @ network.B.T + network.b
    n = r.shape[2]
    z = rates_inside_step(network, x[:, :-1].reshape(-1, n), constant.reshape(-1, n)).reshape(y.shape)
    return Residual(y, y - z @ network.J.T - constant)


def residual_autocorrelation(residual: Residual) -> float:
    """Lag-1 autocorrelation of the one-step residual inside trials, median over units."""
    before, after = residual.error[:, :-1], residual.error[:, 1:]
    both = np.isfinite(before) & np.isfinite(after)
    if not both.any():
        return float("nan")
    product = np.where(both, before * after, 0.0).sum((0, 1))
    power = np.sqrt(np.where(both, before**2, 0.0).sum((0, 1)) * np.where(both, after**2, 0.0).sum((0, 1)))
    return float(np.median(product[power > 0] / power[power > 0])) if (power > 0).any() else float("nan")
