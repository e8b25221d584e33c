"""Inference of the rates behind noisy observations, in every trial from the data of the trial, by a fitted network."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from curbd.network.equation import Network
from curbd.network.fit import Fit, Noise, States
from curbd.network.nonlinearity import TANH
from curbd.network.tensors import tensor
from curbd.regression.transitions import TrainingData
from curbd.states.indicator import filtered, kept, unfiltered
from curbd.states.smoother import Observations, draw, improve, linearise, observations, relative_variance, time_first

Array = np.ndarray
KERNEL_WIDTHS = 0.5 * 2.0 ** np.arange(6)
"""Standard deviations, in samples, of the Gaussian kernels that are tried for the first estimate of the rates."""
RATE_LIMIT = 0.999
"""Largest absolute value of the first estimate of the rates."""
PEAK_QUANTILE = 0.95
"""Quantile of the absolute rates behind an indicator that is scaled into (-1, 1)."""
SILENT_VARIANCE_SHARE = 0.02
"""Variance of the spike counts of a silent bin, as a share of the unit's mean variance."""
LEAST_VARIANCE = 1e-7
"""Smallest variance of process noise and measurement noise; smaller variances are below the rounding errors."""
START_VARIANCE = 0.01
"""Variance that is added to the variance of the first states, so that the first state of a trial is free to move."""
GAUSS_NEWTON_STEPS = 8
"""Gauss-Newton steps from smoothed rates to the posterior mean of the states."""
DRAW_PAIRS = 4
"""Pairs of draws from which the mean rates and their covariance are computed."""
MAX_KERNEL_WEIGHT = 0.999
"""Weight of a sample in its own smoothed rate above which the sample counts as having no neighbours."""


def infer_states(fit: Fit, data: TrainingData, train: Array, rng: np.random.Generator) -> Fit:
    """Infer the rates behind the noisy observations of all trials.

    The rates of every trial are inferred from the data of the trial, later bins included, with the network and the
    noise variances that were fitted to the training trials. Nothing is fitted to a held-out trial.

    Parameters
    ----------
    fit : a fit with noise variances; a fit without noise variances is returned unchanged.
    data : all trials, with observed rates, NaN where missing.
    train : (trial,) bool, True for training trials, from which the covariance of the rates is computed.
    rng : random generator for draws from the posterior.

    Returns
    -------
    The fit with the field ``states``: posterior mean, a draw, and covariance of the rates.
    """
    if fit.noise is None:
        return fit
    random = torch.Generator().manual_seed(int(rng.integers(2**63)))
    training = _states(fit.network, fit.noise, data.of_trials(train), random)
    rates, drawn = np.full(data.r.shape, np.nan), np.full(data.r.shape, np.nan)
    rates[train], drawn[train] = training.rates, training.drawn
    if not train.all():
        held_out = _states(fit.network, fit.noise, data.of_trials(~train), random)
        rates[~train], drawn[~train] = held_out.rates, held_out.drawn
    return fit._replace(states=States(rates, drawn, training.covariance))


def _states(network: Network, noise: Noise, data: TrainingData, random: torch.Generator) -> States:
    """Infer the rates of all trials in the data: posterior mean, a draw, and posterior covariance."""
    amplitude = noise.amplitude.cpu().numpy().astype(float)
    observed = observations(data.r, data.u, amplitude)
    x = start_states(data.r / amplitude, noise.keep)
    images: tuple[torch.Tensor, ...] = (x,)
    for _ in range(GAUSS_NEWTON_STEPS):
        chain = linearise(images, observed, network, noise)
        x, deviation = improve(x, chain), draw(chain, random)
        images = x + deviation, x - deviation
    mean, covariance = torch.zeros_like(x), torch.zeros(x.shape[2], x.shape[2], dtype=x.dtype, device=x.device)
    chain = linearise(images, observed, network, noise)
    for _ in range(DRAW_PAIRS):
        deviation = draw(chain, random)
        drawn, mirrored = torch.tanh(x + deviation), torch.tanh(x - deviation)
        mean += (drawn + mirrored) / (2 * DRAW_PAIRS)
        half = (observed.complete * (drawn - mirrored) / 2).flatten(0, 1)
        covariance += half.mT @ half / (DRAW_PAIRS * observed.complete.sum().clamp_min(1))
    complete = np.moveaxis(observed.complete.cpu().numpy() > 0, 0, 1)
    mean_rates, drawn_rates = (
        np.where(complete, np.moveaxis(rates.cpu().numpy(), 0, 1), np.nan).astype(float) for rates in (mean, drawn)
    )
    return States(mean_rates, drawn_rates, covariance.cpu().numpy().astype(float))


def start_states(r: Array, keep: float = 0.0) -> torch.Tensor:
    """Estimate the states (time, trial, unit) from smoothed rates (see `start_rates`); 0 where missing."""
    return time_first(np.nan_to_num(TANH.inverse(start_rates(r, keep))))


def start_rates(r: Array, keep: float = 0.0) -> Array:
    """Return a first estimate of the rates behind noisy observations: smoothed, and inside (-1, 1).

    Parameters
    ----------
    r : (trial, time, unit) observed rates, NaN where missing.
    keep : share of a slow indicator that is left after one bin; 0 without an indicator.

    Returns
    -------
    (trial, time, unit) rates, NaN where missing.
    """
    return np.clip(smoothed(unfiltered(r, keep) if keep else r), -RATE_LIMIT, RATE_LIMIT)


def amplitude(c: Array, keep: float) -> Array:
    """Return the divisor of the observations of an indicator with which the rates behind it fit into (-1, 1).

    A slow indicator makes fast rates look small, so that the rates behind it may be larger than the observations. The
    divisor is the 95 % quantile of the size of the smoothed rates, and at least 1.

    Parameters
    ----------
    c : (trial, time, unit) observations, NaN where missing.
    keep : share of the indicator that is left after one bin.

    Returns
    -------
    (unit,) divisor, at least 1.
    """
    peak = np.nanquantile(np.abs(smoothed(unfiltered(c, keep))), PEAK_QUANTILE, axis=(0, 1))
    return np.maximum(peak, 1.0)


def smoothed(r: Array) -> Array:
    """Smooth rates by the Gaussian kernel that best predicts every sample from the other samples.

    All units have one kernel, the kernel with the smallest leave-one-out error as a share of the units' variances.

    Parameters
    ----------
    r : (trial, time, unit) observed rates, NaN where missing.

    Returns
    -------
    (trial, time, unit) smoothed rates, NaN where missing.
    """
    finite = np.isfinite(r)
    power = np.nanvar(r, axis=(0, 1)) + 1e-12
    impulse = np.zeros(int(10 * KERNEL_WIDTHS[-1]) + 1)
    impulse[len(impulse) // 2] = 1
    best, least = r, np.inf
    for width in KERNEL_WIDTHS:
        total = gaussian_filter1d(np.where(finite, r, 0.0), width, axis=1, mode="constant")
        share = gaussian_filter1d(finite.astype(float), width, axis=1, mode="constant")
        smooth = total / np.where(finite, share, np.nan)
        own = gaussian_filter1d(impulse, width).max() / np.where(finite, share, np.nan)
        # A sample without neighbours is its own prediction, and carries no information about the width.
        rest = 1 - np.minimum(own, MAX_KERNEL_WEIGHT)
        missed = np.where(own < MAX_KERNEL_WEIGHT, (r - smooth) / rest, np.nan)
        error = float((np.nanmean(missed**2, axis=(0, 1)) / power).mean())
        if error < least:
            best, least = smooth, error
    return best


def noise_of(kind: str, x: torch.Tensor, r: Array, divisor: Array, keep: float) -> Noise:
    """Construct the initial process noise and measurement noise of a fit, with variances of 1.

    Parameters
    ----------
    kind : ``constant``, ``counts`` or ``calcium``, see `curbd.settings.estimators.StateSpace`.
    x : (time, trial, unit) states, for their shape, type and device.
    r : (trial, time, unit) observed rates divided by the divisor, NaN where missing.
    divisor : (unit,) number by which the observed rates were divided.
    keep : share of a slow indicator that is left after one bin; 0 without an indicator.

    Returns
    -------
    The noise, with all variances 1.
    """
    unit = torch.ones(x.shape[2], dtype=x.dtype, device=x.device)
    silent, least = None, 0 * unit
    if kind == "counts":
        lowest = np.nanmin(r, axis=(0, 1))
        silent = tensor(lowest).to(x.dtype)
        excess = SILENT_VARIANCE_SHARE * (np.nanmean(r, axis=(0, 1)) - lowest)
        least = tensor(excess).to(x.dtype).clamp_min(LEAST_VARIANCE)
    return Noise(
        process=unit,
        measurement=unit,
        silent=silent,
        least_excess=least,
        start_mean=0 * unit,
        start_variance=unit,
        amplitude=tensor(divisor).to(x.dtype),
        keep=keep,
    )


def fitted_noise(paths: torch.Tensor, observed: Observations, process: torch.Tensor, kind: Noise) -> Noise:
    """Estimate the variance of the measurement noise and the distribution of the first states from drawn states.

    Parameters
    ----------
    paths : (draw, time, trial, unit) drawn states.
    observed : observed activity.
    process : (unit,) variance of the process noise.
    kind : the previous noise, for its kind (constant or proportional to the rate) and its indicator.

    Returns
    -------
    The noise, with all variances updated.
    """
    r = torch.tanh(paths)
    predicted = filtered(r, kept(observed.complete, kind.keep)) if kind.keep else r
    missed = (observed.complete * (observed.r - predicted) ** 2).sum((0, 1, 2))
    # A ratio of sums, as a mean of ratios would be dominated by spikes in bins whose rate is near 0.
    expected = (observed.complete * relative_variance(kind, r)).sum((0, 1, 2))
    return kind._replace(
        process=process.to(paths.dtype).clamp_min(LEAST_VARIANCE),
        measurement=(missed / expected).clamp_min(LEAST_VARIANCE),
        start_mean=paths[:, 0].mean((0, 1)),
        start_variance=paths[:, 0].var((0, 1), correction=0) + START_VARIANCE,
    )
