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

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, total_current, weights
from curbd.network.fit import Fit
from curbd.network.likelihood import log_likelihood
from curbd.network.silent_states import SilentStates, first_sds, silent_states
from curbd.recording.scaling import LEAST_SCALED_RATE
from curbd.regression.block_ridge import inflation
from curbd.regression.silent_information import SilentBins, SilentInformation
from curbd.regression.silent_units import (
    TAU_STEP,
    StateRegression,
    expected_transitions,
    held_out_folds,
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
COMPARED_FOLDS = 3
"""Number of the folds of training trials that are held out in turn."""
MAX_SCATTER_MULTIPLICATIONS = 6e11
"""Largest number of multiplications in the scatter matrices of all units.

Larger recordings keep the ridge penalty; the sparse prior would take more than about three minutes of one core."""


class _Solution(NamedTuple):
    """A network whose weights onto some units (rows) have the sparse prior.

    Attributes
    ----------
    network : the network.
    noise : (row,) variance of the noise on the current.
    first_sd : (row,) standard deviation of silent states of which nothing earlier is known.
    ridge : (row, regressor) ridge penalties of the posterior.
    sites : the sites of every target region.
    """

    network: Network
    noise: Array
    first_sd: Array
    ridge: Array
    sites: list[Sites]


def is_small_enough(data: TrainingData, solved: StateRegression) -> bool:
    """Return whether a fit with the sparse prior takes minutes at most (`MAX_SCATTER_MULTIPLICATIONS`).

    Parameters
    ----------
    data : the training trials.
    solved : the ridge regression of all training trials.
    """
    samples, (units, n_regressors) = data.r[..., 0].size, weights(solved.regression.network).shape
    return float(samples) * units * n_regressors**2 <= MAX_SCATTER_MULTIPLICATIONS


class Comparison(NamedTuple):
    """The sparse prior and ridge penalties, compared by the rates of held-out trials.

    Attributes
    ----------
    gain : log likelihood of the held-out rates under the sparse prior minus that under ridge penalties, in nats.
    standard_error : standard error of the gain, from its differences between held-out trials.
    tau_s : time constant under which the held-out rates are most likely with the sparse prior, s.
    """

    gain: float
    standard_error: float
    tau_s: float

    @property
    def is_clear(self) -> bool:
        """Whether the sparse prior gains more than one standard error."""
        return self.gain > self.standard_error


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
    scaled, units = data._replace(u=data.u / rms), np.arange(len(data.region))
    tau_s = compared_on_held_out_trials(data, solved, rounds).tau_s if data.tau_s is None else data.tau_s
    bins, began = SilentBins(scaled, units), _with_time_constant(_start(scaled, solved, rms, units), float(tau_s))
    network, noise, first_sd, ridge, sites = _solve(scaled, bins, began, rounds)
    states = silent_states(network, scaled.r, scaled.u, noise, first_sd=first_sd)
    expected, _ = expected_transitions(transitions(scaled), states)
    posterior = calibrated_posterior(
        scaled,
        SilentInformation(network, bins, states, noise).of_units,
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


def compared_on_held_out_trials(data: TrainingData, solved: StateRegression, rounds: int) -> Comparison:
    """Compare the sparse prior with ridge penalties by the rates of held-out trials, for some units of every region.

    Three fifths of the trials are held out in turn. If the time constant is to be estimated, the weights are solved for
    at time constants in steps of `TAU_STEP`, from that of the ridge regression, as long as the held-out rates become
    more likely; the median over the fifths is the estimate, because few trials of an unusual course decide a sum. (The
    likelihood of the rates to which the weights are fitted prefers time constants that are too short.)

    Parameters
    ----------
    data : the training trials.
    solved : the ridge regression of all training trials, with inferred states.
    rounds : rounds of expectation propagation.
    """
    units, tau_s = _probed_units(data.region), solved.regression.network.tau_s
    folds = [_held_out(data, solved, fold, units, rounds) for fold in range(min(held_out_folds(data), COMPARED_FOLDS))]
    step = _median_likeliest_step([of_sparse for _, of_sparse in folds]) if data.tau_s is None else 0.0
    gain = np.concatenate([of_sparse(round(step)) - of_ridge for of_ridge, of_sparse in folds])
    return Comparison(
        gain=float(gain.sum()),
        standard_error=float(np.sqrt(len(gain)) * gain.std(ddof=min(1, len(gain) - 1))),
        tau_s=float(np.clip(tau_s * TAU_STEP**step, data.dt_s, MAX_TAU_SAMPLES * data.dt_s)),
    )


def _median_likeliest_step(folds: list[Callable[[int], Array]]) -> float:
    """The median over folds of the step of the time constant under which the held-out rates are most likely."""
    first, steps = 0, list[float]()
    for of_fold in folds:
        # The search in a fold begins where that in the fold before ended.
        best, refined = most_likely_step(partial(_total_from, of_fold, first))
        steps.append(first + refined)
        first += best
    return float(np.median(steps))


def _total_from(of_fold: Callable[[int], Array], first: int, step: int) -> float:
    """Log likelihood of a fold at a step that is counted from another step."""
    return float(of_fold(first + step).sum())


def _held_out(
    data: TrainingData, solved: StateRegression, fold: int, units: Array, rounds: int
) -> tuple[Array, Callable[[int], Array]]:
    """Log likelihood of the rates of some units in one fold of held-out trials (trial,), fitted to the other trials.

    Returns
    -------
    The log likelihood under ridge penalties, and a function that returns the log likelihood under the sparse prior at a
    time constant so many steps above that of the ridge regression.
    """
    rms, tau_s = input_rms(data), solved.regression.network.tau_s
    fitted, tested = held_out_split(data, fold)
    ridge = with_inferred_states(fitted._replace(tau_s=tau_s), transitions(fitted), solved.regression)
    scaled, of_tested = (trials._replace(u=trials.u / rms) for trials in (fitted, tested))
    bins, began = SilentBins(scaled, units), _start(scaled, ridge, rms, units)

    def nats(solution: _Solution) -> Array:
        likely = _likely(solution.network, of_tested, solution.noise, solution.first_sd, units)
        return np.asarray(np.nansum(likely, axis=(1, 2)))

    @cache
    def of_sparse(step: int) -> Array:
        return nats(_solve(scaled, bins, _with_time_constant(began, tau_s * TAU_STEP**step), rounds))

    return nats(began), of_sparse


def _likely(network: Network, data: TrainingData, noise: Array, first_sd: Array, units: Array) -> Array:
    """Log likelihood (trial, time - 1, row) of the rates of some units."""
    precision = np.full(len(units), LEAST_SCALED_RATE)
    return log_likelihood(network, data.r, data.u, noise, precision, first_sd, units)


def _probed_units(region: Array) -> Array:
    """At most `PROBED_UNITS` units of every region, evenly spread."""
    of_regions = (np.flatnonzero(region == index) for index in range(region.max() + 1))
    return np.concatenate([own[:: -(-len(own) // PROBED_UNITS)] for own in of_regions])


def _start(data: TrainingData, solved: StateRegression, rms: Array, units: Array) -> _Solution:
    """Start from the network of the ridge regression, for data whose inputs were divided by ``rms`` (input,)."""
    network = solved.regression.network
    return _Solution(
        network=network._replace(B=network.B * rms),
        noise=solved.noise_variance[units],
        first_sd=solved.first_sd[units],
        ridge=np.zeros((len(units), weights(network).shape[1])),
        sites=[start(data, count) for count in np.bincount(data.region[units])],
    )


def _solve(data: TrainingData, bins: SilentBins, began: _Solution, rounds: int) -> _Solution:
    """Solve for the weights onto some units under the sparse prior, by Gauss-Newton steps.

    Parameters
    ----------
    data : the training trials, with inputs of root mean square 1.
    bins : the training trials, and the units whose weights are solved for.
    began : the solution from which the steps begin; its network has the time constant.
    rounds : rounds of expectation propagation in the first step.
    """
    units, source, pairs = bins.units, source_of_regressor(data.region, data.u.shape[2]), transitions(data)
    regions = [np.flatnonzero(data.region[units] == region) for region in range(data.n_regions)]
    z, sites, ridge, noise = regressors(pairs), list(began.sites), began.ridge.copy(), began.noise
    gram, used = z.T @ z, np.zeros(len(units))
    network, first_sd = began.network, began.first_sd
    states = silent_states(network, data.r, data.u, noise, first_sd=first_sd, units=units)
    for step in range(MAX_GAUSS_NEWTON_STEPS):
        information = SilentInformation(network, bins, states, noise)
        W = weights(network)
        before = W[units]
        for target, own in enumerate(regions):
            repeats, fixed = (ROUNDS_OF_STEP, 0) if step else (rounds, ROUNDS_BEFORE_LEARNING)
            rows = propagated(sites[target], information.of_units(own), source, noise[own], repeats, fixed)
            sites[target], used[own] = rows.sites, rows.used.cpu().numpy()
            W[units[own]], ridge[own] = rows.mean.cpu().numpy(), rows.ridge.cpu().numpy()
        network = _uphill(network, as_network(W, data, network.tau_s), data, noise, first_sd, sites, units)
        states = silent_states(network, data.r, data.u, noise, first_sd=first_sd, units=units)
        first_sd = first_sds(states, bins.r)
        noise = noise_variance(network, states, pairs, z, used, units)
        states = silent_states(network, data.r, data.u, noise, first_sd=first_sd, units=units)
        after = weights(network)[units]
        moved = after - before
        if ((moved @ gram) * moved).sum() < CURRENT_TOLERANCE**2 * ((after @ gram) * after).sum():
            break
    return _Solution(network, noise, first_sd, ridge, sites)


def _with_time_constant(solution: _Solution, tau_s: float) -> _Solution:
    """The solution with another time constant, in which active units do the same."""
    ratio = tau_s / solution.network.tau_s
    return solution._replace(network=with_time_constant(solution.network, tau_s), noise=ratio**2 * solution.noise)


def _uphill(
    before: Network,
    after: Network,
    data: TrainingData,
    noise: Array,
    first_sd: Array,
    sites: list[Sites],
    units: Array,
) -> Network:
    """Halve the step of every unit until the step makes the rates and the weights of the unit more likely."""
    ordered = np.argsort(data.region[units], kind="stable")
    precision, shift = np.empty((2, len(units), weights(before).shape[1]))
    precision[ordered] = np.concatenate([of_region.precision.cpu().numpy() for of_region in sites])
    shift[ordered] = np.concatenate([of_region.shift.cpu().numpy() for of_region in sites])

    def likely(network: Network, rows: Array) -> Array:
        own = units[rows]
        of_rates = np.nansum(_likely(network, data, noise[rows], first_sd[rows], own), axis=(0, 1))
        W = weights(network)[own]
        return np.asarray(of_rates + (shift[rows] * W - precision[rows] * W**2 / 2).sum(1))

    rows, W_before = np.arange(len(units)), weights(before)[units]
    least = likely(before, rows)
    for _ in range(MAX_HALVINGS):
        rows = rows[likely(after, rows) < least[rows]]
        if not len(rows):
            break
        W = weights(after)
        W[units[rows]] = (W[units[rows]] + W_before[rows]) / 2
        after = as_network(W, data, after.tau_s)
    return after


def noise_variance(
    network: Network, states: SilentStates, pairs: Transitions, z: Array, used: Array | float, units: Array
) -> Array:
    """Return the variance (row,) of the noise on the current into some units, from inferred states.

    Parameters
    ----------
    network : the network.
    states : distributions of the states of these units.
    pairs : transitions of the trials.
    z : (pair, regressor) regressors of the transitions.
    used : (row,) degrees of freedom that the fit used.
    units : (row,) indices of the units.
    """
    expected, missing = expected_transitions(pairs, states)
    current = total_current(expected.x, expected.x_next, network.decay)
    error = ((current - z @ weights(network)[units].T) ** 2).sum(0)
    left = np.maximum(len(z) - used, 1.0)
    return np.maximum((error + missing.of_current(network.decay)) / left, LEAST_RESIDUAL_VARIANCE)
