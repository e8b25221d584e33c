"""The rule of the verdict: whether the current of a pathway can be believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MAX_Q_VALUE = 0.05
MIN_PREDICTED_R2 = 0.5
MIN_SEED_R = 0.7
MAX_RESIDUAL_AUTOCORRELATION = 0.2
MIN_SAMPLES_PER_REGRESSOR = 5.0
MAX_EXCESS_ERROR = 0.02
MAX_MEMORY_NATS = 10.0
MAX_SHARED_SD = 6.0
MAX_UNSEEN_SHARE = 0.25


class Grounds(NamedTuple):
    """The evidence on one pathway; NaN where a quantity is unknown.

    Attributes
    ----------
    q_value : q value of the pathway under the null of `curbd.pathways.shuffled_source`.
    predicted_r2 : R2 between the estimated and the true current that the posterior predicts.
    seed_r : agreement of the current between fits.
    residual_autocorrelation : lag-1 autocorrelation of the target's residual.
    samples_per_regressor : number of training transitions for each regressor.
    excess_error : held-out one-step error of the network divided by the held-out error of a ridge regression, minus 1.
    memory_nats : log Bayes factor for a dependence of the target on the past of the recorded units, in addition to
        their present (`curbd.pathways.unrecorded`).
    shared_sd : by how many standard deviations the slow fluctuations that the residuals of the target's units share
        exceed those of independent units (`curbd.pathways.unrecorded`).
    unseen_share : share of the variance of the source's rates that measurement noise hides, as estimated by the
        estimator.
    rms : root mean square of the current in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.
    """

    q_value: float
    predicted_r2: float
    seed_r: float
    residual_autocorrelation: float
    samples_per_regressor: float
    excess_error: float
    memory_nats: float
    shared_sd: float
    unseen_share: float = float("nan")
    rms: float = float("nan")


def verdict(grounds: Grounds) -> tuple[str, str]:
    """Judge a pathway: is its current believable?

    A pathway is ``resolved`` if all of the following hold. The source predicts something about the target that no other
    source predicts (q value of the null). The posterior expects the estimated current to explain at least half of the
    variance of the true current. Refits to resampled trials agree on the current. The model is adequate: its residuals
    are white, there are enough data, and it predicts held-out currents no worse than a ridge regression; a network that
    misses a part of the current attributes the rest wrongly. Measurement noise hides at most a quarter of the variance
    of the source's rates. Neither hint of unrecorded units or inputs is present (`curbd.pathways.unrecorded`), because
    the current of unrecorded units would be attributed to recorded units. A source that sends no current at all is
    unresolved. Unknown evidence (NaN) does not count against a pathway.

    Parameters
    ----------
    grounds : the evidence on the pathway.

    Returns
    -------
    verdict : ``resolved`` or ``unresolved``.
    reason : the evidence for a resolved pathway, or everything that speaks against an unresolved pathway.
    """
    against = _objections(grounds)
    if against:
        return "unresolved", "; ".join(against)
    return "resolved", ", ".join(_support(grounds)) or "nothing speaks against the pathway"


def _objections(grounds: Grounds) -> list[str]:
    """List everything that speaks against the current of a pathway."""
    against = []
    if grounds.rms == 0:
        return ["the source sends no current to the target"]
    if grounds.samples_per_regressor < MIN_SAMPLES_PER_REGRESSOR:
        against.append(f"{grounds.samples_per_regressor:.1f} training bins per weight are too few")
    if abs(grounds.residual_autocorrelation) > MAX_RESIDUAL_AUTOCORRELATION:
        against.append(
            f"the residuals are correlated in time ({grounds.residual_autocorrelation:.2f}): "
            "possible causes are an unmodelled input, measurement noise, smoothing, or a wrong time constant"
        )
    if grounds.memory_nats > MAX_MEMORY_NATS:
        against.append(
            "the past of the recorded units predicts a part of the current that their present does not predict "
            f"(log Bayes factor {grounds.memory_nats:.0f}): "
            "possible causes are unrecorded units or inputs, measurement noise, smoothing, or a wrong time constant"
        )
    if grounds.shared_sd > MAX_SHARED_SD:
        against.append(
            f"the residuals of the target's units fluctuate together ({grounds.shared_sd:.0f} sd): "
            "a possible cause is an input from outside the recording"
        )
    if grounds.excess_error > MAX_EXCESS_ERROR:
        against.append(
            f"the held-out error is {grounds.excess_error:.0%} above that of ridge regression: "
            "the model misses a part of the current"
        )
    if grounds.unseen_share > MAX_UNSEEN_SHARE:
        against.append(f"measurement noise hides {grounds.unseen_share:.0%} of the source's activity")
    if grounds.q_value > MAX_Q_VALUE:
        against.append(f"the source predicts no more than a shuffled source does (q = {grounds.q_value:.2g})")
    if grounds.predicted_r2 < MIN_PREDICTED_R2:
        against.append(f"the interval of the current is wide (expected R2 {grounds.predicted_r2:.2f})")
    if grounds.seed_r < MIN_SEED_R:
        against.append(f"refits to resampled trials disagree (r = {grounds.seed_r:.2f})")
    return against


def _support(grounds: Grounds) -> list[str]:
    """List the evidence for the current of a pathway."""
    support = []
    if np.isfinite(grounds.q_value):
        support.append(f"q = {grounds.q_value:.2g}")
    if np.isfinite(grounds.predicted_r2):
        support.append(f"expected R2 {grounds.predicted_r2:.2f}")
    if np.isfinite(grounds.seed_r):
        support.append(f"refits agree (r = {grounds.seed_r:.2f})")
    return support
