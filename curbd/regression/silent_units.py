"""Regression of the current of units whose states are unknown while they are silent (relu).

The states of silent units and the weights are estimated in turn (expectation-maximisation; Dempster, Laird & Rubin
1977). Given the weights, the states of silent units have a distribution (`curbd.network.silent_states`). Given this
distribution, the regression is that of all other units with the expected currents: the regressors are rates, which are
known, so that the second moments of the regressors never change. The uncertainty of the states counts as part of the
noise, and as information that the posterior of the weights lacks (Louis 1982).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import weights
from curbd.network.silent_states import SilentStates, silent_states
from curbd.network.tensors import tensor
from curbd.regression.block_ridge import Regression, regress, residual_variance
from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import Moments, moments, solve_blocks
from curbd.regression.state_moments import StateMoments, state_moments
from curbd.regression.time_constant import most_evident_tau
from curbd.regression.transitions import TrainingData, Transitions, as_network, regressors, targets

Array = np.ndarray
MAX_STATE_ROUNDS = 30
"""Largest number of rounds of expectation-maximisation."""
WEIGHT_CHANGE_TOLERANCE = 3e-3
"""Relative change of the weights below which the states of silent units have converged."""
PENALTY_ROUNDS = 3
"""Updates of the penalties, and of the time constant, in a round of expectation-maximisation."""
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
    """

    regression: Regression
    pairs: Transitions
    noise_variance: Array
    known_share: Array


def regress_states(data: TrainingData, pairs: Transitions, penalties: str = "auto") -> StateRegression:
    """Solve the regression of the current; if the states of silent units are unknown, infer these states, too.

    Parameters
    ----------
    data : the training trials, with one Euler step in a sample if silent units hide their states.
    pairs : transitions of the training trials.
    penalties : how the penalties are chosen (see `curbd.settings.models.OneStep`).
    """
    if not data.nonlinearity.hides_silent:
        regression = regress(data, pairs, penalties)
        return StateRegression(regression, pairs, residual_variance(regression, data), np.ones(len(data.region)))
    solved = regress(data, pairs, "evidence")
    network, noise, penalty = solved.network, residual_variance(solved, data), solved.penalty
    z = regressors(pairs)
    for _ in range(MAX_STATE_ROUNDS):
        before = weights(network)
        expected, missing = _expected(pairs, silent_states(network, data.r, data.u, noise, _drive(data)))
        tau_s = network.tau_s
        if data.tau_s is None:
            states = _with_missing(state_moments(z, expected.x, expected.x_next), missing)
            tau_s = most_evident_tau(states, data, PENALTY_ROUNDS, start_tau_s=tau_s, start_penalty=penalty)[0]
        y = targets(expected, data.dt_s, tau_s, data.substeps)
        unknown = missing.of_current(network._replace(tau_s=tau_s).decay)
        total = moments(z, y)
        total = total._replace(YY=total.YY + tensor(unknown))
        penalty = evidence_penalties(total, solved.source, penalty, rounds=PENALTY_ROUNDS)
        network = as_network(solve_blocks(total, solved.source, penalty), data, tau_s)
        regression = solved._replace(network=network, penalty=penalty, total=total)
        noise = residual_variance(regression, data)
        if np.linalg.norm(weights(network) - before) < WEIGHT_CHANGE_TOLERANCE * np.linalg.norm(before):
            break
    regression = regress(data._replace(tau_s=network.tau_s), expected, penalties)
    known = np.clip(1 - unknown / len(z) / noise, LEAST_KNOWN_SHARE, 1.0)
    return StateRegression(regression, expected, noise, known)


class _Missing(NamedTuple):
    """Sums over transitions of what is unknown of the states: (unit,) variances and covariance of x and x_next."""

    x: Array
    x_next: Array
    both: Array

    def of_current(self, D: Array | float) -> Array:
        """Sum over transitions of the unknown variance of the current."""
        return (self.x_next - 2 * D * self.both + D**2 * self.x) / (1 - D) ** 2


def _expected(pairs: Transitions, states: SilentStates) -> tuple[Transitions, _Missing]:
    """Transitions between expected states, and what is unknown of these states."""
    before, after = (pairs.trial, pairs.time), (pairs.trial, pairs.time + 1)
    missing = _Missing(states.variance[before].sum(0), states.variance[after].sum(0), states.with_next[before].sum(0))
    return pairs._replace(x=states.mean[before], x_next=states.mean[after]), missing


def _with_missing(states: StateMoments, missing: _Missing) -> StateMoments:
    """Second moments of states that are partly unknown, from those of the expected states."""
    both: Moments = states.both
    unknown = torch.cat([tensor(missing.x), tensor(missing.x_next)])
    return StateMoments(both._replace(YY=both.YY + unknown), states.across + tensor(missing.both))


def _drive(data: TrainingData) -> Array | float:
    return 0.0 if data.drive is None else data.drive
