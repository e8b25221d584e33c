"""Rates behind noisy ones, in training and other trials alike: a trial's own data and a network that stays as it is."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from curbd.network.equation import Network, phi_inverse, tensor
from curbd.network.fit import Fit, Noise, States
from curbd.regression.transitions import TrainingData
from curbd.states.indicator import filtered, kept, unfiltered
from curbd.states.smoother import Seen, draw, improve, linearise, relative_variance, seen, time_first

Array = np.ndarray
WIDTHS = 0.5 * 2.0 ** np.arange(6)
"""Standard deviations, in samples, of the Gaussians that are tried for the start."""
INSIDE = 0.999
"""Smoothed rates start this far inside (-1, 1)."""
PEAK = 0.95
"""Quantile of the rates behind an indicator that is to lie inside (-1, 1)."""
LEAST_RATE = 0.02
"""Spike counts: the variance of a silent bin, as a share of the unit's mean variance."""
SMALLEST = 1e-7
"""Smallest variances: below, the rounding of the paths shows."""
LOOSE = 0.01
"""Added to the variance of the first states, so that a single trial's start is free to move."""
SETTLED = 8
"""Gauss-Newton steps from smoothed rates to the mean paths."""
DRAWS = 4
"""Pairs of draws behind the mean rates and their covariance."""


def infer_states(fit: Fit, data: TrainingData, train: Array, rng: np.random.Generator) -> Fit:
    """The fit with the rates that it infers behind those of all trials; without measurement noise, the fit itself.

    Every trial is inferred from its own data, later bins included, by the network and the noises as they were fitted
    to the training trials: nothing is fitted again, so that held-out trials stay held out.

    Parameters
    ----------
    data : r (trial, time, unit) observed rates, NaN where missing.
    train : (trial,) the training trials; they alone say how uncertain the rates of a bin are.
    rng : of the draws.
    """
    if fit.noise is None:
        return fit
    random = torch.Generator().manual_seed(int(rng.integers(2**63)))
    found = _states(fit.network, fit.noise, data.of_trials(train), random)
    rates, drawn = np.full(data.r.shape, np.nan), np.full(data.r.shape, np.nan)
    rates[train], drawn[train] = found.rates, found.drawn
    if not train.all():
        other = _states(fit.network, fit.noise, data.of_trials(~train), random)
        rates[~train], drawn[~train] = other.rates, other.drawn
    return fit._replace(states=States(rates, drawn, found.covariance))


def _states(network: Network, noise: Noise, data: TrainingData, random: torch.Generator) -> States:
    """Mean, a draw and the covariance of the rates of all trials in the data."""
    divisor = noise.amplitude.cpu().numpy().astype(float)
    observed = seen(data.r, data.u, divisor)
    x = started(data.r / divisor, noise.keep)
    images: tuple[torch.Tensor, ...] = (x,)
    for _ in range(SETTLED):
        chain = linearise(images, observed, network, noise)
        x, away = improve(x, chain), draw(chain, random)
        images = x + away, x - away
    mean, covariance = torch.zeros_like(x), torch.zeros(x.shape[2], x.shape[2], dtype=x.dtype, device=x.device)
    chain = linearise(images, observed, network, noise)
    for _ in range(DRAWS):
        away = draw(chain, random)
        one, other = torch.tanh(x + away), torch.tanh(x - away)
        mean += (one + other) / (2 * DRAWS)
        half = (observed.known * (one - other) / 2).flatten(0, 1)
        covariance += half.mT @ half / (DRAWS * observed.known.sum().clamp_min(1))
    known = np.moveaxis(observed.known.cpu().numpy() > 0, 0, 1)
    rates, drawn = (
        np.where(known, np.moveaxis(part.cpu().numpy(), 0, 1), np.nan).astype(float) for part in (mean, one)
    )
    return States(rates, drawn, covariance.cpu().numpy().astype(float))


def started(r: Array, keep: float = 0.0) -> torch.Tensor:
    """States (time, trial, unit) of the smoothed rates behind the observed r (trial, time, unit), 0 where missing."""
    return time_first(np.nan_to_num(phi_inverse(start_rates(r, keep))))


def start_rates(r: Array, keep: float = 0.0) -> Array:
    """Smoothed rates (trial, time, unit) inside (-1, 1), taken back through an indicator that keeps this share."""
    return np.clip(smoothed(unfiltered(r, keep) if keep else r), -INSIDE, INSIDE)


def amplitude(c: Array, keep: float) -> Array:
    """(unit,) by what c (trial, time, unit) is to be divided for the rates behind an indicator to fit into (-1, 1).

    An indicator makes fast rates look small. 1 where the smoothed rates behind it stay inside, but for the largest ones
    in 20.
    """
    peak = np.nanquantile(np.abs(smoothed(unfiltered(c, keep))), PEAK, axis=(0, 1))
    return np.maximum(peak, 1.0)


def smoothed(r: Array) -> Array:
    """Rates (trial, time, unit) smoothed by the Gaussian that best predicts every sample from the others.

    One width for all units: the smallest leave-one-out error as a share of the units' variances. NaN stays NaN.
    """
    known = np.isfinite(r)
    power = np.nanvar(r, axis=(0, 1)) + 1e-12
    impulse = np.zeros(int(10 * WIDTHS[-1]) + 1)
    impulse[len(impulse) // 2] = 1
    best, least = r, np.inf
    for width in WIDTHS:
        total = gaussian_filter1d(np.where(known, r, 0.0), width, axis=1, mode="constant")
        share = gaussian_filter1d(known.astype(float), width, axis=1, mode="constant")
        smooth = total / np.where(known, share, np.nan)
        own = gaussian_filter1d(impulse, width).max() / np.where(known, share, np.nan)
        # A sample without neighbours predicts itself: it tells nothing about the width.
        missed = np.where(own < 0.999, (r - smooth) / (1 - np.minimum(own, 0.999)), np.nan)
        error = float((np.nanmean(missed**2, axis=(0, 1)) / power).mean())
        if error < least:
            best, least = smooth, error
    return best


def noise_of(kind: str, x: torch.Tensor, r: Array, divisor: Array, keep: float) -> Noise:
    """Noise of a kind for the paths x (time, trial, unit); all variances 1.

    Parameters
    ----------
    r : (trial, time, unit) what is observed, over the divisor (unit,).
    keep : share of a slow indicator that is left after one bin, or 0.
    """
    unit = torch.ones(x.shape[2], dtype=x.dtype, device=x.device)
    silent, least = None, 0 * unit
    if kind == "counts":
        lowest = np.nanmin(r, axis=(0, 1))
        silent = tensor(lowest).to(x.dtype)
        least = tensor(LEAST_RATE * (np.nanmean(r, axis=(0, 1)) - lowest)).to(x.dtype).clamp_min(SMALLEST)
    return Noise(unit, unit, silent, least, 0 * unit, unit, tensor(divisor).to(x.dtype), keep)


def fitted_noise(paths: torch.Tensor, observed: Seen, process: torch.Tensor, kind: Noise) -> Noise:
    """Variances of the measurement noise and of the first states over paths (draw, time, trial, unit)."""
    r = torch.tanh(paths)
    shown = filtered(r, kept(observed.known, kind.keep)) if kind.keep else r
    missed = (observed.known * (observed.r - shown) ** 2).sum((0, 1, 2))
    # The ratio of sums, not the mean of ratios: a spike where the rate is next to 0 must not count for everything.
    expected = (observed.known * relative_variance(kind, r)).sum((0, 1, 2))
    return kind._replace(
        process=process.to(paths.dtype).clamp_min(SMALLEST),
        measurement=(missed / expected).clamp_min(SMALLEST),
        start_mean=paths[:, 0].mean((0, 1)),
        start_variance=paths[:, 0].var((0, 1), correction=0) + LOOSE,
    )
