"""Whether a pathway can be believed: the rule of the verdict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray

Q_VALUE = 0.05
PREDICTED_R2 = 0.5
SEED_R = 0.7
RESIDUAL_AUTOCORRELATION = 0.2
SAMPLES_PER_REGRESSOR = 5.0
EXCESS_ERROR = 0.02
MEMORY_NATS = 10.0
SHARED_SD = 6.0
UNSEEN_SHARE = 0.25


class Grounds(NamedTuple):
    """What is known about one pathway; NaN where it is not known.

    Attributes
    ----------
    q_value : of the null in `curbd.pathways.shuffled_source`.
    predicted_r2 : R2 with the true current that the posterior predicts.
    seed_r : agreement of the current between fits.
    residual_autocorrelation : lag 1, of the target's residual.
    samples_per_regressor : training transitions over regressors.
    excess_error : by what share the network's held-out one-step error is above that of a plain ridge regression.
    memory_nats : log Bayes factor for a dependence of the target on the past of the recorded units, beyond their
        present (`curbd.pathways.unrecorded`).
    shared_sd : slow fluctuations that the residuals of the target's units share, beyond the largest of independent
        units (`curbd.pathways.unrecorded`).
    unseen_share : share of the variance of the source's rates that measurement noise hides, as its estimator found.
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


def verdict(grounds: Grounds) -> tuple[str, str]:
    """``resolved`` when nothing speaks against the pathway's current, else ``unresolved`` and everything that does.

    The source must tell something about the target that no other source tells (q value of the null), the posterior
    must expect its current to explain half of the true one, refits to resamples must agree on it, and the model must
    hold: white residuals, enough data, no worse a prediction of held-out currents than plain ridge regression, for a
    network that misses a part of the current has booked the rest wrongly, and neither sign of something that was not
    recorded (`curbd.pathways.unrecorded`), for it is booked on what was.
    """
    against = []
    if grounds.samples_per_regressor < SAMPLES_PER_REGRESSOR:
        against.append(f"{grounds.samples_per_regressor:.1f} training bins a weight are too few")
    if abs(grounds.residual_autocorrelation) > RESIDUAL_AUTOCORRELATION:
        against.append(
            f"residuals are correlated in time ({grounds.residual_autocorrelation:.2f}): "
            "unmodelled input, measurement noise or smoothing, or a wrong time constant"
        )
    if grounds.memory_nats > MEMORY_NATS:
        against.append(
            f"the past of the recorded units tells what their present does not (log odds {grounds.memory_nats:.0f}): "
            "unrecorded units or inputs, measurement noise or smoothing, or a wrong time constant"
        )
    if grounds.shared_sd > SHARED_SD:
        against.append(
            f"residuals of its units fluctuate together ({grounds.shared_sd:.0f} sd): input from outside the recording"
        )
    if grounds.excess_error > EXCESS_ERROR:
        against.append(
            f"held-out error {grounds.excess_error:.0%} above that of ridge regression: the model misses a part"
        )
    if grounds.unseen_share > UNSEEN_SHARE:
        against.append(f"measurement noise hides {grounds.unseen_share:.0%} of the source's activity")
    if grounds.q_value > Q_VALUE:
        against.append(f"no more than a shuffled source (q = {grounds.q_value:.2g})")
    if grounds.predicted_r2 < PREDICTED_R2:
        against.append(f"wide interval (expected R2 {grounds.predicted_r2:.2f})")
    if grounds.seed_r < SEED_R:
        against.append(f"refits to resampled trials disagree (r = {grounds.seed_r:.2f})")
    if against:
        return "unresolved", "; ".join(against)
    support = [
        f"q = {grounds.q_value:.2g}" if np.isfinite(grounds.q_value) else "",
        f"expected R2 {grounds.predicted_r2:.2f}" if np.isfinite(grounds.predicted_r2) else "",
        f"refits agree (r = {grounds.seed_r:.2f})" if np.isfinite(grounds.seed_r) else "",
    ]
    return "resolved", ", ".join(filter(None, support)) or "nothing speaks against it"
