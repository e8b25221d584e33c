"""Regression of the current of units whose states are unknown while they are silent (relu).

The states of silent units and the weights are estimated in turn (expectation-maximisation; Dempster, Laird & Rubin
1977). Given the weights, the states of silent units have a distribution (`curbd.network.silent_states`). Given this
distribution, the regression is that of all other units with the expected currents: the regressors are rates, which are
known, so that the second moments of the regressors never change. The uncertainty of the states counts as part of the
noise, and as information that the posterior of the weights lacks (Louis 1982).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, weights
from curbd.network.likelihood import log_likelihood
from curbd.network.silent_states import FIRST_SD, SilentStates, first_sds, silent_states
from curbd.network.tensors import tensor
from curbd.recording.scaling import LEAST_SCALED_RATE
from curbd.regression.block_ridge import Regression, regress, residual_variance
from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import moments
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.time_constant_limits import MAX_TAU_SAMPLES
from curbd.regression.transitions import TrainingData, Transitions, as_network, regressors, targets, transitions

Array = np.ndarray
MAX_STATE_ROUNDS = 30
"""Largest number of rounds of expectation-maximisation."""
WEIGHT_CHANGE_TOLERANCE = 3e-3
"""Relative change of the weights below which the states of silent units have converged."""
PENALTY_ROUNDS = 3
"""Updates of the penalties in a round of expectation-maximisation."""
TAU_STEP = 1.25
"""Ratio of successive time constants that are tried."""
MAX_TAU_STEPS = 12
"""Largest number of steps that the time constant moves from that of states without inference."""
HELD_OUT_FOLDS = 5
"""Every fifth training trial, or the last fifth of every trial if there are fewer, is held out."""
LEAST_KNOWN_SHARE = 0.05
"""The share of the information on a unit that its silence leaves counts as this value at least."""


class StateRegression(NamedTuple):
    """A solved regression, and what it knows of the states of silent units.

    Attributes
    ----------
    regression : the solved regression.
    pairs : the transitions, with the expected states of silent units.
    noise_variance : (unit,) variance of the noise on the current.
    known_share : (unit,) share of the information on the weights onto a unit that its silence leaves; 1 for units whose
        states are known.
    first_sd : (unit,) standard deviation of silent states of which nothing earlier is known.
    """

    regression: Regression
    pairs: Transitions
    noise_variance: Array
    known_share: Array
    first_sd: Array


def regress_states(data: TrainingData, pairs: Transitions, penalties: str = "auto") -> StateRegression:
    """Solve the regression of the current; if the states of silent units are unknown, infer these states, too.

    Parameters
    ----------
    data : the training trials, with one Euler step in a sample if silent units hide their states.
    pairs : transitions of the training trials.
    penalties : how the penalties are chosen (see `curbd.settings.estimators.OneStep`).
    """
    if not data.nonlinearity.hides_silent:
        regression = regress(data, pairs, penalties)
        ones = np.ones(len(data.region))
        return StateRegression(regression, pairs, residual_variance(regression, data), ones, FIRST_SD * ones)
    start = regress(data, pairs, "evidence")
    if data.tau_s is None:
        start = _most_likely(data, start)
    tau_s = start.network.tau_s
    solved = with_inferred_states(data._replace(tau_s=tau_s), pairs, start)
    regression = regress(data._replace(tau_s=tau_s), solved.pairs, penalties)
    return solved._replace(regression=regression)


def held_out_folds(data: TrainingData) -> int:
    """Return in how many ways `held_out_split` divides training trials: one way if there are few trials.

    Parameters
    ----------
    data : the training trials.
    """
    return HELD_OUT_FOLDS if len(data.trial) >= HELD_OUT_FOLDS else 1


def held_out_split(data: TrainingData, fold: int = 0) -> tuple[TrainingData, TrainingData]:
    """Divide training trials into four fifths for a fit and the rest: every fifth trial, or the ends of few trials.

    Parameters
    ----------
    data : the training trials.
    fold : index of the first held-out trial, below `held_out_folds`.
    """
    if held_out_folds(data) > 1:
        held = np.arange(len(data.trial)) % HELD_OUT_FOLDS == fold
        return data.of_trials(~held), data.of_trials(held)
    first = data.r.shape[1] - data.r.shape[1] // HELD_OUT_FOLDS
    return (
        data._replace(r=data.r[:, :first], u=data.u[:, :first]),
        data._replace(r=data.r[:, first:], u=data.u[:, first:]),
    )


def _most_likely(data: TrainingData, start: Regression) -> Regression:
    """The regression with the time constant under which the rates of held-out trials are most likely.

    Time constants in steps of `TAU_STEP` are tried from that of the start, as long as the likelihood grows. A parabola
    through the best three gives the estimate. (Expectation-maximisation would move the time constant only slowly,
    because the states of silent units were inferred with the time constant before. Under the rates to which the weights
    are fitted, time constants that are too short by a third are likelier than the true one: weights of units onto
    themselves then explain noise.)
    """
    likely: dict[int, float] = {}
    fitted, tested = held_out_split(data)
    fitted_pairs = transitions(fitted)
    # Time constants are compared between solutions that begin with states that were inferred for a while.
    solved = {0: with_inferred_states(fitted._replace(tau_s=start.network.tau_s), fitted_pairs, start).regression}

    def likelihood(step: int) -> float:
        if step not in likely:
            nearest = solved[min(solved, key=lambda known: abs(known - step))]
            tau_s = float(np.clip(start.network.tau_s * TAU_STEP**step, data.dt_s, MAX_TAU_SAMPLES * data.dt_s))
            of_tau = fitted._replace(tau_s=tau_s)
            network = with_time_constant(nearest.network, tau_s)
            found = with_inferred_states(of_tau, fitted_pairs, nearest._replace(network=network))
            solved[step], precision = found.regression, np.full(len(data.region), LEAST_SCALED_RATE)
            of_bins = log_likelihood(
                found.regression.network, tested.r, tested.u, found.noise_variance, precision, found.first_sd
            )
            likely[step] = float(np.nanmean(of_bins))
        return likely[step]

    best, refined = most_likely_step(likelihood)
    tau_s = start.network.tau_s * TAU_STEP**refined
    return solved[best]._replace(network=solved[best].network._replace(tau_s=tau_s))


def with_time_constant(network: Network, tau_s: float) -> Network:
    """Return the network of another time constant in which active relu units do the same.

    While a unit is active, its rate is its state, so that a longer time constant is a weight of the unit onto itself.
    Only silence tells the two apart.

    Parameters
    ----------
    network : a network of relu units with one Euler step in a sample.
    tau_s : the other time constant, s.
    """
    ratio = tau_s / network.tau_s
    J = ratio * network.J + (1 - ratio) * np.eye(len(network.J))
    return network._replace(J=J, B=ratio * network.B, b=ratio * network.b, tau_s=tau_s)


def most_likely_step(likelihood: Callable[[int], float]) -> tuple[int, float]:
    """Find the step on a grid of time constants with the largest likelihood, uphill from step 0.

    Parameters
    ----------
    likelihood : function of the step -> likelihood.

    Returns
    -------
    The best step, and the maximum of a parabola through the best step and the steps beside it.
    """
    best = 0
    while True:
        better = max((best - 1, best, best + 1), key=likelihood)
        if better == best or abs(better) > MAX_TAU_STEPS:
            break
        best = better
    below, here, above = (likelihood(best + side) for side in (-1, 0, 1))
    curvature = below - 2 * here + above
    shift = 0.5 * (below - above) / curvature if curvature < 0 else 0.0
    return best, best + float(np.clip(shift, -1, 1))


def with_inferred_states(data: TrainingData, pairs: Transitions, start: Regression) -> StateRegression:
    """Estimate the states of silent units and the weights in turn, at a given time constant.

    Parameters
    ----------
    data : the training trials, with a time constant.
    pairs : transitions of the training trials.
    start : the solution from which the estimation starts.
    """
    z, solved = regressors(pairs), start
    noise, first_sd = residual_variance(start, data), np.full(len(data.region), FIRST_SD)
    for _ in range(MAX_STATE_ROUNDS):
        network, before = solved.network, weights(solved.network)
        states = silent_states(network, data.r, data.u, noise, first_sd=first_sd)
        first_sd = first_sds(states, data.r)
        expected, missing = expected_transitions(pairs, states)
        unknown = missing.of_current(network.decay)
        total = moments(z, targets(expected, network.decay))
        total = total._replace(YY=total.YY + tensor(unknown))
        penalty = evidence_penalties(total, solved.source, solved.penalty, rounds=PENALTY_ROUNDS)
        W, determined = solved_blocks(total, solved.source, penalty)
        network = as_network(W, data, network.tau_s)
        solved = solved._replace(network=network, penalty=penalty, total=total, determined=determined)
        noise = residual_variance(solved, data)
        if np.linalg.norm(weights(network) - before) < WEIGHT_CHANGE_TOLERANCE * np.linalg.norm(before):
            break
    known = np.clip(1 - unknown / len(z) / noise, LEAST_KNOWN_SHARE, 1.0)
    return StateRegression(solved, expected, noise, known, first_sd)


class Missing(NamedTuple):
    """Sums over transitions of what is unknown of the states: (unit,) variances and covariance of x and x_next."""

    x: Array
    x_next: Array
    both: Array

    def of_current(self, D: Array | float) -> Array:
        """Return the sum over transitions of the unknown variance of the current.

        Parameters
        ----------
        D : share of a state that is left after one sample.
        """
        return (self.x_next - 2 * D * self.both + D**2 * self.x) / (1 - D) ** 2


def expected_transitions(pairs: Transitions, states: SilentStates) -> tuple[Transitions, Missing]:
    """Return the transitions between expected states, and what is unknown of these states.

    Parameters
    ----------
    pairs : the transitions.
    states : distributions of the states.
    """
    before, after = (pairs.trial, pairs.time), (pairs.trial, pairs.time + 1)
    missing = Missing(states.variance[before].sum(0), states.variance[after].sum(0), states.with_next[before].sum(0))
    return pairs._replace(x=states.mean[before], x_next=states.mean[after]), missing
