"""What would make a pathway resolvable: how many more trials, or which other change, by the evidence so far.

With n trials the error variance of a regression falls as 1 / n. The expected R2 of a current C with error variance V is
C^2 / (C^2 + V), so that R2 / (1 - R2) grows in proportion to n; so does r / (1 - r) for the agreement of two fits. The
ratio of a held-out gain to its standard error grows as the square root of n. All three assume that the further trials
are like the recorded ones and that the model is right; more trials of a model that is wrong resolve nothing.
"""

from __future__ import annotations

from curbd.pathways.verdict import (
    MIN_PREDICTED_R2,
    MIN_SEED_R,
    MIN_UNIQUE_T,
    Grounds,
    Judgement,
)
from curbd.recording.sufficiency import MIN_BINS_PER_WEIGHT

MAX_FACTOR = 20.0
"""Larger factors are not told as a number of trials: the estimate is too rough, and no one records that much."""
SMALLEST_FACTOR = 1.1
"""Smaller factors are told as this factor: the estimate is too rough for less."""
REMEDIES = {
    "correlated_residuals": "rates that are not smoothed (smoothing_s: 0), inputs that are still missing, or an "
    "estimator that models measurement noise (state_space)",
    "memory": "more of the units that drive the target, or a model of unrecorded units (estimator population)",
    "shared_fluctuations": "the input that the units of the target share, recorded or inferred (hidden_inputs: auto)",
    "indirect_input": "narrower bins, which separate what enters at once from what other units pass on",
    "excess_error": "an estimator that predicts held-out currents as well as ridge regression does (one_step)",
    "shared_skewness": "the signal that all regions share, recorded or taken out of the activity",
    "hidden_by_noise": "more spikes per bin of the source: wider bins or more active units",
}
"""Code of an objection -> what would remove it, other than trials."""


def needed(grounds: Grounds, judgement: Judgement, trials: int) -> str:
    """Say what would make a pathway resolvable.

    Parameters
    ----------
    grounds : the evidence on the pathway.
    judgement : the verdict on the pathway.
    trials : number of training trials.

    Returns
    -------
    A list of needs, separated by ``; ``; '' for a resolved pathway, and where nothing suggests that the pathway exists.
    """
    if judgement.verdict == "resolved" or "no_current" in judgement.codes:
        return ""
    factors = {code: factor for code in judgement.codes if (factor := trials_factor(code, grounds)) is not None}
    needs = []
    if any(factor == float("inf") for factor in factors.values()):
        if judgement.grade == "no_evidence":
            return ""
        factors = {code: factor for code, factor in factors.items() if factor < float("inf")}
    if factors:
        needs.append(more_trials(max(factors.values()), trials))
        if "few_bins" in factors:
            needs.append(f"or longer windows, or at most {1 / factors['few_bins']:.0%} of the units")
    needs += [REMEDIES[code] for code in judgement.codes if code in REMEDIES]
    return "; ".join(needs)


def trials_factor(code: str, grounds: Grounds) -> float | None:
    """Estimate by which factor the number of trials must grow until an objection no longer holds.

    Parameters
    ----------
    code : code of the objection.
    grounds : the evidence on the pathway.

    Returns
    -------
    The factor; infinity if the evidence so far has the wrong sign; None if trials do not remove the objection.
    """
    if code == "wide_interval":
        return growth(grounds.predicted_r2, MIN_PREDICTED_R2)
    if code == "refits_disagree":
        return growth(grounds.seed_r, MIN_SEED_R)
    if code == "few_bins":
        return MIN_BINS_PER_WEIGHT / grounds.samples_per_regressor
    if code in ("no_evidence", "explained_by_past"):
        return max((MIN_UNIQUE_T / grounds.unique_t) ** 2, 1.0) if grounds.unique_t > 0 else float("inf")
    return None


def more_trials(factor: float, trials: int) -> str:
    """Say how many more trials would remove an objection.

    Parameters
    ----------
    factor : factor by which the number of trials must grow.
    trials : number of training trials.
    """
    if factor > MAX_FACTOR:
        return f"more than {MAX_FACTOR:.0f} times as many trials"
    factor = max(factor, SMALLEST_FACTOR)
    return f"about {factor:.1f} times as many trials ({max(round(factor * trials), trials + 1)} for training)"


def growth(measured: float, wanted: float) -> float:
    """Estimate the factor on the data by which a / (1 - a) grows from the measured to the wanted value.

    Parameters
    ----------
    measured : an R2 or a correlation; the factor is infinite if it is 0 or less.
    wanted : the value that is wanted, below 1.
    """
    if measured <= 0:
        return float("inf")
    return (wanted / (1 - wanted)) / (measured / (1 - measured))
