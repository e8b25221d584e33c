"""The result of an estimator: the fitted network and what the estimator knows about it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network

Array = np.ndarray


class Posterior(NamedTuple):
    """Gaussian posterior of the weights of a ridge regression.

    The weights of unit i have the mean W_i and the covariance noise_variance_i (gram + diag(ridge_i))^-1. Regressors
    are the units, the inputs and the bias.

    Attributes
    ----------
    noise_variance : (unit,) variance of the noise on the current, in the squared units of x.
    gram : (regressor, regressor) sums over the fitted transitions of z z'.
    ridge : (unit, regressor) penalties.
    """

    noise_variance: Array
    gram: Array
    ridge: Array


class Hidden(NamedTuple):
    """Inputs that were not recorded but inferred; their weights are the last columns of B.

    Attributes
    ----------
    region : (hidden,) index of the only region that the input reaches.
    scale_s : (hidden,) time scale, s.
    values : (trial, time, hidden) for all trials of the recording; NaN where a bin is missing.
    """

    region: Array
    scale_s: Array
    values: Array


class BlockRanks(NamedTuple):
    """Ranks of the blocks of J.

    Attributes
    ----------
    rank : (target region, source region) estimated rank.
    low, high : (target region, source region) ends of the interval of the rank.
    """

    rank: Array
    low: Array
    high: Array


class States(NamedTuple):
    """Rates behind noisy observations, inferred trial by trial (see `curbd.states.infer`).

    Attributes
    ----------
    rates : (trial, time, unit) their posterior mean in all trials of the recording; NaN where a bin is missing.
    drawn : (trial, time, unit) a draw from their posterior, which has the process noise that a mean lacks.
    covariance : (unit, unit) posterior covariance of the rates of a bin, mean over bins.
    """

    rates: Array
    drawn: Array
    covariance: Array


class Fit(NamedTuple):
    """A fitted network and what its estimator knows about it.

    Attributes
    ----------
    network : the fitted network.
    penalty : (target region, source region) ridge penalties, or None where the estimator has none.
    posterior : posterior of the weights, or None where the estimator has none.
    factors : (target, rank) m and (source, rank) n with J = m n', for low-rank networks.
    ranks : ranks of the blocks of J, where the estimator chose the rank of every block separately, else None.
    slow_factors : for every region, the parameters by which its hidden inputs are inferred; None without a search.
    hidden : hidden inputs of all trials, once they were inferred (see `curbd.hidden_inputs.search`), or None.
    noise : variances of process and measurement noise, where the estimator separates them, else None.
    states : rates that were inferred behind noisy observations, or None.
    process_noise_sd : (unit,) standard deviation of the noise added to x in one sample, where it is estimated.
    measurement_noise_sd : (unit,) standard deviation of the noise on the scaled rates, where it is estimated.
    penalty_by : how the penalties were chosen, ``evidence`` or ``cross_validation``, where there is a choice.
    """

    network: Network
    penalty: Array | None = None
    posterior: Posterior | None = None
    factors: tuple[Array, Array] | None = None
    ranks: BlockRanks | None = None
    slow_factors: tuple[SlowFactors, ...] | None = None
    hidden: Hidden | None = None
    noise: Noise | None = None
    states: States | None = None
    process_noise_sd: Array | None = None
    measurement_noise_sd: Array | None = None
    penalty_by: str | None = None


class SlowFactors(NamedTuple):
    """Regression of the currents into a region with slow factors h: y = W z + L h + noise.

    Attributes
    ----------
    W : (unit, regressor) weights.
    L : (unit, factor) loadings.
    noise : (unit,) noise variances.
    scale : (factor,) time scales, in samples.
    order : (factor,) order p of the prior spectrum (see `curbd.hidden_inputs.slow_factors`).
    lines : (bin, factor) factor by which the spectrum in a bin of frequency differs from the smooth prior; the last
        bin is open.
    width : width of these bins, angular frequency per sample.
    """

    W: Array
    L: Array
    noise: Array
    scale: Array
    order: Array
    lines: Array
    width: float


class Noise(NamedTuple):
    """Variances of the two kinds of noise and of the first state.

    Attributes
    ----------
    process : (unit,) variance added to x in one sample.
    measurement : (unit,) variance of the observed rates or, where ``silent`` is given, the ratio of their variance to
        the rate above ``silent``.
    silent : (unit,) rate of a silent unit, where the variance grows in proportion to the rate above it, as the variance
        of spike counts does; None for a constant variance.
    least_excess : (unit,) a rate less than this above ``silent`` has the noise of this excess, as no unit is without
        noise.
    start_mean, start_variance : (unit,) mean and variance of the first state of a trial.
    amplitude : (unit,) factor by which the observations were divided.
    keep : share of a slow indicator that is left after one bin, 0 where the rates themselves are observed.
    """

    process: torch.Tensor
    measurement: torch.Tensor
    silent: torch.Tensor | None
    least_excess: torch.Tensor
    start_mean: torch.Tensor
    start_variance: torch.Tensor
    amplitude: torch.Tensor
    keep: float = 0.0
