"""A slow indicator, such as calcium, between rates and observations: c[t] = k c[t-1] + (1 - k) r[t], plus noise.

The indicator c follows the rates r of a unit; k is the share of the indicator that is left after one bin. In the first
bin of a trial, and in the first bin after missing bins, the indicator is in equilibrium, c = r. Written in c instead of
the states x, the part of the smoother's normal equations that involves one unit alone is a matrix with five diagonals;
the solution of this part is the preconditioner of the whole system.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

Array = np.ndarray
LEAST_TANH_SLOPE = 0.05
"""Slopes of tanh below this value (units near saturation) count as this value in the preconditioner."""


class Indicator(NamedTuple):
    """The part of the linearised problem (`curbd.states.smoother.Chain`) that passes through the indicator.

    Attributes
    ----------
    keep : (time, trial, 1) share k of the indicator that is left of the previous bin; 0 in the first bin of a trial and
        after missing bins.
    gain : (time, trial, unit) derivative of the rates r with respect to the states x.
    precision : (time, trial, unit) precision of the observations.
    own : (time, trial, unit) derivative of the state x[t] with respect to the indicator c[t].
    before : (time, trial, unit) derivative of the state x[t] with respect to the indicator c[t-1].
    pivot : (time, trial, unit) diagonal of the factorised matrix with five diagonals.
    lower : (time, trial, unit) first subdiagonal of the factor.
    lowest : (time, trial, unit) second subdiagonal of the factor.
    """

    keep: torch.Tensor
    gain: torch.Tensor
    precision: torch.Tensor
    own: torch.Tensor
    before: torch.Tensor
    pivot: torch.Tensor
    lower: torch.Tensor
    lowest: torch.Tensor


def kept(observed: torch.Tensor, keep: float) -> torch.Tensor:
    """Return the share of the indicator that is left of the previous bin; 0 if no previous bin was observed.

    Parameters
    ----------
    observed : (time, trial, 1) 1 where a bin was observed, else 0.
    keep : share k of the indicator that is left after one bin.

    Returns
    -------
    (time, trial, 1) share.
    """
    share = keep * observed
    share[1:] *= observed[:-1]
    share[0] = 0
    return share


def share_kept(bin_s: float, decay_s: float) -> float:
    """Return the share of an indicator that is left after one bin; 0 without an indicator (decay time 0)."""
    return float(np.exp(-bin_s / decay_s)) if decay_s else 0.0


def filtered(r: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Compute the indicator c (..., time, trial, unit) from rates r of equal shape and shares keep (time, trial, 1)."""
    out = (1 - keep) * r
    bins, share = out.unbind(-3), keep.unbind()
    for t in range(1, len(bins)):
        bins[t].add_(share[t] * bins[t - 1])
    return out


def filtered_back(e: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Apply the transpose of the linear map `filtered` to e (time, trial, unit), with shares keep (time, trial, 1)."""
    out = e.clone()
    bins, share = out.unbind(), keep.unbind()
    for t in range(len(bins) - 1, 0, -1):
        bins[t - 1].add_(share[t] * bins[t])
    return (1 - keep) * out


def unfiltered(c: Array, keep: float) -> Array:
    """Compute the rates behind an indicator without noise, the inverse of `filtered`.

    Parameters
    ----------
    c : (trial, time, unit) indicator, NaN where missing. The first bin after a missing bin is in equilibrium, r = c.
    keep : share k of the indicator that is left after one bin.

    Returns
    -------
    (trial, time, unit) rates, NaN where missing.
    """
    before = np.concatenate([c[:, :1], c[:, :-1]], axis=1)
    before = np.where(np.isfinite(before), before, c)
    return (c - keep * before) / (1 - keep)


def through_indicator(
    keep: torch.Tensor, gain: torch.Tensor, precision: torch.Tensor, diagonal: torch.Tensor, subdiagonal: torch.Tensor
) -> Indicator:
    """Add the observations made through a calcium indicator to the tridiagonal matrix of every unit, and factorise.

    Parameters
    ----------
    keep : (time, trial, 1) fraction of the previous bin's indicator signal that remains in a bin.
    gain : (time, trial, unit) derivative of the rates with respect to the states.
    precision : (time, trial, unit) precision of the observations.
    diagonal : (time, trial, unit) diagonal of the tridiagonal matrix for the states, without the observations.
    subdiagonal : (time - 1, trial, unit) subdiagonal of this matrix.

    Returns
    -------
    The part of the linearised problem that passes through the indicator, factorised.
    """
    own = 1 / (gain.clamp_min(LEAST_TANH_SLOPE).double() * (1 - keep))
    before = -keep * own
    d, e = diagonal.double(), subdiagonal.double()
    pivot = d * own**2 + precision
    pivot[:-1] += d[1:] * before[1:] ** 2 + 2 * e * own[:-1] * before[1:]
    lower, lowest = torch.zeros_like(own), torch.zeros_like(own)
    lower[:-1] = own[:-1] * e * own[1:] + before[1:] * d[1:] * own[1:]
    lower[:-2] += before[1:-1] * e[1:] * before[2:]
    lowest[:-2] = before[1:-1] * e[1:] * own[2:]
    for t in range(len(own)):
        if t > 0:
            lower[t] -= lowest[t - 1] * pivot[t - 1] * lower[t - 1]
            pivot[t] -= lower[t - 1] ** 2 * pivot[t - 1]
        if t > 1:
            pivot[t] -= lowest[t - 2] ** 2 * pivot[t - 2]
        lower[t] /= pivot[t]
        lowest[t] /= pivot[t]
    return Indicator(
        keep=keep,
        gain=gain,
        precision=precision,
        own=own,
        before=before,
        pivot=pivot,
        lower=lower,
        lowest=lowest,
    )


def curvature(indicator: Indicator, v: torch.Tensor) -> torch.Tensor:
    """Multiply v by the observations' part of the normal equations: gain filter' precision filter gain v."""
    through = indicator.precision * filtered(indicator.gain * v, indicator.keep)
    return indicator.gain * filtered_back(through, indicator.keep)


def scatter(indicator: Indicator, noise: torch.Tensor) -> torch.Tensor:
    """Turn standard normal noise (time, trial, unit) into a right-hand side whose covariance is `curvature`."""
    return indicator.gain * filtered_back(indicator.precision.sqrt() * noise, indicator.keep)


def precondition(indicator: Indicator, v: torch.Tensor) -> torch.Tensor:
    """Solve the equations of every unit alone, observations included, with all other units fixed."""
    out = indicator.own * v
    out[:-1] += indicator.before[1:] * v[1:]
    bins, lower, lowest = out.unbind(), indicator.lower.unbind(), indicator.lowest.unbind()
    for t in range(1, len(bins)):
        bins[t].sub_(lower[t - 1] * bins[t - 1])
        if t > 1:
            bins[t].sub_(lowest[t - 2] * bins[t - 2])
    out /= indicator.pivot
    for t in range(len(bins) - 2, -1, -1):
        bins[t].sub_(lower[t] * bins[t + 1])
        if t < len(bins) - 2:
            bins[t].sub_(lowest[t] * bins[t + 2])
    x = indicator.own * out
    x[1:] += indicator.before[1:] * out[:-1]
    return x.to(v.dtype)
