"""FORCE learning: recursive least squares on the running network, as published for CURBD, with corrections.

Publications: Perich et al., bioRxiv 2020.12.18.423348 (CURBD); Sussillo & Abbott, Neuron 2009 (FORCE learning). The
differences from the public code: steps are counted in integers, so that results do not depend on how a time step is
rounded; the network starts from x = phi^-1(r) at the start of every trial and after every gap; no update pairs samples
of two trials; a rate is compared with the sample at the same time; the last sample is also a target.

The states x in tau dx/dt = -x + J r + B u + b + noise are dimensionless, and the noise is in the units of x.
"""

from __future__ import annotations

import numpy as np

from curbd.network.equation import Network, free_run, weights
from curbd.network.fit import Fit
from curbd.network.nonlinearity import TANH
from curbd.progress import progress
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, as_network, transitions
from curbd.settings.estimators import Force

Array = np.ndarray
SHARE_SET_ASIDE = 5
"""With `stop: held_out`, one of so many training trials is set aside."""
PATIENCE_PASSES = 3
"""With `stop: held_out`, training ends after so many passes without a better free run."""


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
    options : number of passes and when they end, gain of the initial weights, initial scale of P, noise that is added
        to the currents, and the precision of the numbers.
    rng : random generator for the initial weights and for the noise.

    Returns
    -------
    The trained network. This estimator has no penalties and no posterior.
    """
    # Compiled loops take a quarter of a second to import, which only this estimator spends.
    from curbd.estimators.compiled_force import train_pass

    trained, held_out = (data, None) if options.stop == "passes" else set_aside(data)
    tau_s = float(estimate_tau(trained, transitions(trained)) if data.tau_s is None else data.tau_s)
    scale = np.sqrt(np.nanmean(trained.u**2, axis=(0, 1))) if data.u.shape[2] else np.zeros(0)
    # Inputs are divided by their root mean square, so that one initial scale of P fits inputs and rates.
    unit = np.where(scale > 0, scale, 1)
    precision = np.dtype({"double": np.float64, "single": np.float32}[options.precision])
    W = weights(random_network(data, options.gain, tau_s, rng)).astype(precision, order="C")
    P = (options.p0 * np.eye(W.shape[1])).astype(precision)
    samples = _samples(trained, unit, options, rng, precision)
    step = precision.type(data.dt_s / (data.substeps * tau_s))

    def network() -> Network:
        fitted = as_network(W.astype(float), data, tau_s)
        return fitted._replace(B=fitted.B / unit)

    best, best_r2, best_pass = network(), -np.inf, 0
    with progress(options.passes, "passes of FORCE learning") as advance:
        for index in range(options.passes):
            train_pass(W, P, *samples, step)
            advance(1)
            if held_out is None:
                continue
            r2 = _free_run_r2(network(), held_out)
            # Without a free run there is no R2, and all passes are made.
            if r2 > best_r2 or np.isnan(r2):
                best, best_r2, best_pass = network(), r2, index
            elif index - best_pass >= PATIENCE_PASSES:
                break
    return Fit(network() if held_out is None else best)


def _samples(
    data: TrainingData, unit: Array, options: Force, rng: np.random.Generator, precision: np.dtype
) -> tuple[Array, Array, Array, Array, list[tuple[int, int, int]]]:
    """Collect the arguments of `compiled_force.train_pass` that do not change while a network is trained.

    Parameters
    ----------
    data : the trials that the network is trained on.
    unit : (input,) unit in which every input is measured.
    options : options of the estimator, for the noise.
    rng : random generator of the noise.
    precision : type of the numbers.
    """
    n_trials, n_samples = data.r.shape[:2]
    outside = np.concatenate([np.nan_to_num(data.u) / unit, np.ones((n_trials, n_samples, 1))], axis=2)
    noise = _frozen_noise(data, options, rng)
    # A rate of 1 has no state.
    known = stretches((np.abs(data.r) < 1).all(2))
    starts = TANH.inverse(np.array([data.r[trial, start] for trial, start, _ in known]).reshape(-1, data.r.shape[2]))
    # The loops are compiled for arrays in the order of C.
    starts, rates, outside, noise = (
        values.astype(precision, order="C", copy=False) for values in (starts, data.r, outside, noise)
    )
    return starts, rates, outside, noise, known


def stretches(complete: Array) -> list[tuple[int, int, int]]:
    """List the stretches of complete bins.

    Parameters
    ----------
    complete : (trial, time) bool, True where the rate of every unit is known.

    Returns
    -------
    Trial, first bin and end (the bin after the last) of every stretch, in the order of trials and time.
    """
    steps = np.diff(complete.astype(int), axis=1, prepend=0, append=0)
    trial, start = np.nonzero(steps == 1)
    stop = np.nonzero(steps == -1)[1]
    return list(zip(trial.tolist(), start.tolist(), stop.tolist(), strict=True))


def set_aside(data: TrainingData) -> tuple[TrainingData, TrainingData]:
    """Set a fifth of the training trials aside, which decide when FORCE learning stops.

    Parameters
    ----------
    data : the training trials.

    Returns
    -------
    fitted : the trials that are fitted.
    held_out : every fifth of the recorded trials, the last of five first; all copies of a trial in a bootstrap
        resample are on the same side. With a single recorded trial, the last fifth of its bins.
    """
    originals, index = np.unique(data.trial, return_inverse=True)
    if len(originals) > 1:
        aside = (len(originals) - 1 - index) % SHARE_SET_ASIDE == 0
        return data.of_trials(~aside), data.of_trials(aside)
    start = data.r.shape[1] - data.r.shape[1] // SHARE_SET_ASIDE
    return (
        data._replace(r=data.r[:, :start], u=data.u[:, :start]),
        data._replace(r=data.r[:, start:], u=data.u[:, start:]),
    )


def _free_run_r2(network: Network, data: TrainingData) -> float:
    """Compute the share of the variance of the rates that a free run explains, about the mean of every unit."""
    with np.errstate(invalid="ignore"):
        missed = np.nansum((free_run(network, data.r, np.nan_to_num(data.u)) - data.r) ** 2)
    return float(1 - missed / np.nansum((data.r - np.nanmean(data.r, axis=(0, 1))) ** 2))


def _frozen_noise(data: TrainingData, options: Force, rng: np.random.Generator) -> Array:
    """Draw low-pass filtered white noise (trial, step, unit), in the units of x, which is used in every pass."""
    from curbd.estimators.compiled_force import filter_noise

    n_trials, n_samples, n = data.r.shape
    dt = data.dt_s / data.substeps
    white = rng.standard_normal((n_samples * data.substeps, n_trials, n))
    white *= np.sqrt(options.noise_tau_s / dt)
    noise = np.ascontiguousarray(white.swapaxes(0, 1))
    filter_noise(noise, np.exp(-dt / options.noise_tau_s))
    noise *= options.noise
    return noise
