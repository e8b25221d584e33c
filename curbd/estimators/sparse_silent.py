"""The sparse prior of `curbd.estimators.sparse` for units whose states are unknown while they are silent (relu).

The rates of a unit that is often silent tell of the weights onto this unit what `curbd.regression.silent_information`
computes near the weights of a network. The sparse prior is solved for the weights by expectation propagation, which
gives the next network. The noise on the current follows from the states that the network infers (Dempster, Laird &
Rubin, Journal of the Royal Statistical Society B 1977). The start is the network of the ridge regression with inferred
states (`curbd.regression.silent_units`).

Silent units say little about currents that are strongest while these units are silent, and the currents of several
regions are alike. A ridge penalty then shares a current between all regions; a sparse prior knows that few weights lead
from one region to another.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, weights
from curbd.network.fit import Fit
from curbd.network.likelihood import log_likelihood
from curbd.network.silent_states import SilentStates, first_sds, silent_states
from curbd.recording.scaling import LEAST_SCALED_RATE
from curbd.regression.block_ridge import inflation
from curbd.regression.silent_information import SilentInformation
from curbd.regression.silent_units import (
    TAU_STEP,
    StateRegression,
    expected_transitions,
    held_out_split,
    most_likely_step,
    with_inferred_states,
    with_time_constant,
)
from curbd.regression.sparse_prior import (
    LEAST_RESIDUAL_VARIANCE,
    ROUNDS_BEFORE_LEARNING,
    Sites,
    calibrated_posterior,
    in_units_of_inputs,
    input_rms,
    propagated,
    start,
)
from curbd.regression.time_constant_limits import MAX_TAU_SAMPLES
from curbd.regression.transitions import (
    TrainingData,
    Transitions,
    as_network,
    regressors,
    source_of_regressor,
    targets,
    transitions,
)

Array = np.ndarray
MAX_GAUSS_NEWTON_STEPS = 6
"""Largest number of Gauss-Newton steps."""
CURRENT_TOLERANCE = 0.01
"""Steps end when the currents change by less than this share of their root mean square."""
ROUNDS_OF_STEP = 4
"""Rounds of expectation propagation in every Gauss-Newton step but the first."""
MAX_HALVINGS = 4
"""Largest number of times that the step of a unit is halved because its rates would be less likely after the step."""
PROBED_UNITS = 10
"""Largest number of units of a region on which the priors are compared."""
MAX_SCATTER_MULTIPLICATIONS = 4e10
"""Largest number of multiplications in the scatter matrices of all units.

Larger recordings keep the ridge penalty; the sparse prior would take more than about three minutes of one core."""


class _Solution(NamedTuple):
    """A network under the sparse prior.

    Attributes
    ----------
    network : the network.
    noise : (unit,) variance of the noise on the current.
    ridge : (unit, regressor) ridge penalties of the posterior.
    sites : the sites of every target region.
    first_sd : (unit,) standard deviation of silent states of which nothing earlier is known.
    """

    network: Network
    noise: Array
    first_sd: Array
    ridge: Array
    sites: list[Sites]


def sparse_silent(data: TrainingData, solved: StateRegression, rounds: int, rng: np.random.Generator) -> Fit:
    """Fit a network of units that are often silent with a sparse prior.

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    solved : the ridge regression with inferred states.
    rounds : rounds of expectation propagation.
    rng : random generator of the simulated weights by which the intervals are calibrated.

    Returns
    -------
    The network, its posterior, and the penalties of the ridge regression from which the fit started.
    """
    rms = input_rms(data)
    scaled = data._replace(u=data.u / rms)
    began = _start(scaled, solved, rms, np.arange(len(data.region)))
    network, noise, first_sd, ridge, sites = _solve(scaled, began, np.arange(len(data.region)), rounds)
    states = silent_states(network, scaled.r, scaled.u, noise, first_sd=first_sd)
    expected, _ = expected_transitions(transitions(scaled), states)
    posterior = calibrated_posterior(
        scaled,
        SilentInformation(network, scaled, states, noise).of_units,
        [of_region.prior for of_region in sites],
        noise,
        inflation(network, expected),
        ridge,
        rounds,
        rng,
    )
    fit = Fit(
        network,
        penalty=solved.regression.between_regions,
        posterior=posterior,
        process_noise_sd=(1 - network.decay) * np.sqrt(noise),
        measurement_noise_sd=np.zeros(len(noise)),
        penalty_by="sparse_prior",
    )
    return in_units_of_inputs(fit, rms)


def is_likelier(data: TrainingData, solved: StateRegression, rounds: int) -> bool:
    """Return whether the rates of held-out trials are more likely under the sparse prior than under ridge penalties.

    Some units of every region are compared. A recording that is too large keeps the ridge penalties.

    Parameters
    ----------
    data : the training trials.
    solved : the ridge regression of all training trials, with inferred states.
    rounds : rounds of expectation propagation.
    """
    samples, (units_of_fit, n_regressors) = data.r[..., 0].size, weights(solved.regression.network).shape
    if float(samples) * units_of_fit * n_regressors**2 > MAX_SCATTER_MULTIPLICATIONS:
        return False
    rms, units = input_rms(data), _probed_units(data.region)
    fitted, tested = held_out_split(data)
    of_tau = fitted._replace(tau_s=solved.regression.network.tau_s)
    ridge = with_inferred_states(of_tau, transitions(fitted), solved.regression)
    scaled, of_tested = (trials._replace(u=trials.u / rms) for trials in (fitted, tested))
    sparse = _solve(scaled, _start(scaled, ridge, rms, units), units, rounds)
    of_ridge = _held_out_nats(ridge.regression.network, ridge.noise_variance, ridge.first_sd, tested, units)
    return _held_out_nats(*sparse[:3], of_tested, units) > of_ridge


def _probed_units(region: Array) -> Array:
    """At most `PROBED_UNITS` units of every region, evenly spread."""
    of_regions = (np.flatnonzero(region == index) for index in range(region.max() + 1))
    return np.concatenate([own[:: -(-len(own) // PROBED_UNITS)] for own in of_regions])


def _held_out_nats(network: Network, noise: Array, first_sd: Array, tested: TrainingData, units: Array) -> float:
    """Log likelihood of the rates of some units in held-out trials."""
    precision = np.full(len(noise), LEAST_SCALED_RATE)
    return float(np.nansum(log_likelihood(network, tested.r, tested.u, noise, precision, first_sd)[..., units]))


def _start(data: TrainingData, solved: StateRegression, rms: Array, units: Array) -> _Solution:
    """Start from the network of the ridge regression, for data whose inputs were divided by ``rms`` (input,)."""
    network = solved.regression.network
    return _Solution(
        network._replace(B=network.B * rms),
        solved.noise_variance,
        solved.first_sd,
        np.zeros(weights(network).shape),
        [start(data, count) for count in np.bincount(data.region[units])],
    )


def _solve(data: TrainingData, began: _Solution, units: Array, rounds: int) -> _Solution:
    """Solve for the weights onto some units under the sparse prior, by Gauss-Newton steps.

    Parameters
    ----------
    data : the training trials, with inputs of root mean square 1. If their time constant is None, the time constant is
        estimated after every step.
    began : the solution from which the steps begin; its network has the time constant.
    units : indices of the units whose weights are solved for.
    rounds : rounds of expectation propagation in the first step.
    """
    source, pairs = source_of_regressor(data.region, data.u.shape[2]), transitions(data)
    regions = [units[data.region[units] == region] for region in range(data.n_regions)]
    z, sites, ridge, noise = regressors(pairs), list(began.sites), began.ridge.copy(), began.noise.copy()
    gram = z.T @ z
    network, first_sd = began.network, began.first_sd
    states = silent_states(network, data.r, data.u, noise, first_sd=first_sd)
    for step in range(MAX_GAUSS_NEWTON_STEPS):
        information = SilentInformation(network, data, states, noise)
        before, used = weights(network), np.zeros(len(noise))
        W = before.copy()
        for target, own in enumerate(regions):
            repeats, fixed = (ROUNDS_OF_STEP, 0) if step else (rounds, ROUNDS_BEFORE_LEARNING)
            rows = propagated(sites[target], information.of_units(own), source, noise[own], repeats, fixed)
            sites[target], used[own] = rows.sites, rows.used.cpu().numpy()
            W[own], ridge[own] = rows.mean.cpu().numpy(), rows.ridge.cpu().numpy()
        network = _uphill(network, as_network(W, data, network.tau_s), data, noise, first_sd, sites, regions)
        if data.tau_s is None:
            network, noise = _with_likeliest_tau(network, noise, first_sd, data, units)
        states = silent_states(network, data.r, data.u, noise, first_sd=first_sd)
        first_sd = first_sds(states, data.r)
        noise[units] = _noise(network, states, pairs, z, used)[units]
        states = silent_states(network, data.r, data.u, noise, first_sd=first_sd)
        after = weights(network)
        moved = after - before
        if ((moved @ gram) * moved).sum() < CURRENT_TOLERANCE**2 * ((after @ gram) * after).sum():
            break
    return _Solution(network, noise, first_sd, ridge, sites)


def _with_likeliest_tau(
    network: Network, noise: Array, first_sd: Array, data: TrainingData, units: Array
) -> tuple[Network, Array]:
    """The network and its noise with the time constant under which the rates of some units are most likely.

    The weights change with the time constant, so that active units do the same: what silence tells decides.
    """
    precision = np.full(len(noise), LEAST_SCALED_RATE)

    def likelihood(step: int) -> float:
        ratio = TAU_STEP**step
        changed = with_time_constant(network, network.tau_s * ratio)
        of_bins = log_likelihood(changed, data.r, data.u, ratio**2 * noise, precision, first_sd)
        return float(np.nansum(of_bins[..., units]))

    ratio = TAU_STEP ** most_likely_step(lru_cache(likelihood))[1]
    tau_s = float(np.clip(ratio * network.tau_s, data.dt_s, MAX_TAU_SAMPLES * data.dt_s))
    return with_time_constant(network, tau_s), (tau_s / network.tau_s) ** 2 * noise


def _uphill(
    before: Network,
    after: Network,
    data: TrainingData,
    noise: Array,
    first_sd: Array,
    sites: list[Sites],
    regions: list[Array],
) -> Network:
    """Halve the step of every unit until the step makes the rates and the weights of the unit more likely."""

    def likely(network: Network) -> Array:
        precision = np.full(len(noise), LEAST_SCALED_RATE)
        of_bins = log_likelihood(network, data.r, data.u, noise, precision, first_sd)
        of_units, W = np.nansum(of_bins, axis=(0, 1)), weights(network)
        for own, of_region in zip(regions, sites, strict=True):
            precision, shift = of_region.precision.cpu().numpy(), of_region.shift.cpu().numpy()
            of_units[own] += (shift * W[own] - precision * W[own] ** 2 / 2).sum(1)
        return of_units

    first, start_weights = likely(before), weights(before)
    for _ in range(MAX_HALVINGS):
        worse = likely(after) < first
        if not worse.any():
            break
        W = weights(after)
        W[worse] = (W[worse] + start_weights[worse]) / 2
        after = as_network(W, data, after.tau_s)
    return after


def _noise(network: Network, states: SilentStates, pairs: Transitions, z: Array, used: Array) -> Array:
    """Variance (unit,) of the noise on the current, from inferred states.

    Parameters
    ----------
    used : (unit,) degrees of freedom that the fit used.
    """
    expected, missing = expected_transitions(pairs, states)
    error = ((targets(expected, network.decay) - z @ weights(network).T) ** 2).sum(0)
    left = np.maximum(len(z) - used, 1.0)
    return np.maximum((error + missing.of_current(network.decay)) / left, LEAST_RESIDUAL_VARIANCE)
