"""The result of an estimator: the fitted network and what the estimator knows about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curbd.network.equation import Network
from curbd.recording.circuit import Circuit

if TYPE_CHECKING:
    import torch

Array = np.ndarray


class Posterior(NamedTuple):
    """Gaussian posterior of the weights of a ridge regression.

    The weights W_i onto unit i have the fitted weights as their mean and noise_variance_i (gram + diag(ridge_i))^-1 as
    their covariance. The regressors z = [r, u, 1] are the rates of all units, the inputs, and a constant for the bias.

    Attributes
    ----------
    noise_variance : (unit,) variance of the noise on the current, in the squared (dimensionless) units of the state x.
    gram : (regressor, regressor) second moments of the regressors, the sum of z z' over the fitted transitions.
    ridge : (unit, regressor) ridge penalties on the weights.
    """

    noise_variance: Array
    gram: Array
    ridge: Array


class Hidden(NamedTuple):
    """Hidden inputs, not recorded but inferred; their weights are the last columns of the input weights B.

    Attributes
    ----------
    region : (hidden,) index of the only region that the input reaches.
    scale_s : (hidden,) time scale of the input, s.
    values : (trial, time, hidden) the inputs in all trials of the recording; NaN where a bin is missing.
    """

    region: Array
    scale_s: Array
    values: Array


class BlockRanks(NamedTuple):
    """Ranks of the blocks of J; a block holds the weights from one region to one region.

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
    rates : (trial, time, unit) posterior mean of the rates in all trials of the recording; NaN where a bin is missing.
    drawn : (trial, time, unit) one draw from the posterior of the rates. A draw fluctuates with the process noise,
        which is averaged out in the posterior mean.
    covariance : (unit, unit) posterior covariance of the rates in one bin, averaged over bins.
    """

    rates: Array
    drawn: Array
    covariance: Array


class Controls(NamedTuple):
    """Fits with which a fit under constraints is compared.

    Attributes
    ----------
    unconstrained : the network without any constraint.
    shuffled : networks under the same constraints, with shuffled cell types.
    displaced : networks under the same constraints, with shuffled positions of the units.
    circuit : the constraints.
    """

    unconstrained: Network
    shuffled: tuple[Network, ...]
    displaced: tuple[Network, ...]
    circuit: Circuit


class Fit(NamedTuple):
    """A fitted network and what its estimator knows about it.

    Attributes
    ----------
    network : the fitted network.
    penalty : (target region, source region) ridge penalties; None if the estimator has no penalties.
    posterior : posterior of the weights; None if the estimator has no posterior.
    factors : left factors m (target, rank) and right factors n (source, rank) of J = m n'; None for a network of full
        rank.
    ranks : ranks of the blocks of J; None if the estimator did not choose the rank of every block separately.
    slow_factors : for every region, the parameters by which the hidden inputs of the region are inferred; None without
        a search for hidden inputs.
    hidden : hidden inputs in all trials; None before they are inferred (see `curbd.hidden_inputs.search`).
    noise : variances of process noise and measurement noise; None if the estimator does not separate the two.
    states : inferred rates behind noisy observations, or None.
    process_noise_sd : (unit,) standard deviation of the noise that is added to the state x in one sample; None if not
        estimated.
    measurement_noise_sd : (unit,) standard deviation of the noise on the scaled rates; None if not estimated.
    penalty_by : how the penalties were chosen, ``evidence`` or ``cross_validation``; ``sparse_prior`` for relu units
        under a sparse prior; None if there is no choice.
    controls : fits with which a fit under constraints is compared; None without constraints.
    control_r2 : (control,) share of the variance of the held-out total current that is predicted one sample ahead by
        the fit, by the unconstrained fit, by every fit with shuffled cell types and by every fit with shuffled
        positions; None without constraints.
    adaptation_nats : gain in held-out log likelihood by the adaptation of units, in nats; None if none was tried.
    tau_nats : gain in held-out log likelihood by time constants of single units or regions, in nats; None if all units
        share one time constant.
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
    controls: Controls | None = None
    control_r2: Array | None = None
    adaptation_nats: float | None = None
    tau_nats: float | None = None


class SlowFactors(NamedTuple):
    """Regression model, with slow latent factors h, of the currents y into a region: y = W z + L h + noise.

    The regressors z = [r, u, 1] are the rates of all units, the recorded inputs and a constant. The factors h are the
    hidden inputs of the region.

    Attributes
    ----------
    W : (unit, regressor) weights of the regressors.
    L : (unit, factor) loadings of the factors.
    noise : (unit,) variances of the noise.
    scale : (factor,) time scales of the factors, in samples.
    order : (factor,) order p of the prior spectrum (see `curbd.hidden_inputs.slow_factors`).
    lines : (bin, factor) ratio of the power spectrum to its smooth prior in each frequency bin; the last bin has no
        upper edge.
    width : width of the frequency bins, in radians per sample.
    """

    W: Array
    L: Array
    noise: Array
    scale: Array
    order: Array
    lines: Array
    width: float


class Noise(NamedTuple):
    """Variances of process noise and of measurement noise, and the distribution of the first state of a trial.

    Attributes
    ----------
    process : (unit,) variance of the noise that is added to the state x in one sample.
    measurement : (unit,) variance of the noise on the observed rates. If ``silent`` is given, the ratio of this
        variance to the rate above ``silent``.
    silent : (unit,) rate of a silent unit if the variance grows in proportion to the rate above ``silent``, as the
        variance of spike counts does; None for a constant variance.
    least_excess : (unit,) smallest rate above ``silent`` from which the variance is computed, because no unit is
        without noise.
    start_mean, start_variance : (unit,) mean and variance of the first state of a trial.
    amplitude : (unit,) number by which the observations were divided.
    keep : share of a slow indicator that is left after one bin; 0 if the rates themselves are observed.
    """

    process: torch.Tensor
    measurement: torch.Tensor
    silent: torch.Tensor | None
    least_excess: torch.Tensor
    start_mean: torch.Tensor
    start_variance: torch.Tensor
    amplitude: torch.Tensor
    keep: float = 0.0
