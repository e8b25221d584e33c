"""The likelihood of recorded rates under a network, by which networks of different nonlinearities can be compared.

A network predicts a normal distribution of states, which the nonlinearity turns into a distribution of rates: its
density is the density of the states divided by the slope of the nonlinearity. Rates are known to a precision only. The
likelihood of a rate is the probability of an interval of this length, and the likelihood of a silent unit is the
probability of all rates below the precision, so that units that are silent for a positive share of the time (relu) can
be compared with units that never are.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from curbd.network.equation import Network
from curbd.network.silent_states import FIRST_SD, LOG_ROOT_TWO_PI, silent_states

Array = np.ndarray


def log_likelihood(
    network: Network,
    r: Array,
    u: Array,
    noise_variance: Array,
    precision: Array,
    first_sd: Array | float = FIRST_SD,
    units: Array | slice = slice(None),
) -> Array:
    """Compute the log likelihood of the rates in every bin, given all bins before.

    Parameters
    ----------
    network : a network with one Euler step in a bin.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.
    noise_variance : (unit,) variance of the noise on the current.
    precision : (unit,) precision to which the scaled rates are known.
    first_sd : (unit,) standard deviation of silent states of which nothing earlier is known.
    units : indices of the units whose rates count, to which ``noise_variance``, ``precision`` and ``first_sd`` belong;
        by default all units.

    Returns
    -------
    (trial, time - 1, unit) log likelihood, in nats; NaN where a bin or the bin before is missing.
    """
    phi, later = network.nonlinearity, r[:, 1:, units]
    if phi.hides_silent:
        states = silent_states(network, r, u, noise_variance, first_sd=first_sd, units=units)
        mean, variance = states.predicted[:, 1:], states.predicted_variance[:, 1:]
    else:
        D = np.broadcast_to(network.decay, len(network.J))[units]
        current = r @ network.J[units].T + np.nan_to_num(u) @ network.B[units].T + network.b[units]
        mean = D * phi.inverse(r[:, :-1, units]) + (1 - D) * current[:, :-1]
        variance = np.broadcast_to((1 - D) ** 2 * noise_variance, mean.shape)
    sd = np.sqrt(variance)
    shown = np.maximum(later, precision) if phi.never_negative else later
    density = -0.5 * ((phi.inverse(shown) - mean) / sd) ** 2 - np.log(sd) - LOG_ROOT_TWO_PI
    likely = density - phi.log_slope(shown) + np.log(precision)
    if phi.never_negative:
        silent, highest_silent = later <= precision, phi.inverse(np.broadcast_to(precision, mean.shape))
        likely[silent] = log_ndtr((highest_silent[silent] - mean[silent]) / sd[silent])
    return np.where(np.isfinite(later) & np.isfinite(mean), likely, np.nan)
