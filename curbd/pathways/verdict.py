"""The rule of the verdict: whether the current of a pathway can be believed, and how good the evidence is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.beside_limit import beside_limit
from curbd.recording.sufficiency import MIN_BINS_PER_WEIGHT

MAX_Q_VALUE = 0.05
MIN_PREDICTED_R2 = 0.5
MIN_SEED_R = 0.7
MAX_RESIDUAL_AUTOCORRELATION = 0.2
MAX_EXCESS_ERROR = 0.02
MAX_MEMORY_NATS = 10.0
MAX_SHARED_SD = 6.0
MAX_UNRECORDED_SHARE = 1e-4
"""Evidence for something unrecorded counts against a current only above this share of the variance, so that a long
recording is not blamed for its length."""
MIN_UNIQUE_SHARE = 1e-4
"""Smallest unique share that counts as evidence beyond the past."""
MIN_UNIQUE_T = 4.0
"""Smallest ratio of a unique share to its standard error over five folds that counts as evidence beyond the past."""
MIN_IMMEDIATE_FRACTION = 0.1
"""An input enters a region itself if the present of the input alone adds this fraction of its unique share."""
MAX_UNSEEN_SHARE = 0.25

MAX_SKEWED_P_VALUE = 0.001
LEAST_DIRECT_EFFECT = 0.25
"""Smallest direct effect, in standard deviations and after every filter, that resolves a pathway. The interval of an
effect beside an unrecorded cause that agrees lies beyond the same size. Chosen on simulated fMRI of our own with noise,
saturation, delays and regions that were not recorded (docs/independent.md)."""
MAX_SKEWED_MISFIT = 0.05
"""Largest share of the skewness that recorded regions may leave unexplained. A cause that all regions share, and that
was not recorded, leaves more; so do noise and saturation."""
LEAST_SLOW_BIN_S = 0.5
"""Effects between units are over within a bin of this width, s, whatever memory a slow indicator adds."""

CONFOUNDS = frozenset({"memory", "shared_fluctuations", "indirect_input", "time_constant_limit"})
"""Codes of grounds that leave the existence of a pathway possible, but not the size of its current."""
BLIND_SPOTS = frozenset({"few_bins", "hidden_by_noise"})
"""Codes of grounds because of which missing evidence says nothing."""
OF_THE_BIN_BEFORE = CONFOUNDS - {"shared_fluctuations"} | {
    "no_evidence",
    "explained_by_past",
    "wide_interval",
    "refits_disagree",
    "correlated_residuals",
    "excess_error",
}
"""Codes of grounds that speak against a regression on the bin before, and not against an effect within a bin."""


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
        their present (`curbd.pathways.past`).
    shared_sd : by how many standard deviations the slow fluctuations that the residuals of the target's units share
        exceed those of independent units (`curbd.pathways.unrecorded`).
    memory_share : share of the variance of the target's current that the past of the recorded units adds to their
        present in predictions of every bin from the bins before.
    common_share : share of this variance that a slow common factor of the target's residuals explains.
    unique_share : share of this variance that the source, present and past, adds to the present and the past of all
        other sources.
    unique_t : this share divided by its standard error over folds of trials.
    immediate_share : share that the present of a known input adds to all else, the past of the input included; NaN for
        a source that is not a known input.
    unseen_share : share of the variance of the source's rates that measurement noise hides, as estimated by the
        estimator.
    rms : root mean square of the current in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.
    limited_tau_s : the estimated time constant, s, if it is one bin, or about 100 bins or more; otherwise NaN.
    bin_s : width of the bins, s.
    skewed_p_value : p-value of the direct effect that the skewness of the activity shows (`curbd.pathways.skewness`).
    skewed_effect_low : this effect after the filter under which it is smallest, in standard deviations; 0 if its sign
        depends on the filter.
    skewed_misfit : share of the skewness of the activity that effects between recorded regions do not explain.
    cumulant_ci_low, cumulant_ci_high : 95 % interval of the direct effect beside a cause that was not recorded, from
        third-order cumulants of the activity (`curbd.pathways.cumulants`), in standard deviations.
    """

    q_value: float
    predicted_r2: float
    seed_r: float
    residual_autocorrelation: float
    samples_per_regressor: float
    excess_error: float
    memory_nats: float
    shared_sd: float
    memory_share: float
    common_share: float
    unique_share: float
    unique_t: float
    immediate_share: float = float("nan")
    unseen_share: float = float("nan")
    rms: float = float("nan")
    limited_tau_s: float = float("nan")
    bin_s: float = float("nan")
    skewed_p_value: float = float("nan")
    skewed_effect_low: float = float("nan")
    skewed_misfit: float = float("nan")
    cumulant_ci_low: float = float("nan")
    cumulant_ci_high: float = float("nan")

    @property
    def acts_within_a_bin(self) -> bool:
        """Return True if effects are over within a bin, and skewness shows the effect of this pathway."""
        return (
            self.bin_s >= LEAST_SLOW_BIN_S
            and self.skewed_p_value < MAX_SKEWED_P_VALUE
            and abs(self.skewed_effect_low) >= LEAST_DIRECT_EFFECT
        )

    @property
    def cumulant_effect_low(self) -> float:
        """Return the end nearest to 0 of the interval of the effect beside an unrecorded cause; 0 if it holds 0."""
        return max(self.cumulant_ci_low, 0.0) + min(self.cumulant_ci_high, 0.0)

    @property
    def cumulants_agree(self) -> bool:
        """Return True if skewness shows an effect of this sign beside a cause that was not recorded."""
        return bool(np.sign(self.skewed_effect_low) * self.cumulant_effect_low >= LEAST_DIRECT_EFFECT)

    @property
    def is_known_input(self) -> bool:
        """Return True if the source is an input that was recorded."""
        return bool(np.isfinite(self.immediate_share))

    @property
    def adds_to_the_past(self) -> bool:
        """Return True if the source reliably adds to the present and the past of all other sources."""
        return self.unique_t >= MIN_UNIQUE_T and self.unique_share >= MIN_UNIQUE_SHARE

    @property
    def enters_itself(self) -> bool:
        """Return True if a known input enters the target itself, and not only by way of other units."""
        return self.adds_to_the_past and self.immediate_share >= MIN_IMMEDIATE_FRACTION * self.unique_share


class Judgement(NamedTuple):
    """The verdict on one pathway.

    Attributes
    ----------
    verdict : ``resolved`` or ``unresolved``.
    grade : one of `curbd.tables.pathways.GRADES`.
    reason : the evidence for a resolved pathway, or everything that speaks against an unresolved pathway.
    codes : codes of everything that speaks against the pathway.
    resolved_by : what resolves the pathway: ``currents`` if its current can be believed, ``skewness`` if the skewness
        of the activity shows an effect within a bin, of which the current is not known; '' for an unresolved pathway.
    """

    verdict: str
    grade: str
    reason: str
    codes: tuple[str, ...]
    resolved_by: str = ""


def judgement(grounds: Grounds) -> Judgement:
    """Judge a pathway: is its current believable, and if not, is there evidence that the pathway exists?

    A pathway is ``resolved`` if all of the following hold. The source predicts something about the target that no other
    source predicts (q value of the null). The posterior expects the estimated current to explain at least half of the
    variance of the true current. Refits to resampled trials agree on the current. The model is adequate: its residuals
    are white, there are enough data, and it predicts held-out currents no worse than a ridge regression; a network that
    misses a part of the current attributes the rest wrongly. Measurement noise hides at most a quarter of the variance
    of the source's rates. There is no sign of unrecorded units or inputs, because their current would be attributed to
    recorded units: a sign needs strong statistical evidence, which grows with the recording, and an effect of some
    size, a share of the variance, which does not (`curbd.pathways.unrecorded`). A source that sends no current at all
    is unresolved. Unknown evidence (NaN) does not count against a pathway.

    Signs of what was not recorded do not count against a known input that enters the region itself: no unrecorded
    region drives what the experimenter switched on. Unrecorded units can pass the input on, but not within the bin. The
    reason then says that the course of the current can be believed, but not its size.

    Where bins are as slow as those of fMRI, effects are over before the next bin. A regression on the bin before then
    says little for or against a pathway, but the skewness of the activity can: a pathway is also resolved if skewness
    shows a direct effect that is large after every filter, if nothing but the regression on the bin before speaks
    against the pathway, and if one of two things holds: effects between the recorded regions explain nearly all
    skewness, or a model in which noise and a cause that was not recorded explain a part of the skewness has an effect
    of the same sign. The reason says that the current is not known. If neither holds, the pathway is ``supported``.

    A pathway that is not resolved is ``supported`` if nothing but these hints speaks against the pathway, and if its
    source, present and past, adds to the prediction from the present and the past of all other sources. The grade is
    ``no_evidence`` if the source predicts no more than a shuffled source does, although the data could have shown it,
    and ``cannot_tell`` otherwise.

    Parameters
    ----------
    grounds : the evidence on the pathway.

    Returns
    -------
    The verdict, the grade, the reason, and the codes of all objections.
    """
    against = _objections(grounds)
    codes = tuple(against)
    if against and grounds.acts_within_a_bin and set(codes) <= OF_THE_BIN_BEFORE:
        if grounds.skewed_misfit <= MAX_SKEWED_MISFIT or grounds.cumulants_agree:
            return Judgement("resolved", "resolved", _within_a_bin(grounds), (), "skewness")
        against["shared_skewness"] = (
            f"{_direct_effect(grounds)}, but recorded regions leave "
            f"{beside_limit(grounds.skewed_misfit, MAX_SKEWED_MISFIT, '.0%')} of the skewness "
            "unexplained, and the effect is not seen beside noise and a cause that was not recorded: possible reasons "
            "are such a cause of several regions, noise, or saturation"
        )
        return Judgement("unresolved", "supported", "; ".join(against.values()), tuple(against))
    if against:
        return Judgement("unresolved", _grade(set(codes)), "; ".join(against.values()), codes)
    reason = ", ".join(_support(grounds)) or "nothing speaks against the pathway"
    return Judgement("resolved", "resolved", reason, (), "currents")


def _within_a_bin(grounds: Grounds) -> str:
    return (
        f"{_direct_effect(grounds)}{_agreement(grounds)}; existence, direction and sign can be believed, and the "
        "current, which is computed from the bin before, cannot"
    )


def _agreement(grounds: Grounds) -> str:
    if not grounds.cumulants_agree:
        return ""
    least = abs(grounds.cumulant_effect_low)
    return f", and one of at least {least:.2f} sd of the same sign beside a cause that was not recorded"


def _direct_effect(grounds: Grounds) -> str:
    return (
        f"the skewness of the activity shows a direct effect of at least {abs(grounds.skewed_effect_low):.2f} sd "
        f"(p = {grounds.skewed_p_value:.1g}) that is over within a bin"
    )


def _grade(codes: set[str]) -> str:
    """Grade an unresolved pathway by the codes of its objections."""
    if "no_current" in codes or ("no_evidence" in codes and not codes & BLIND_SPOTS):
        return "no_evidence"
    return "supported" if codes <= CONFOUNDS else "cannot_tell"


def _objections(grounds: Grounds) -> dict[str, str]:
    """List everything that speaks against the current of a pathway: code -> sentence."""
    if grounds.rms == 0:
        return {"no_current": "the source sends no current to the target"}
    return _against_the_model(grounds) | _hints(grounds) | _against_the_evidence(grounds)


def _against_the_model(grounds: Grounds) -> dict[str, str]:
    against = {}
    if grounds.samples_per_regressor < MIN_BINS_PER_WEIGHT:
        bins = beside_limit(grounds.samples_per_regressor, MIN_BINS_PER_WEIGHT, ".1f")
        against["few_bins"] = f"{bins} training bins per weight are too few"
    if abs(grounds.residual_autocorrelation) > MAX_RESIDUAL_AUTOCORRELATION:
        against["correlated_residuals"] = (
            f"the residuals are correlated in time ({_correlation(grounds.residual_autocorrelation)}): "
            "possible causes are an unmodelled input, measurement noise, smoothing, or a wrong time constant"
        )
    if grounds.excess_error > MAX_EXCESS_ERROR:
        excess = beside_limit(grounds.excess_error, MAX_EXCESS_ERROR, ".0%")
        against["excess_error"] = (
            f"the held-out error is {excess} above that of ridge regression: the model misses a part of the current"
        )
    if np.isfinite(grounds.limited_tau_s):
        against["time_constant_limit"] = (
            f"the time constant ({grounds.limited_tau_s:.3g} s) is at a limit of its search, one bin or 100 bins, or "
            "beyond: the size of all currents depends on it; set tau_s, or use other bins"
        )
    if grounds.unseen_share > MAX_UNSEEN_SHARE:
        hidden = beside_limit(grounds.unseen_share, MAX_UNSEEN_SHARE, ".0%")
        against["hidden_by_noise"] = f"measurement noise hides {hidden} of the source's activity"
    return against


def _correlation(value: float) -> str:
    """A correlation of the residuals, whose size is compared with a limit, with its sign."""
    size = beside_limit(abs(value), MAX_RESIDUAL_AUTOCORRELATION, ".2f")
    return f"-{size}" if value < 0 else size


def _hints(grounds: Grounds) -> dict[str, str]:
    """List the hints of what was not recorded, unless the source is an input that enters the target itself."""
    hints = _signs(grounds)
    if not hints or (grounds.is_known_input and grounds.enters_itself):
        return {}
    if grounds.is_known_input:
        hints["indirect_input"] = "the input may reach the target by way of unrecorded units alone"
    if not grounds.adds_to_the_past:
        hints["explained_by_past"] = (
            "the source adds nothing reliable to the present and the past of the other sources "
            f"({beside_limit(grounds.unique_share, MIN_UNIQUE_SHARE, '.2%')} of the variance, "
            f"t = {beside_limit(grounds.unique_t, MIN_UNIQUE_T, '.1f')} over folds of trials)"
        )
    return hints


def _signs(grounds: Grounds) -> dict[str, str]:
    """List the signs of something unrecorded that acts on the target."""
    hints: dict[str, str] = {}
    if grounds.memory_nats > MAX_MEMORY_NATS and grounds.memory_share > MAX_UNRECORDED_SHARE:
        hints["memory"] = (
            "the past of the recorded units predicts a part of the current that their present does not predict "
            f"({beside_limit(grounds.memory_share, MAX_UNRECORDED_SHARE, '.2%')} of the variance, "
            f"log Bayes factor {beside_limit(grounds.memory_nats, MAX_MEMORY_NATS, '.0f')}): "
            "possible causes are unrecorded units or inputs, measurement noise, smoothing, or a wrong time constant"
        )
    if grounds.shared_sd > MAX_SHARED_SD and grounds.common_share > MAX_UNRECORDED_SHARE:
        hints["shared_fluctuations"] = (
            "the residuals of the target's units fluctuate together "
            f"({beside_limit(grounds.common_share, MAX_UNRECORDED_SHARE, '.2%')} of the variance, "
            f"{beside_limit(grounds.shared_sd, MAX_SHARED_SD, '.0f')} sd): "
            "a possible cause is an input from outside the recording"
        )
    return hints


def _against_the_evidence(grounds: Grounds) -> dict[str, str]:
    against = {}
    if grounds.q_value > MAX_Q_VALUE:
        q_value = beside_limit(grounds.q_value, MAX_Q_VALUE, ".2g")
        against["no_evidence"] = f"the source predicts no more than a shuffled source does (q = {q_value})"
    if grounds.predicted_r2 < MIN_PREDICTED_R2:
        expected = beside_limit(grounds.predicted_r2, MIN_PREDICTED_R2, ".2f")
        against["wide_interval"] = f"the interval of the current is wide (expected R2 {expected})"
    if grounds.seed_r < MIN_SEED_R:
        agreement = beside_limit(grounds.seed_r, MIN_SEED_R, ".2f")
        against["refits_disagree"] = f"refits to resampled trials disagree (r = {agreement})"
    return against


def _support(grounds: Grounds) -> list[str]:
    """List the evidence for the current of a pathway."""
    support = []
    if np.isfinite(grounds.q_value):
        support.append(f"q = {beside_limit(grounds.q_value, MAX_Q_VALUE, '.2g')}")
    if np.isfinite(grounds.predicted_r2):
        support.append(f"expected R2 {beside_limit(grounds.predicted_r2, MIN_PREDICTED_R2, '.2f')}")
    if np.isfinite(grounds.seed_r):
        support.append(f"refits agree (r = {beside_limit(grounds.seed_r, MIN_SEED_R, '.2f')})")
    if grounds.is_known_input and _signs(grounds):
        support.append(
            "the input enters the region at once; because something was not recorded, the course of its current can "
            "be believed and the size cannot"
        )
    return support
