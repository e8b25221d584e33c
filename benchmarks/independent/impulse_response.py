"""What the units of a fitted network do after one of them moved: a prediction of the response to stimulating a unit.

A measured response to the stimulation of a unit holds all paths to the target, and not the weight alone. Paths that are
faster than the bins are not in the weights of a network at all: they make the errors of one-step predictions of two
units alike. A generalised impulse response takes both into account. The errors of a unit come together with what is
expected of the errors of all others, and the network carries this on.

Publication: Koop, Pesaran & Potter, J. Econometrics 1996; Pesaran & Shin, Economics Letters 1998 (linear networks).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

Array = np.ndarray


def impulse_responses(J: Array, tau_s: Array | float, r: Array, dt_s: float, within_s: float) -> Array:
    """Compute the mean response of every unit in the time after an error of every unit, in standard deviations.

    The network is taken as linear in the rates about their means. That two units move in the same bin has no direction:
    what drives both within the bin counts for both.

    Parameters
    ----------
    J : (target, source) weights of the network.
    tau_s : () or (unit,) time constants, s.
    r : (trial, time, unit) rates, in the units of the weights; NaN where missing.
    dt_s : width of the bins, s.
    within_s : the response is the mean over this time after the error, s.

    Returns
    -------
    (target, source) responses, in standard deviations of the target for an error by one of the source; rows and columns
    of units that do not vary are 0.
    """
    sd = np.nanstd(r, axis=(0, 1))
    varies = sd > 0
    z = ((r - np.nanmean(r, axis=(0, 1))) / np.where(varies, sd, 1.0))[..., varies]
    weights = (J * sd / np.where(varies, sd, 1.0)[:, None])[np.ix_(varies, varies)]
    same = np.eye(len(weights))
    tau = np.broadcast_to(tau_s, len(J))[varies]
    change = (weights - same) / tau[:, None]
    errors = z[:, 1:] - z[:, :-1] @ expm(change * dt_s).T
    errors = errors[np.isfinite(errors).all(2)]
    together = np.cov(errors.T).reshape(same.shape)
    # The mean of exp(change t) over the time, as one exponential: a lasting drive of 1 / within_s from rest.
    driven = np.block([[change, same / within_s], [np.zeros_like(same), np.zeros_like(same)]])
    mean = expm(driven * within_s)[: len(same), len(same) :]
    response = np.zeros(J.shape)
    response[np.ix_(varies, varies)] = mean @ (together / np.diag(together))
    return response
