"""Combination of the estimates of sessions over animals: random effects, with sessions nested in animals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr as normal_distribution
from scipy.special import ndtri as normal_quantile
from scipy.special import stdtr as t_distribution
from scipy.special import stdtrit as t_quantile

Array = np.ndarray


class Combined(NamedTuple):
    """An estimate over all sessions.

    Attributes
    ----------
    estimate : mean over animals; over sessions if all are of one animal.
    ci_low, ci_high : ends of the 95 % interval of the estimate; NaN if it is unknown.
    p_value : two-sided p-value of the estimate against 0; NaN if it is unknown.
    interval_over : what the interval generalises to: ``subjects``, ``sessions`` of a single animal, or ``trials`` of a
        single session.
    """

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    interval_over: str


def combine(estimate: Array, error: Array, subject: Array) -> Combined:
    """Combine the estimates of sessions, with sessions nested in animals.

    The estimates of an animal are averaged first, and then those of the animals, both with weights by their variances.
    The variance between the sessions of an animal, which is the same for all animals, and that between animals are
    estimated by the moments of DerSimonian & Laird (Control. Clin. Trials 1986). The interval is that of Hartung &
    Knapp (Stat. Med. 2001) with the t distribution of the number of animals minus 1, and never narrower than without a
    variance between animals (Roever et al., BMC Med. Res. Methodol. 2015). With few animals, it is wide. The interval
    of a single animal is about its sessions, and says nothing about other animals.

    Parameters
    ----------
    estimate : (session,) estimates.
    error : (session,) standard errors; if one of them is NaN, none is used, and sessions have equal weights.
    subject : (session,) names of the animals.

    Returns
    -------
    The combined estimate.
    """
    variance = error**2 if np.isfinite(error).all() else np.zeros(len(estimate))
    subjects = np.unique(subject)
    if len(subjects) == 1:
        over = "trials" if len(estimate) == 1 else "sessions"
        return _with_interval(estimate, variance, over)
    members = [subject == name for name in subjects]
    between_sessions = _variance_between([(estimate[chosen], variance[chosen]) for chosen in members])
    means, variances = [], []
    for chosen in members:
        weights = _weights(variance[chosen] + between_sessions)
        means.append(float(weights @ estimate[chosen] / weights.sum()))
        variances.append(1 / float(weights.sum()) if (variance[chosen] + between_sessions > 0).all() else 0.0)
    return _with_interval(np.array(means), np.array(variances), "subjects")


def stouffer(p_value: Array, sign: Array | None = None) -> float:
    """Combine the p-values of independent sessions (Stouffer et al., 1949).

    Parameters
    ----------
    p_value : (session,) p-values; NaN is left out.
    sign : (session,) sign of the effects, so that effects of opposite directions cancel and the result is two-sided;
        None for p-values of statistics without a direction.

    Returns
    -------
    The combined p-value; NaN without any p-value.
    """
    known = np.isfinite(p_value)
    if not known.any():
        return float("nan")
    # A p-value of 1 would weigh more than all others together.
    p = np.clip(p_value[known], 1e-300, 1 - 1e-3)
    if sign is None:
        return float(normal_distribution(normal_quantile(p).sum() / np.sqrt(known.sum())))
    z = np.sign(sign[known]) * -normal_quantile(p / 2)
    return float(2 * normal_distribution(-abs(z.sum()) / np.sqrt(known.sum())))


def _variance_between(groups: list[tuple[Array, Array]]) -> float:
    """Variance between the members of groups, from estimates and their variances (DerSimonian & Laird)."""
    excess, scale, freedom = 0.0, 0.0, 0
    for estimate, variance in groups:
        weights = _weights(variance)
        total = weights.sum()
        excess += float(weights @ (estimate - weights @ estimate / total) ** 2)
        scale += float(total - weights @ weights / total)
        # Without known variances, the whole spread is between the members.
        freedom += len(estimate) - 1 if (variance > 0).all() else 0
    return max(0.0, (excess - freedom) / scale) if scale > 0 else 0.0


def _weights(variance: Array) -> Array:
    return 1 / variance if (variance > 0).all() else np.ones(len(variance))


def _with_interval(estimate: Array, variance: Array, over: str) -> Combined:
    """The mean of estimates, with the interval of Hartung & Knapp; of a single estimate, that of its own variance."""
    between = _variance_between([(estimate, variance)])
    weights = _weights(variance + between)
    mean = float(weights @ estimate / weights.sum())
    if len(estimate) == 1:
        error, quantile = float(np.sqrt(variance[0])), float(normal_quantile(0.975))
        p_value = float(2 * normal_distribution(-abs(mean) / error)) if error > 0 else float("nan")
    else:
        freedom = len(estimate) - 1
        spread = float(weights @ (estimate - mean) ** 2 / (freedom * weights.sum()))
        known = 1 / float(weights.sum()) if (variance > 0).all() else 0.0
        error, quantile = np.sqrt(max(spread, known)), float(t_quantile(freedom, 0.975))
        p_value = float(2 * t_distribution(freedom, -abs(mean) / error)) if error > 0 else float("nan")
    half_width = quantile * error if error > 0 else float("nan")
    return Combined(mean, mean - half_width, mean + half_width, p_value, over)
