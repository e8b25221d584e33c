"""FORCE learning: recursive least squares on the running network, as published for CURBD, with corrections.

Publications: Perich et al., bioRxiv 2020.12.18.423348 (CURBD); Sussillo & Abbott, Neuron 2009 (FORCE learning). The
differences from the public code: steps are counted in integers, so that results do not depend on how a time step is
rounded; the network starts from x = phi^-1(r) at the start of every trial and after every gap; no update pairs samples
of two trials; a rate is compared with the sample at the same time; the last sample is also a target.

The states x in tau dx/dt = -x + J r + B u + b + noise are dimensionless, and the noise is in the units of x.
"""

from __future__ import annotations

import numpy as np

from curbd.network.equation import Network, phi_inverse, weights
from curbd.network.fit import Fit
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, as_network, transitions
from curbd.settings.models import Force

Array = np.ndarray


def random_network(data: TrainingData, gain: float, tau_s: float, rng: np.random.Generator) -> Network:
    """Construct a network with random recurrent weights and with input weights and bias of 0.

    Parameters
    ----------
    data : the training trials, for the number of units and inputs and the sample step.
    gain : gain of the recurrent weights, which are drawn from N(0, gain^2 / number of units).
    tau_s : time constant, s.
    rng : random generator for the weights.

    Returns
    -------
    The random network.
    """
    n, k = data.r.shape[2], data.u.shape[2]
    J = gain * rng.standard_normal((n, n)) / np.sqrt(n)
    return as_network(np.concatenate([J, np.zeros((n, k + 1))], axis=1), data, tau_s)


def force(data: TrainingData, options: Force, rng: np.random.Generator) -> Fit:
    """Train a network by recursive least squares while it runs (FORCE learning), as published for CURBD.

    The weights of the inputs and the bias are learned along with the recurrent weights, as if inputs and a constant
    were additional units. The weights and the inverse correlation matrix P of recursive least squares carry over
    between passes through the trials, as in the code of Perich et al., bioRxiv 2020.12.18.423348.

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    options : number of passes, gain of the initial weights, initial scale of P, and noise that is added to the
        currents.
    rng : random generator for the initial weights and for the noise.

    Returns
    -------
    The trained network. This estimator has no penalties and no posterior.
    """
    tau_s = estimate_tau(data, transitions(data)) if data.tau_s is None else data.tau_s
    start = random_network(data, options.gain, tau_s, rng)
    n_trials, n_samples, n = data.r.shape
    scale = np.sqrt(np.nanmean(data.u**2, axis=(0, 1))) if data.u.shape[2] else np.zeros(0)
    # Inputs are divided by their root mean square, so that one initial scale of P fits inputs and rates.
    u = np.nan_to_num(data.u) / np.where(scale > 0, scale, 1)
    outside = np.concatenate([u, np.ones((n_trials, n_samples, 1))], axis=2)
    W = weights(start)
    P = options.p0 * np.eye(W.shape[1])
    step = data.dt_s / (data.substeps * tau_s)
    noise = _frozen_noise(data, options, rng)
    x_data = phi_inverse(data.r)
    complete = np.isfinite(x_data).all(2)
    z = np.empty(W.shape[1])
    for _ in range(options.passes):
        for trial in range(n_trials):
            for t in range(n_samples - 1):
                if not (complete[trial, t] and complete[trial, t + 1]):
                    continue
                if t == 0 or not complete[trial, t - 1]:
                    x = x_data[trial, t]
                z[n:] = outside[trial, t]
                for substep in range(data.substeps):
                    z[:n] = np.tanh(x)
                    x = x + step * (W @ z - x + noise[trial, t * data.substeps + substep])
                z[:n] = np.tanh(x)
                error = z[:n] - data.r[trial, t + 1]
                q = P @ z
                c = 1 / (1 + z @ q)
                P -= c * np.outer(q, q)
                W -= c * np.outer(error, q)
    network = as_network(W, data, tau_s)
    return Fit(network._replace(B=network.B / np.where(scale > 0, scale, 1)))


def _frozen_noise(data: TrainingData, options: Force, rng: np.random.Generator) -> Array:
    """Draw low-pass filtered white noise (trial, step, unit), in the units of x, which is used in every pass."""
    n_trials, n_samples, n = data.r.shape
    dt = data.dt_s / data.substeps
    keep = np.exp(-dt / options.noise_tau_s)
    filtered = np.ones((n_trials, n))
    noise = np.empty((n_trials, n_samples * data.substeps, n))
    for t in range(noise.shape[1]):
        white = np.sqrt(options.noise_tau_s / dt) * rng.standard_normal((n_trials, n))
        filtered = white + (filtered - white) * keep
        noise[:, t] = filtered
    return options.noise * noise
