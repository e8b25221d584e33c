"""A slow indicator between rates and what is seen, as calcium is: c[t] = k c[t-1] + (1 - k) r[t], seen with noise.

The rates of a trial (and of a stretch after missing bins) start in equilibrium, c[0] = r[0]. Written in c instead of x,
a unit's own part of the normal equations of the smoother is a matrix of five diagonals, which preconditions the rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

Array = np.ndarray
LEAST_GAIN = 0.05
"""The preconditioner takes no unit to be nearer to saturation than this slope of tanh."""


class Indicator(NamedTuple):
    """The part of a chain that passes through the indicator.

    Attributes
    ----------
    keep : (time, trial, 1) share k of the bin before, 0 where a stretch starts.
    gain : (time, trial, unit) slope of the rates by the state.
    precision : (time, trial, unit) of what is seen.
    own, before : (time, trial, unit) dx[t] = own dc[t] + before dc[t-1].
    pivot, lower, lowest : (time, trial, unit) factors of the five diagonals.
    """

    keep: torch.Tensor
    gain: torch.Tensor
    precision: torch.Tensor
    own: torch.Tensor
    before: torch.Tensor
    pivot: torch.Tensor
    lower: torch.Tensor
    lowest: torch.Tensor


def kept(known: torch.Tensor, keep: float) -> torch.Tensor:
    """(time, trial, 1) the share k in every bin, 0 where the bin before is missing or there is none."""
    share = keep * known
    share[1:] *= known[:-1]
    share[0] = 0
    return share


def filtered(r: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """c (..., time, trial, unit) of the rates r."""
    out = (1 - keep) * r
    bins, share = out.unbind(-3), keep.unbind()
    for t in range(1, len(bins)):
        bins[t].add_(share[t] * bins[t - 1])
    return out


def filtered_back(e: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """The transpose of `filtered`, for e (time, trial, unit)."""
    out = e.clone()
    bins, share = out.unbind(), keep.unbind()
    for t in range(len(bins) - 1, 0, -1):
        bins[t - 1].add_(share[t] * bins[t])
    return (1 - keep) * out


def unfiltered(c: Array, keep: float) -> Array:
    """The rates (trial, time, unit) behind c without noise; NaN stays NaN, and a stretch after it starts anew."""
    before = np.concatenate([c[:, :1], c[:, :-1]], axis=1)
    before = np.where(np.isfinite(before), before, c)
    return (c - keep * before) / (1 - keep)


def through_indicator(
    keep: torch.Tensor, gain: torch.Tensor, precision: torch.Tensor, diagonal: torch.Tensor, beside: torch.Tensor
) -> Indicator:
    """What is seen through the indicator, added to a unit's own chain.

    Parameters
    ----------
    keep, gain, precision : see `Indicator`.
    diagonal, beside : (time, trial, unit) and (time - 1, trial, unit) the chain in x without what is seen.
    """
    own = 1 / (gain.clamp_min(LEAST_GAIN).double() * (1 - keep))
    before = -keep * own
    d, e = diagonal.double(), beside.double()
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
    return Indicator(keep, gain, precision, own, before, pivot, lower, lowest)


def curvature(indicator: Indicator, v: torch.Tensor) -> torch.Tensor:
    """What is seen in the normal equations: gain filter' precision filter gain v."""
    through = indicator.precision * filtered(indicator.gain * v, indicator.keep)
    return indicator.gain * filtered_back(through, indicator.keep)


def scatter(indicator: Indicator, noise: torch.Tensor) -> torch.Tensor:
    """A random right-hand side whose variance is `curvature`, from standard normal numbers."""
    return indicator.gain * filtered_back(indicator.precision.sqrt() * noise, indicator.keep)


def precondition(indicator: Indicator, v: torch.Tensor) -> torch.Tensor:
    """Solution of every unit's own chain, what is seen included, all others held."""
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
